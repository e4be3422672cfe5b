"""How a model is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dlpo.errors import ConfigError


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How a model is trained; the defaults are the recipe of the embedded voice."""

    updates: int = 14_000
    """Optimiser steps of the whole run; the learning rate's decay ends there."""
    acoustic_updates: int = 2_600
    """The first of them, which teach everything before the denoiser (durations, prosody, mel) and
    nothing else; the rest teach the denoiser and nothing else. What is before it over-fits 37
    minutes of speech long before the denoiser has learned to speak."""
    batch: int = 16
    """Windows an update, on each process."""
    acoustic_window: int = 128
    """Frames of a window in the first part (73.5 a second)."""
    timing_batch: int = 8
    """Further sentences an update that only teach durations, in the first part; 0 for none."""
    window: int = 48
    """Frames of a window that the denoiser sees."""
    adversarial_updates: int = 6_900
    """The last updates, in which the denoiser must also pass for a recording with an adversary."""
    adversarial_rate: float = 4e-4
    """Learning rate of both in that last part."""
    adversary_every: int = 2
    """Updates of the denoiser to one of the adversary, which else learns the faster of the two."""
    learning_rate: float = 8e-4
    warmup: int = 300
    """Updates over which the learning rate rises from 0."""
    decay_from: float = 0.8
    """Share of each part after which the learning rate falls linearly to 3 % of its peak."""
    weight_decay: float = 0.01
    gradient_clip: float = 1.0
    """Largest norm of the gradient."""
    ema_decay: float = 0.999
    """Of the averaged weights, which are the ones that are saved and spoken with."""
    precision: Literal["auto", "bf16", "no"] = "auto"
    """Arithmetic inside convolutions and matrix products; weights and losses stay float32. auto is
    bf16 where the processor or GPU computes in it: imitated, it takes seven times as long."""
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
            "save_every", "adversary_every",
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


