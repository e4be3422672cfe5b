"""The manifest `voice.json`: what a host needs to know to speak with a bundle's graphs."""

from __future__ import annotations

import dataclasses
import logging
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING
from zlib import crc32

from dlpo.bundle.parts import (
    CheckpointInfo,
    FileInfo,
    GraphInfo,
    PlanInfo,
    Precision,
    ProsodyInfo,
    ScheduleInfo,
    SourceInfo,
)
from dlpo.bundle.voice_json import (
    EXPORT_AGAIN,
    FORMAT,
    MANIFEST,
    UPGRADE,
    seal,
    unseal,
)
from dlpo.config import Parametrisation
from dlpo.config.strict import from_dict, to_dict
from dlpo.errors import BundleError, ConfigError, InputError
from dlpo.frame_grid import FrameGrid

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)
MAX_BUNDLE_BYTES = 4 << 30  # `large` in fp32 is 0.23 GB; far more is an attack or an accident
LIMITS = {"sample_rate_hz": 384_000, "hop_length": 16_384, "steps": 1000, "gain": 1000.0}
MAX_TEXT = 4000  # characters of a licence, a corpus
PLAIN_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"  # of a file; no folders
MARK_Z = 15.0  # in five seconds as they are; enough for MP3, and for half of them
MAX_JITTER = 0.1  # periods; a tenth is hoarse
MAX_VOICE_NAME = 500  # characters; a mix of voices is a name too
_WEIGHT = r"[0-9]{1,20}(?:\.[0-9]{1,20})?|\.[0-9]{1,20}"
_SHARE = re.compile(rf"({PLAIN_NAME})(?:\*({_WEIGHT}))?")  # of one voice in a mix


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """All that a host needs to know to speak with the graphs."""

    format: int = FORMAT
    voice: str
    language: str
    sample_rate_hz: int
    hop_length: int
    """Samples a frame."""
    symbols: tuple[str, ...]
    """The encoder's input is indices into this."""
    parametrisation: Parametrisation
    """What the network predicts; for information, the graphs return waveforms."""
    noise_schedule: ScheduleInfo
    steps: int
    """Reverse steps by default; `denoiser_{steps}` is there."""
    context_frames_per_step: int
    """Frames each side that one reverse step sees."""
    graphs: dict[str, GraphInfo]
    """`encoder`, `frames` and `denoiser_N` for every N on offer."""
    licence: str
    corpus: str
    checkpoint: CheckpointInfo
    gain: float = 1.0
    """Factor on the waveform before it leaves the host."""
    dictionary: dict[str, str] = field(default_factory=dict)
    """Word -> its phonemes with stress, where this voice says it otherwise than the lexicon."""
    needed_context: dict[str, int] = field(default_factory=dict)
    """N -> frames each side that a chunk of N steps needs to sound as in the whole, measured."""
    needed_context_int8: dict[str, int] = field(default_factory=dict)
    """The same for denoisers in 8 bits: tiny differences tip their rounding, so they need more."""
    frames_context: int | None = None
    """Frames each side that the frames graph sees; None: the whole sentence."""
    prosody: ProsodyInfo = field(default_factory=ProsodyInfo)
    uses_source: bool = True
    """False: the denoiser ignores its source input."""
    source: SourceInfo = field(default_factory=SourceInfo)
    precision: Precision = "fp32"
    """Of the denoiser on a CPU, unless the host chooses another."""
    plans: tuple[PlanInfo, ...] = ()
    """TensorRT engines, built on the machine that uses them."""
    scores: dict[str, float] = field(default_factory=dict)
    """What the judges measured at export, by measure."""
    mark: dict[str, float] = field(default_factory=dict)
    """N -> standard deviations by which the mark is found in five seconds of N steps, the least of
    the voices, measured; {} where nobody has."""
    voices: tuple[str, ...] = ()
    """Names of the voices of a bundle with several, in the order in which the encoder and frames
    graphs read their shares; () of a bundle with one."""
    jitter: dict[str, float] = field(default_factory=dict)
    """Voice -> standard deviation of its pulses' places, in periods; an absent one has none."""
    voice_languages: dict[str, str] = field(default_factory=dict)
    """Name of each of `voices` -> its language; {} where all speak `language`."""
    own_pitch_noise: bool = False
    """Whether each voice draws its pitch from noise of its own, so that no two share a tune."""
    requires: tuple[str, ...] = ()
    """Features that a reader must know, or else refuse the bundle; docs/bundle.md lists them."""
    files: dict[str, FileInfo] = field(default_factory=dict)
    """Every file but the manifest itself."""

    @cached_property
    def grid(self) -> FrameGrid:
        """Sample rate, frames and source."""
        return FrameGrid(self.sample_rate_hz, self.hop_length, self.source.taper_hz)

    @cached_property
    def available_steps(self) -> tuple[int, ...]:
        """Every N for which there is a denoiser graph, ascending."""
        found = (re.fullmatch("denoiser_([1-9][0-9]{0,3})", name) for name in self.graphs)
        return tuple(sorted(int(match[1]) for match in found if match))

    def noise_shape(self, graph: str) -> tuple[int | str, ...]:
        """Shape of the noise that a graph reads; empty if it reads none."""
        for tensor in self.graphs[graph].inputs:
            if tensor.name == "noise":
                return tensor.shape
        return ()

    def carries_mark(self, steps: int) -> bool:
        """Whether its speech in so many steps is known to carry the mark of `dlpo.mark`."""
        return self.mark.get(str(steps), 0.0) >= MARK_Z

    @cached_property
    def pitch_points(self) -> int | None:
        """Channels of the noise that the encoder draws the pitch from; None if it reads none."""
        shape = self.noise_shape("encoder")
        return int(shape[1]) if shape else None

    def named(self, voice: str) -> Manifest:
        """The manifest with its voices renamed to `voice`, `voice`-1, `voice`-2 and so on."""
        names = (voice, *(f"{voice}-{place}" for place in range(1, len(self.voices))))
        languages = [self.voice_languages[name] for name in self.voices if self.voice_languages]
        return dataclasses.replace(
            self,
            voice=voice,
            voices=names[: len(self.voices)],
            voice_languages=dict(zip(names, languages, strict=False)),
            jitter={
                new: self.jitter[old]
                for new, old in zip(names, self.voices or (self.voice,), strict=False)
                if old in self.jitter
            },
        )

    @cached_property
    def offered_voices(self) -> tuple[str, ...]:
        """Names of the voices that the bundle offers, the default first."""
        return (self.voice, *(name for name in self.voices if name != self.voice))

    @cached_property
    def of_voices(self) -> list[Manifest]:
        """The manifest of each offered voice, the default first."""
        return [self.with_voice(name) for name in self.offered_voices]

    def with_voice(self, name: str) -> Manifest:
        """The manifest of one of the voices, or of a mix of them, as a voice of its own."""
        return dataclasses.replace(self, voice=name, language=self.language_of(name))

    def language_of(self, voice: str) -> str:
        """The language of one of the voices; of a mix, that of its largest share."""
        if not self.voice_languages or not self.mixes(voice):
            return self.language
        return self.voice_languages[self._most_of(voice)]

    @cached_property
    def pitch_key(self) -> tuple[int, ...]:
        """What keys the noise of the pitch beside seed and sentence: the voice's name, or that of
        a mix's largest share, as CRC-32; nothing in a bundle whose voices share that noise."""
        if not self.own_pitch_noise:
            return ()
        name = self._most_of(self.voice) if self.mixes(self.voice) else self.voice
        return (crc32(name.encode()),)

    def _most_of(self, voice: str) -> str:
        """The voice with the largest share of a mix, the first of several."""
        name, _ = max(_SHARE.findall(voice), key=lambda part: float(part[1] or 1))
        return str(name)

    def speaks(self, language: str) -> bool:
        """Whether the voice speaks a language: BCP 47, such as "en-US" or "en"; "" matches any.

        A voice of the Americas ("es-419") speaks the language of each of their countries ("es-MX").
        """
        asked, spoken = language.lower().split("-"), self.language.lower().split("-")
        if spoken[1:] == ["419"] and asked[:1] == spoken[:1]:
            return asked[1:] != ["es"]
        return not language or asked == spoken[: len(asked)]

    def mixes(self, voice: str) -> bool:
        """Whether `voice` is one of `voices`, or a mix of them, whatever the weights."""
        if not self.voices or len(voice) > MAX_VOICE_NAME:
            return False
        parts = [_SHARE.fullmatch(part.strip(" ")) for part in voice.split("+")]
        return all(part and part[1] in self.voices for part in parts)

    def shares(self, voice: str) -> tuple[float, ...]:
        """The share of each of `voices`, which sum to 1.

        Args:
            voice: one of them, or a mix such as `ann*0.6+bob*0.4`; a missing weight is 1.

        Raises:
            InputError: not a mix, a voice that the bundle lacks, or weights that are all 0.
        """
        if not self.mixes(voice):
            raise InputError(
                f"voice is {voice[:60]!r}; expected {', '.join(self.offered_voices)}, or a mix "
                "such as NAME*0.6+NAME*0.4"
            )
        weights = dict.fromkeys(self.voices, 0.0)
        for part in voice.split("+"):
            name, _, weight = part.strip(" ").partition("*")
            weights[name] += float(weight or 1)
        total = sum(weights.values())
        if not 0 < total < math.inf:
            raise InputError(f"voice is {voice[:60]!r}; expected weights above 0")
        return tuple(weight / total for weight in weights.values())

    @cached_property
    def pulse_jitter(self) -> float:
        """Standard deviation of the pulses' places, in periods; of a mix, by its shares."""
        if not self.jitter or not self.voices:
            return self.jitter.get(self.voice, 0.0)
        shares = zip(self.voices, self.shares(self.voice), strict=True)
        return sum(share * self.jitter.get(name, 0.0) for name, share in shares)

    def voice_input(self) -> dict[str, NDArray[np.float32]]:
        """The input `voice` of the encoder and frames graphs, (1, N) shares of `voices`; none of a
        bundle with one voice."""
        if not self.voices:
            return {}
        import numpy as np

        return {"voice": np.array([self.shares(self.voice)], np.float32)}

    def context_frames(self, steps: int, precision: Precision = "fp32") -> int:
        """Frames of context on each side that make a chunk equal to the same samples of the whole.

        As measured, or by default the whole field of view: `context_frames_per_step` on each side
        for each step, and one more frame for the de-emphasis filter.

        Args:
            precision: of the denoiser.
        """
        bound = steps * self.context_frames_per_step + 1
        rounded = precision in ("int8", "int8_symmetric")
        measured = self.needed_context_int8 if rounded else self.needed_context
        return measured.get(str(steps), bound)

    def to_json(self) -> bytes:
        """The content of `voice.json`, sealed."""
        values = to_dict(self)
        if not self.voices:  # single-voice bundles keep their original layout
            del values["voices"]
        if not self.mark:  # as in bundles of 1.1
            del values["mark"]
        if not self.jitter:  # as in earlier bundles
            del values["jitter"]
        if not self.voice_languages:  # as before there were several languages
            del values["voice_languages"]
        if not self.source.taper_hz:  # as in bundles of 1.1
            del values["source"]["taper_hz"]
        if not self.own_pitch_noise:  # as in bundles of 1.0
            del values["own_pitch_noise"]
        return seal(values)

    @classmethod
    def from_json(cls, content: bytes) -> tuple[Manifest, str]:
        """Read the content of `voice.json`, ignoring optional keys that this dlpo does not know.

        Returns:
            The manifest, and the sha256 that seals it and so identifies the bundle.

        Raises:
            BundleError: see `unseal`; or a key is missing or has a value that can't be used.
        """
        values, sha256 = unseal(content)
        unknown: list[str] = []
        try:
            manifest = from_dict(cls, values, unknown)
        except ConfigError as error:
            raise BundleError(f"{MANIFEST}: {error}; {EXPORT_AGAIN}") from error
        if unknown:
            logger.warning(
                "voice %r: ignored unknown keys: %s; %s to use them",
                manifest.voice, ", ".join(unknown), UPGRADE,
            )  # fmt: skip
        for fault in manifest._faults():
            raise BundleError(f"{MANIFEST}: {fault}; {EXPORT_AGAIN}")
        return manifest, sha256

    def _faults(self) -> Iterator[str]:
        """Where the manifest contradicts itself or names an unsafe path."""
        for key, most in LIMITS.items():
            if not 0 < getattr(self, key) <= most:
                yield f"{key} is {getattr(self, key):g}; expected more than 0, at most {most:g}"
        if not 0 <= self.noise_schedule.eta <= 1:
            yield f"eta is {self.noise_schedule.eta:g}; expected 0 to 1"
        for name in (self.voice, *self.voices):  # they go into logs, terminals and headers
            if not re.fullmatch(PLAIN_NAME, name):
                yield f"voice is {name[:60]!r}; expected a name of letters, digits, . _ and -"
        if self.voices and (
            self.voice not in self.voices or len(set(self.voices)) < len(self.voices)
        ):
            names = ", ".join(self.voices)
            yield f"voices are {names}; expected distinct names, including {self.voice}"
        if self.voice_languages and self.voice_languages.keys() != set(self.voices):
            names = ", ".join(self.voice_languages)
            yield f"voice_languages has {names}; expected each of voices once"
        for name, periods in self.jitter.items():
            if name not in (self.voice, *self.voices) or not 0 <= periods <= MAX_JITTER:
                yield (
                    f"jitter of {name[:60]!r} is {periods:g}; expected one of the voices and 0 to"
                    f" {MAX_JITTER} periods"
                )
        for key in ("language", "licence", "corpus"):
            text = getattr(self, key)
            if not text.isprintable() or len(text) > MAX_TEXT:
                yield f"{key} is {text[:60]!r}; expected at most {MAX_TEXT} printable characters"
        contexts = (self.context_frames_per_step, self.frames_context or 0)
        measured = (*self.needed_context.values(), *self.needed_context_int8.values())
        if min(*contexts, *measured) < 0:
            yield (
                "context_frames_per_step, frames_context, needed_context or needed_context_int8 is"
                " negative; expected 0 or more frames"
            )
        slowest, fastest = self.prosody.speed
        if not 0 < slowest <= fastest:
            yield (
                f"prosody.speed is {slowest} to {fastest}; expected two factors above 0, the lower"
                " first"
            )
        for name in self.files:
            if not re.fullmatch(PLAIN_NAME, name) or name == MANIFEST:
                yield (
                    f"{name!r} is not a plain file name; expected letters, digits, . _ -, and no"
                    " folders"
                )
        for name in ("encoder", "frames", f"denoiser_{self.steps}"):
            if name not in self.graphs:
                yield f"graph {name!r} is missing; expected it among {', '.join(self.graphs)}"
        for name, graph in self.graphs.items():
            if "fp32" not in graph.files:
                yield f"graph {name!r} is in {', '.join(graph.files) or 'no file'}; expected fp32"
            for file in graph.files.values():
                if file not in self.files:
                    yield f"graph {name!r} is in {file!r}; expected a file listed in files"
        for plan in self.plans:
            if plan.file not in self.files or plan.graph not in self.graphs:
                yield (
                    f"plan {plan.file!r} is for graph {plan.graph!r}; expected them in files and"
                    " graphs"
                )
        if (total := sum(info.bytes for info in self.files.values())) > MAX_BUNDLE_BYTES:
            yield f"files add up to {total} bytes; expected at most {MAX_BUNDLE_BYTES}"
