"""Configurations: frozen dataclasses, read strictly from JSON values and written back unchanged.

A key that is not a field is refused with the closest field's name, because a misspelt key that is
silently ignored costs a training run. Values are checked by type here and by range in each class.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from dlpo.errors import ConfigError

T = TypeVar("T")

Parametrisation = Literal["x0", "eps", "v"]  # what a denoiser predicts; see dlpo.diffusion


def from_dict(cls: type[T], values: object) -> T:
    """The dataclass `cls` from JSON values (as `json.loads` returns them), nested ones included.

    Raises:
        ConfigError: a key is unknown or missing, or a value is of another type or out of range.
    """
    return typing.cast(T, _convert(cls, values, cls.__name__))


def to_dict(config: Any) -> dict[str, Any]:
    """The JSON values of a dataclass: what `from_dict` reads back to an equal object."""
    return {field.name: _plain(getattr(config, field.name)) for field in dataclasses.fields(config)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_dict(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _convert(kind: Any, value: object, where: str) -> object:
    """`value` as the annotated type `kind`; `where` is the path that an error names."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _convert_dataclass(typing.cast(type, kind), value, where)
    if origin is Literal:
        if value not in arguments:
            choices = ", ".join(map(repr, arguments))
            raise ConfigError(f"{where} is {value!r}; expected one of {choices}")
        return value
    if origin in (typing.Union, types.UnionType):
        for option in arguments:
            try:
                return _convert(option, value, where)
            except ConfigError:
                continue
        raise ConfigError(f"{where} is {value!r}; expected {kind}")
    if origin is tuple and isinstance(value, list | tuple):
        if arguments[-1] is Ellipsis:
            arguments = (arguments[0],) * len(value)
        if len(value) != len(arguments):
            raise ConfigError(f"{where} has {len(value)} values; expected {len(arguments)}")
        return tuple(
            _convert(item_kind, item, f"{where}[{i}]")
            for i, (item_kind, item) in enumerate(zip(arguments, value, strict=True))
        )
    if origin is dict and isinstance(value, Mapping):
        return {key: _convert(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if kind is float and type(value) in (int, float) and math.isfinite(typing.cast(float, value)):
        return float(typing.cast(float, value))
    if kind is type(None) and value is None:
        return None
    if kind in (int, str, bool) and type(value) is kind:
        return value
    expected = kind.__name__ if origin is None else str(kind)
    raise ConfigError(f"{where} is {value!r}; expected {expected}")


def _convert_dataclass(cls: type, value: object, where: str) -> object:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} is {value!r}; expected an object of keys and values")
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for key in value:
        if key not in fields:
            closest = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"did you mean {closest[0]!r}?" if closest else f"known: {', '.join(fields)}"
            raise ConfigError(f"{where} has the unknown key {key!r}; {hint}")
    kinds = typing.get_type_hints(cls)
    arguments = {key: _convert(kinds[key], item, f"{where}.{key}") for key, item in value.items()}
    for name, field in fields.items():
        required = field.default is field.default_factory is dataclasses.MISSING
        if required and name not in arguments:
            raise ConfigError(f"{where} lacks the key {name!r}; add it")
    return cls(**arguments)


@dataclass(frozen=True, slots=True)
class WaveGrad2Config:
    """WaveGrad 2 as published: text to waveform by diffusion at the full sample rate.

    Reference: Chen et al. 2021, https://arxiv.org/abs/2106.09660; widths of the MINDs Lab
    reproduction that the DLPO paper tunes ("WaveGrad 2R").
    """

    model: Literal["base", "large"] = "base"
    """Name of the size."""
    symbols: int = 79
    """Rows of the symbol embedding; `len(dlpo.text.symbols.SYMBOLS)`."""
    encoder_channels: int = 512
    """Width of embedding and convolutions; the two directions of the LSTM have half of it each."""
    encoder_layers: int = 3
    """Convolutions (kernel 5) before the encoder's LSTM."""
    dropout: float = 0.5
    """Probability, in the encoder while training."""
    speaker_channels: int = 64
    """Width of the speaker embedding joined to the hidden sequence; one speaker."""
    predictor_channels: int = 512
    """Width a side of the two-layer LSTMs that predict durations and ranges."""
    conditioning_channels: int = 768
    """Width of the frame sequence as the first upsampling block takes it."""
    up_channels: tuple[int, ...] = (512, 512, 256, 128, 128)
    """Output channels of the upsampling blocks, from frames to samples."""
    up_factors: tuple[int, ...] = (5, 5, 3, 2, 2)
    """Upsampling of each block; the product is the hop length in samples."""
    up_dilations: tuple[tuple[int, ...], ...] = ((1, 2, 4, 8),) * 3 + ((1, 2, 1, 2),) * 2
    """Dilations of the four convolutions of each upsampling block."""
    blocks_per_scale: int = 1
    """Blocks at each rate, up and down; in `large` a second one follows that keeps the rate."""
    waveform_channels: int = 32
    """Output channels of the convolution (kernel 5) that reads the noisy waveform."""
    down_channels: tuple[int, ...] = (128, 128, 256, 512)
    """Output channels of the downsampling blocks, from samples towards frames."""
    down_dilations: tuple[int, ...] = (1, 2, 4)
    """Dilations of the convolutions of every downsampling block."""

    def __post_init__(self) -> None:
        if not len(self.up_channels) == len(self.up_factors) == len(self.up_dilations):
            raise ConfigError(
                f"WaveGrad2Config: up_channels, up_factors, up_dilations have "
                f"{len(self.up_channels)}, {len(self.up_factors)}, {len(self.up_dilations)} "
                f"entries; give one of each per block"
            )
        if len(self.down_channels) != len(self.up_channels) - 1:
            raise ConfigError(
                f"WaveGrad2Config.down_channels has {len(self.down_channels)} entries; expected "
                f"{len(self.up_channels) - 1}, one less than up_channels"
            )
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"WaveGrad2Config.dropout is {self.dropout}; expected 0 <= p < 1")
        if self.encoder_channels % 2:
            raise ConfigError(
                f"WaveGrad2Config.encoder_channels is {self.encoder_channels}; expected an even "
                "number, half for each direction of the LSTM"
            )

    @property
    def hop_length(self) -> int:
        """Samples a frame."""
        return math.prod(self.up_factors)


