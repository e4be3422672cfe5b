"""Parts of the manifest: graphs, TensorRT plans, files, schedule, prosody, source, checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Precision = Literal["fp32", "fp16", "bf16", "int8", "int8_symmetric"]


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
    """Precision -> ONNX file; fp32 is always there. fp16, bf16 and int8_symmetric are for GPUs,
    int8 (activations of 8 bits without a sign) for CPUs."""
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
    frames: tuple[int, ...]
    """Lengths of a window that it has a profile for, ascending."""
    batch: tuple[int, ...]
    """Windows at once, ascending; profiles are those of batch[0] with every `frames`, then of
    batch[1] and so on."""


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
    taper_hz: float = 0.0
    """Where the harmonics begin to fade, to none at 95 % of half the rate; 0: at most 50, all at
    full strength."""


@dataclass(frozen=True, slots=True)
class CheckpointInfo:
    """Where the weights come from."""

    sha256: str
    """Of the checkpoint's weights."""
    commit: str
    """Of the code that trained them."""
    updates: int
    """Optimiser updates behind them."""
