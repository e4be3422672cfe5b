"""Options of an export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from dlpo.bundle import Precision
from dlpo.bundle.manifest import MAX_JITTER
from dlpo.config.fields import HIDDEN, Flag, Range, Share
from dlpo.config.strict import After, check
from dlpo.errors import InputError
from dlpo.noise_schedule import named_schedule
from dlpo.text.common.front_end import parse_dictionary
from dlpo.text.languages import known_language

if TYPE_CHECKING:
    from dlpo.model.build import ModelConfig

MOST_STEPS = 16  # of a fused graph, the papers' 10 among them; more are slow to trace and to run
WEIGHT_BITS = (8, 16, 32)
Jitter = Annotated[float, Range(ge=0, le=MAX_JITTER)]
OPSET = 20  # of ONNX
OfCheckpoint = Flag(panel="For checkpoints")
OfBoth = Flag(panel="For checkpoints and bundles")
Steps = Annotated[tuple[Annotated[int, Range(ge=1, le=MOST_STEPS)], ...], OfBoth]
Voices = Annotated[Mapping[str, str], Flag("--voice", metavar="NAME[=VOICE]"), OfCheckpoint]
Languages = Annotated[
    Mapping[str, str], Flag("--language", metavar="[NAME=]LANGUAGE"), OfCheckpoint
]
Jitters = Annotated[Mapping[str, Jitter], Flag(metavar="NAME=PERIODS"), OfCheckpoint]


def usual_precisions(config: ModelConfig) -> tuple[Precision, ...]:
    """What is exported unless precisions are given.

    Only fp32 for WaveGrad 2: to find out where 8 bits are inaudible, every layer is measured in
    each step of each chain, which takes hours for `base`.
    """
    from dlpo.config.models import WaveGrad2Config

    return ("fp32",) if isinstance(config, WaveGrad2Config) else ("fp32", "int8")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """Everything that defines a bundle apart from the checkpoint."""

    steps: Steps = (1, 2, 3, 4, 6)
    """Reverse steps to offer; repeatable; all share their weights. Default for checkpoints: their
    own number. For bundles: those to build plans for."""
    default_steps: Annotated[int, OfCheckpoint] = 3
    """Default number of reverse steps; otherwise its own."""
    schedule: Annotated[str, OfCheckpoint] = "cosine"
    """Noise schedule; by default, that it was tuned for."""
    eta: Annotated[Share, OfCheckpoint] = 0.0
    """0 = DDIM, 1 = ancestral; by default, its own."""
    precisions: Annotated[tuple[Precision, ...], Flag("--precision"), OfBoth] = ("fp32", "int8")
    """Denoiser precision; repeatable. fp32 is always included; fp16, bf16 and int8_symmetric are
    for GPUs, int8 for CPUs. Default for checkpoints: fp32 and int8, or fp32 alone for mini, base
    and large. For bundles: the precisions to build plans for."""
    weight_bits: Annotated[int, After("8, 16 or 32", WEIGHT_BITS.__contains__), OfCheckpoint] = 16
    """Bits per stored weight: 8, 16 or 32; 16 by default."""
    voice: Annotated[str, HIDDEN] = "lj"
    """Name of the voice, for a checkpoint with a single voice."""
    voices: Voices = field(default_factory=dict)
    """Name of the voice. With several speakers: NAME or NAME=VOICE, repeatable, the first is the
    default; by default, all of them."""
    languages: Languages = field(default_factory=dict)
    """Language of a voice, if the checkpoint lacks it: es-419, or NAME=es-419; repeatable."""
    jitter: Jitters = field(default_factory=dict)
    """How far a voice's pulses come early or late, NAME=PERIODS, such as heart=0.01: makes
    harmonics rough as in recordings; repeatable."""
    gain: Annotated[float, OfCheckpoint] = 1.0
    """Gain factor on the waveform; 1 by default."""
    dictionary: Annotated[Mapping[str, str], HIDDEN] = field(default_factory=dict)
    """Word -> phonemes, overriding the lexicon for this voice."""
    scores: Annotated[Mapping[str, float], HIDDEN] = field(default_factory=dict)
    """Judges' scores, by name."""

    def __post_init__(self) -> None:
        """Raise InputError or ConfigError if the options can't be satisfied."""
        check(self)
        for steps in self.steps:
            named_schedule(self.schedule, steps, self.eta)
        if self.default_steps not in self.steps:
            raise InputError(
                f"default steps is {self.default_steps}; expected one of "
                f"{', '.join(map(str, self.steps))}; choose one (--default-steps) or offer it too"
            )
        for name, language in self.languages.items():
            try:
                known_language(language)
            except InputError as error:
                raise InputError(f"voice {name!r}: {error}") from error
        parse_dictionary(self.dictionary)  # rejected now, rather than when the bundle is opened