BASE = WaveGrad2Config()
LARGE = WaveGrad2Config(model="large", blocks_per_scale=2, up_dilations=((1, 2, 4, 8),) * 5)


@dataclass(frozen=True, slots=True)
class LiteConfig:
    """The embedded voice: WaveGrad 2's flow on patches of 20 samples, for one CPU core."""

    model: Literal["lite"] = "lite"
    symbols: int = 79
    """Rows of the symbol embedding; `len(dlpo.text.symbols.SYMBOLS)`."""
    hidden_channels: int = 192
    """Width of the encoder and of the frame sequence."""
    encoder_blocks: int = 3
    """Pairs of a convolution block and self-attention over the symbols."""
    encoder_dropout: float = 0.2
    """Probability, in the encoder and its predictors while training."""
    prosody_blocks: int = 2
    """Convolution blocks before F0, voicing and energy are predicted."""
    mel_blocks: int = 4
    """Convolution blocks between prosody and log-mel."""
    frame_dropout: float = 0.1
    """Probability, in the frame-rate blocks while training."""
    conditioning_channels: int = 320
    """Width of the frame sequence as the denoiser takes it."""
    conditioning_blocks: int = 3
    """Convolution blocks on the frame sequence; they run once, not once a step."""
    patch: int = 20
    """Samples of one position of the denoiser; the rest of the hop is `up_factors`."""
    up_factors: tuple[int, int] = (5, 3)
    """Upsampling of the two blocks, frames to patches."""
    up_channels: tuple[int, int] = (256, 128)
    """Output channels of the upsampling blocks."""
    down_channels: tuple[int, int] = (96, 128)
    """Channels of the noisy branch, at patches and at patches / up_factors[1]."""
    level_channels: int = 128
    """Width of the noise-level embedding."""
    scale: float = 12.0
    """What the pre-emphasised waveform is multiplied by, to a standard deviation near 0.5."""

    def __post_init__(self) -> None:
        if self.hop_length != 300:
            raise ConfigError(
                f"LiteConfig: patch {self.patch} times up_factors {self.up_factors} is"
                f" {self.hop_length} samples; expected a hop of 300"
            )
        for name in ("encoder_dropout", "frame_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(
                    f"LiteConfig.{name} is {getattr(self, name)}; expected 0 <= p < 1"
                )

    @property
    def hop_length(self) -> int:
        """Samples a frame."""
        return self.patch * math.prod(self.up_factors)


