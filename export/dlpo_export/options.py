"""Options of an export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from dlpo.bundle import Precision
from dlpo.bundle.manifest import MAX_JITTER
from dlpo.config.models import WaveGrad2Config
from dlpo.errors import InputError
from dlpo.model.build import ModelConfig
from dlpo.noise_schedule import named_schedule
from dlpo.text.common.front_end import parse_dictionary
from dlpo.text.languages import known_language
from dlpo_export.lstm import OPSET

MOST_STEPS = 16  # of a fused graph, the papers' 10 among them; more are slow to trace and to run
WEIGHT_BITS = (8, 16, 32)
OPSETS = range(18, 22)  # of ONNX; tested from end to end


def usual_precisions(config: ModelConfig) -> tuple[Precision, ...]:
    """What is exported unless precisions are given.

    Only fp32 for WaveGrad 2: to find out where 8 bits are inaudible, every layer is measured in
    each step of each chain, which takes hours for `base`.
    """
    return ("fp32",) if isinstance(config, WaveGrad2Config) else ("fp32", "int8")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """Everything that defines a bundle apart from the checkpoint."""

    steps: tuple[int, ...] = (1, 2, 3, 4, 6)
    """Every N for which to make a denoiser; all of them share their weights."""
    default_steps: int = 3
    """The N used when a request doesn't specify one."""
    schedule: str = "cosine"
    """Name of the noise schedule."""
    eta: float = 0.0
    """0 = DDIM to 1 = ancestral."""
    precisions: tuple[Precision, ...] = ("fp32", "int8")
    """Of the denoisers; fp32 is always made. fp16 and int8_symmetric are for GPUs."""
    weight_bits: int = 16
    """Width that weights are first rounded to; 8 halves the bundle, 32 keeps them unchanged."""
    opset: int = OPSET
    """Version of ONNX's operator set."""
    voice: str = "lj"
    """Name of the voice, for a checkpoint with a single voice."""
    voices: Mapping[str, str] = field(default_factory=dict)
    """Name in the bundle -> voice of the checkpoint, for one with several; the first is the
    default. Empty is all of its speakers."""
    languages: Mapping[str, str] = field(default_factory=dict)
    """Name in the bundle -> language, BCP 47, where it isn't as the checkpoint has it."""
    jitter: Mapping[str, float] = field(default_factory=dict)
    """Name in the bundle -> standard deviation of its pulses' places, in periods. About 0.01 makes
    the harmonics of synthetic speech as rough as recorded ones."""
    gain: float = 1.0
    """Factor applied to the waveform before it leaves the host."""
    dictionary: Mapping[str, str] = field(default_factory=dict)
    """Word -> phonemes, overriding the lexicon for this voice."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Judges' scores, by name."""

    def __post_init__(self) -> None:
        """Raise InputError or ConfigError if the options can't be satisfied."""
        for steps in self.steps:
            if not 1 <= steps <= MOST_STEPS:
                raise InputError(f"steps is {steps}; expected 1 to {MOST_STEPS}")
            named_schedule(self.schedule, steps, self.eta)
        if self.default_steps not in self.steps:
            raise InputError(
                f"default steps is {self.default_steps}; expected one of "
                f"{', '.join(map(str, self.steps))}; choose one (--default-steps) or offer it too"
            )
        for precision in self.precisions:
            if precision not in get_args(Precision):
                raise InputError(
                    f"precision is {precision!r}; expected {', '.join(get_args(Precision))}"
                )
        if self.weight_bits not in WEIGHT_BITS:
            raise InputError(f"weight bits is {self.weight_bits}; expected 8, 16 or 32")
        if self.opset not in OPSETS:
            raise InputError(f"opset is {self.opset}; expected {OPSETS[0]} to {OPSETS[-1]}")
        for name, periods in self.jitter.items():
            if not 0 <= periods <= MAX_JITTER:
                raise InputError(
                    f"jitter of {name} is {periods:g}; expected 0 to {MAX_JITTER} periods"
                )
        for name, language in self.languages.items():
            try:
                known_language(language)
            except InputError as error:
                raise InputError(f"voice {name!r}: {error}") from error
        parse_dictionary(self.dictionary)  # rejected now, rather than when the bundle is opened
