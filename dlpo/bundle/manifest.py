"""The manifest `voice.json`: what a host needs to know to speak with a bundle's graphs."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Literal

from dlpo.config import Parametrisation, from_dict, to_dict
from dlpo.errors import BundleError, ConfigError

FORMAT = 2  # of the manifest; raised when an older dlpo could misread a bundle
MANIFEST = "voice.json"
MAX_BUNDLE_BYTES = 4 << 30  # `large` in fp32 is 0.23 GB; far more is an attack or an accident
EXPORT_AGAIN = 'export again with "dlpo export"'
Precision = Literal["fp32", "fp16", "int8", "int8_symmetric"]
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """An input or output of a graph."""

    name: str
    dtype: str
    """NumPy's name of the type, such as `float32`."""
    shape: tuple[int | str, ...]
    """A letter of the shape alphabet stands for a length that varies."""


@dataclass(frozen=True, slots=True)
class GraphInfo:
    """One graph of the bundle, in one or more precisions; inputs and outputs are float32 in all."""

    files: dict[Precision, str]
    """Precision -> ONNX file; fp32 is always there. fp16 and int8_symmetric are for GPUs, int8
    (activations of 8 bits without a sign) for CPUs."""
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]


@dataclass(frozen=True, slots=True)
class PlanInfo:
    """A TensorRT engine of one graph, of use on the machines that it was built for only."""

    graph: str
    precision: Precision
    file: str
    gpu: str
    """Name of the GPU that it was built on."""
    compute_capability: str
    """Of that GPU, such as `9.0`."""
    tensorrt: str
    """Version that built it, such as `11.4.0.106`."""
    hardware_compatible: bool = False
    """True: also runs on other GPUs of Ampere or newer."""
    version_compatible: bool = False
    """True: also runs on later TensorRT of the same major version."""


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What a file must be."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class ScheduleInfo:
    """The noise schedule baked into the denoiser graphs, as `dlpo.noise_schedule` names it."""

    name: str
    eta: float = 0.0
    """0 = DDIM, the noise input holds the initial noise only; 1 = ancestral sampling."""


@dataclass(frozen=True, slots=True)
class ProsodyInfo:
    """The ranges that the voice was checked for."""

    speed: tuple[float, float] = (0.5, 2.0)
    """Factor of the speaking rate, slowest and fastest."""
    pitch_semitones: tuple[float, float] = (-6.0, 6.0)
    """Shift of F0 in semitones, lowest and highest."""


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """The harmonic source beside the noisy waveform."""

    harmonics: bool = True
    """False: the source is silence whatever F0 is."""
    amplitude: float = 1.0
    """Factor on `dlpo.audio.harmonic_source`, waveform units."""


@dataclass(frozen=True, slots=True)
class CheckpointInfo:
    """Where the weights come from."""

    sha256: str
    """Of the checkpoint's weights."""
    commit: str
    """Of the code that trained them."""
    updates: int
    """Optimiser updates behind them."""


@dataclass(frozen=True, slots=True, kw_only=True)
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
    frames_context: int | None = None
    """Frames each side that the frames graph sees; None: the whole sentence."""
    prosody: ProsodyInfo = ProsodyInfo()
    uses_source: bool = True
    """False: the denoiser ignores its source input."""
    source: SourceInfo = SourceInfo()
    precision: Precision = "fp32"
    """Of the denoiser on a CPU, unless the host is told otherwise."""
    plans: tuple[PlanInfo, ...] = ()
    """TensorRT engines, built on the machine that uses them."""
    scores: dict[str, float] = field(default_factory=dict)
    """What the judges measured at export, by measure."""
    files: dict[str, FileInfo] = field(default_factory=dict)
    """Every file but the manifest itself."""

    @property
    def available_steps(self) -> tuple[int, ...]:
        """Every N for which there is a denoiser graph, ascending."""
        names = (name.removeprefix("denoiser_") for name in self.graphs)
        return tuple(sorted(int(name) for name in names if name.isdigit()))

    def context_frames(self, steps: int) -> int:
        """Frames each side of a chunk that make it equal to the same samples of the whole.

        As measured; else all that can matter: one step sees `context_frames_per_step` a side, and
        the de-emphasis filter sees one more frame.
        """
        bound = steps * self.context_frames_per_step + 1
        return self.needed_context.get(str(steps), bound)

    def to_json(self) -> bytes:
        """The content of `voice.json`."""
        return (json.dumps(to_dict(self), indent=2, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_json(cls, content: bytes) -> Manifest:
        """The manifest from the content of `voice.json`.

        Raises:
            BundleError: not JSON, a newer format, an unknown or missing key, or a name that is
                not a plain file name.
        """
        try:
            values = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise BundleError(f"{MANIFEST} is not JSON ({error}); {EXPORT_AGAIN}") from error
        found = values.get("format") if isinstance(values, dict) else None
        if found != FORMAT:
            newer = isinstance(found, int) and found > FORMAT
            advice = 'upgrade with "pip install -U dlpo"' if newer else EXPORT_AGAIN
            raise BundleError(
                f"{MANIFEST}: format is {found!r}, this dlpo reads {FORMAT}; {advice}"
            )
        try:
            manifest = from_dict(cls, values)
        except ConfigError as error:
            raise BundleError(f"{MANIFEST}: {error}; {EXPORT_AGAIN}") from error
        manifest.check()
        return manifest

    def check(self) -> None:
        """Raise BundleError where the manifest contradicts itself or names an unsafe path."""
        for key in ("sample_rate_hz", "hop_length", "steps", "gain"):
            if getattr(self, key) <= 0:
                raise BundleError(
                    f"{MANIFEST}: {key} is {getattr(self, key)}; expected more than 0, "
                    f"{EXPORT_AGAIN}"
                )
        for name in self.files:
            if not _PLAIN_NAME.fullmatch(name) or name == MANIFEST:
                raise BundleError(
                    f"{MANIFEST}: {name!r} is not a plain file name (letters, digits, . _ -, "
                    f"no folders); a bundle holds its files beside {MANIFEST}"
                )
        for name in ("encoder", "frames", f"denoiser_{self.steps}"):
            if name not in self.graphs:
                raise BundleError(
                    f"{MANIFEST}: graph {name!r} is missing, there are {', '.join(self.graphs)}; "
                    f"{EXPORT_AGAIN}"
                )
        for name, graph in self.graphs.items():
            if "fp32" not in graph.files:
                raise BundleError(
                    f"{MANIFEST}: graph {name!r} has {', '.join(graph.files) or 'no file'}, but "
                    f"not fp32; {EXPORT_AGAIN}"
                )
            for file in graph.files.values():
                if file not in self.files:
                    raise BundleError(
                        f"{MANIFEST}: graph {name!r} is in {file!r}, which is not in files; "
                        f"{EXPORT_AGAIN}"
                    )
        for plan in self.plans:
            if plan.file not in self.files or plan.graph not in self.graphs:
                raise BundleError(
                    f"{MANIFEST}: the plan {plan.file!r} of graph {plan.graph!r} is not in files "
                    f"and graphs; {EXPORT_AGAIN}"
                )
        if sum(info.bytes for info in self.files.values()) > MAX_BUNDLE_BYTES:
            raise BundleError(
                f"{MANIFEST}: files add up to more than {MAX_BUNDLE_BYTES} bytes; not a voice"
            )