LITE = LiteConfig()


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How a model is trained; the defaults are the recipe of the embedded voice."""

    updates: int = 40_000
    """Optimiser steps of the whole run; the learning rate's decay ends there."""
    acoustic_updates: int = 3_000
    """The first of them, which teach everything before the denoiser (durations, prosody, mel) and
    nothing else; the rest teach the denoiser and nothing else. What is before it over-fits 37
    minutes of speech long before the denoiser has learnt to speak."""
    batch: int = 16
    """Windows an update, on each process."""
    acoustic_window: int = 128
    """Frames of a window in the first part (73.5 a second)."""
    timing_batch: int = 8
    """Further sentences an update that only teach durations, in the first part; 0 for none."""
    window: int = 48
    """Frames of a window that the denoiser sees."""
    adversarial_updates: int = 0
    """The last updates, in which the denoiser must also pass for a recording with an adversary."""
    adversarial_rate: float = 2e-4
    """Learning rate of both in that last part."""
    learning_rate: float = 8e-4
    warmup: int = 300
    """Updates over which the learning rate rises from 0."""
    decay_from: float = 0.5
    """Share of each part after which the learning rate falls linearly to 3 % of its peak."""
    weight_decay: float = 0.01
    gradient_clip: float = 1.0
    """Largest norm of the gradient."""
    ema_decay: float = 0.999
    """Of the averaged weights, which are the ones that are saved and spoken with."""
    precision: Literal["bf16", "no"] = "bf16"
    """Arithmetic inside convolutions and matrix products; weights and losses stay float32."""
    seed: int = 0
    log_every: int = 100
    """Updates between lines of the log."""
    validate_every: int = 500
    """Updates between measurements on the validation windows."""
    save_every: int = 1_000
    """Updates between checkpoints."""

    def __post_init__(self) -> None:
        for name in (
            "updates", "batch", "acoustic_window", "window", "log_every", "validate_every",
            "save_every",
        ):  # fmt: skip
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"TrainingConfig.{name} is {getattr(self, name)}; expected 1 or more"
                )
        if self.acoustic_updates + self.adversarial_updates > self.updates:
            raise ConfigError(
                f"TrainingConfig: {self.acoustic_updates} acoustic and {self.adversarial_updates}"
                f" adversarial updates don't fit into {self.updates}; raise updates"
            )
        if not 0 < self.learning_rate < 1:
            raise ConfigError(
                f"TrainingConfig.learning_rate is {self.learning_rate}; expected 0 < rate < 1"
            )
        if not 0 <= self.ema_decay < 1:
            raise ConfigError(f"TrainingConfig.ema_decay is {self.ema_decay}; expected 0 <= d < 1")

    def rate(self, update: int) -> float:
        """The learning rate of update `update` (0 is the first); each part rises and falls."""
        adversarial = self.updates - self.adversarial_updates
        bounds = (0, self.acoustic_updates, adversarial, self.updates)
        part = (update >= self.acoustic_updates) + (update >= adversarial)
        first, end = bounds[part], bounds[part + 1]
        peak = self.adversarial_rate if part == 2 else self.learning_rate
        done = (update - first) / max(1, end - first)
        fall = 1.0 if done < self.decay_from else (1 - done) / (1 - self.decay_from)
        rise = min(1.0, (update - first + 1) / max(1, self.warmup))
        return peak * rise * max(0.03, fall)