@dataclass(frozen=True, slots=True)
class SpectralTraining:
    """How a part of `spectral` is trained; the defaults are the recipe of the embedded voices."""

    part: Literal["acoustics", "denoiser", "joint"] = "joint"
    """acoustics: everything before the conditioning, from phonemes to mel. denoiser: conditioning
    and denoiser, from recorded mel. These two share no weights, so they can be trained at the same
    time. joint: the denoiser on predicted mel and hidden states, after both."""
    updates: int = 20_000
    """Optimizer steps of the run; the learning rate's decay ends there."""
    batch: int = 16
    """Windows an update of the denoiser, on each process."""
    window: int = 48
    """Frames of a window of the denoiser (73.5 a second)."""
    acoustic_batch: int = 6
    """Windows an update of the acoustics, on each process."""
    acoustic_window: int = 448
    """Frames of a window of the acoustics: most sentences whole, since each is encoded whole."""
    timing_batch: int = 4
    """Further sentences an update of the acoustics that only teach durations; 0 for none."""
    adversarial_from: int = 10_000
    """Update from which the denoiser must also pass for a recording with an adversary."""
    adversarial_rate: float = 4e-4
    """Learning rate of both from there on."""
    adversary_every: int = 2
    """Updates of the denoiser to one of the adversary, which learns faster."""
    learning_rate: float = 1e-3
    warmup: int = 300
    """Updates over which the learning rate rises from 0."""
    decay_from: float = 0.5
    """Share of the run after which the learning rate falls linearly to 3 % of its peak."""
    weight_decay: float = 0.01
    gradient_clip: float = 1.0
    """Largest norm of the gradient."""
    ema_decay: float = 0.999
    """Of the averaged weights, which are saved and spoken with."""
    precision: Literal["auto", "bf16", "no"] = "auto"
    """Arithmetic inside convolutions and matrix products; weights and losses stay float32. auto is
    bf16 where the processor or GPU computes in it."""
    seed: int = 0
    log_every: int = 100
    """Updates between lines of the log."""
    validate_every: int = 500
    """Updates between measurements on the validation windows."""
    save_every: int = 500
    """Updates between checkpoints."""

    def __post_init__(self) -> None:
        for name in (
            "updates", "batch", "acoustic_batch", "acoustic_window", "window", "log_every",
            "validate_every", "save_every", "adversary_every",
        ):  # fmt: skip
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"SpectralTraining.{name} is {getattr(self, name)}; expected 1 or more"
                )
        for name in ("learning_rate", "adversarial_rate"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(
                    f"SpectralTraining.{name} is {getattr(self, name)}; expected 0 < rate < 1"
                )
        if not 0 <= self.ema_decay < 1:
            raise ConfigError(
                f"SpectralTraining.ema_decay is {self.ema_decay}; expected 0 <= d < 1"
            )

    @property
    def is_adversarial(self) -> bool:
        """Whether any update of the run has an adversary."""
        return self.part != "acoustics" and self.adversarial_from < self.updates

    def rate(self, update: int) -> float:
        """The learning rate of update `update` (0 is the first)."""
        adversarial = self.part != "acoustics" and update >= self.adversarial_from
        peak = self.adversarial_rate if adversarial else self.learning_rate
        done = update / self.updates
        fall = 1.0 if done < self.decay_from else (1 - done) / (1 - self.decay_from)
        return peak * min(1.0, (update + 1) / max(1, self.warmup)) * max(0.03, fall)


@dataclass(frozen=True, slots=True)
class WaveGrad2Training:
    """How `base` and `large` are trained; the defaults are those of the published reproduction.

    Reference: MINDs Lab's WaveGrad 2 (https://github.com/maum-ai/wavegrad2), which the DLPO paper
    tunes; its checkpoint of `base` is of about a million updates.
    """

    updates: int = 1_000_000
    """Optimiser steps of the whole run."""
    batch: int = 12
    """Windows an update, on each process; each comes with its whole sentence."""
    window: int = 256
    """Frames of a window that the decoder is scored on (73.5 a second)."""
    context: int = 6
    """Frames on either side that the decoder sees besides and isn't scored on: its reach, so that
    it learns nothing from ends that a sentence doesn't have. 10 in `large`."""
    duration_weight: float = 1.0
    """Of the squared error of durations, in seconds, relative to the L1 of the noise."""
    learning_rate: float = 3e-4
    decay_start: int = 25_000
    """Update from which the learning rate falls exponentially."""
    decay_end: int = 100_000
    """Update from which it stays."""
    decay: float = 0.05
    """Share of the learning rate that is left then."""
    weight_decay: float = 1e-6
    gradient_clip: float = 1.0
    """Largest norm of the gradient."""
    ema_decay: float = 0.999
    """Of the averaged weights, which are the ones that are saved and spoken with."""
    precision: Literal["auto", "bf16", "no"] = "auto"
    """Arithmetic inside convolutions and matrix products; weights and losses stay float32. auto is
    bf16 where the processor or GPU computes in it: imitated, it takes seven times as long."""
    seed: int = 0
    sample_steps: int = 50
    """Reverse steps of the utterance that TensorBoard plays; 0 for none, which saves a CPU
    minutes."""
    log_every: int = 100
    """Updates between lines of the log."""
    validate_every: int = 1_000
    """Updates between measurements on the validation windows."""
    save_every: int = 5_000
    """Updates between checkpoints."""

    def __post_init__(self) -> None:
        least = dict.fromkeys(
            ("updates", "batch", "window", "log_every", "validate_every", "save_every"), 1
        ) | dict.fromkeys(("context", "decay_start", "sample_steps", "seed"), 0)
        for name, smallest in least.items():
            if getattr(self, name) < smallest:
                raise ConfigError(
                    f"WaveGrad2Training.{name} is {getattr(self, name)};"
                    f" expected {smallest} or more"
                )
        if self.decay_end <= self.decay_start:
            raise ConfigError(
                f"WaveGrad2Training.decay_end is {self.decay_end}; expected more than decay_start,"
                f" {self.decay_start}"
            )
        if self.sample_steps > 1000:
            raise ConfigError(
                f"WaveGrad2Training.sample_steps is {self.sample_steps}; expected 0 to 1000"
            )
        for name in ("learning_rate", "decay"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(
                    f"WaveGrad2Training.{name} is {getattr(self, name)}; expected 0 < x <= 1"
                )
        if not 0 <= self.ema_decay < 1:
            raise ConfigError(
                f"WaveGrad2Training.ema_decay is {self.ema_decay}; expected 0 <= d < 1"
            )
        for name in ("gradient_clip", "duration_weight"):
            if not getattr(self, name) > 0:
                raise ConfigError(
                    f"WaveGrad2Training.{name} is {getattr(self, name)}; expected above 0"
                )

    def rate(self, update: int) -> float:
        """The learning rate of update `update` (0 is the first)."""
        done = (update - self.decay_start) / (self.decay_end - self.decay_start)
        return float(self.learning_rate * self.decay ** min(1.0, max(0.0, done)))


BASE_TRAINING = WaveGrad2Training()
LARGE_TRAINING = WaveGrad2Training(batch=6, context=10)
