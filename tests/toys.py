"""Models and trainings of toy size, what their graphs take, a judge that needs no weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlpo.bundle import Bundle, PlanInfo
from dlpo.config.models import ContourConfig, SpectralConfig, WaveGrad2Config
from dlpo.config.training import ContourTraining, SpectralTraining, WaveGrad2Training
from dlpo.judges.judge import Scores, Waveform

SYMBOLS_OF_1_0 = 79  # as many as toys know, so that their random weights stay as they were
SPECTRAL = SpectralConfig(
    symbols=SYMBOLS_OF_1_0,
    hidden_channels=16, encoder_blocks=1, prosody_blocks=1, mel_blocks=1, conditioning_channels=16,
    conditioning_blocks=1, width=16, blocks=2, level_channels=8,
)  # fmt: skip
BASE = WaveGrad2Config(
    symbols=SYMBOLS_OF_1_0,
    encoder_channels=16, encoder_layers=1, speaker_channels=4, predictor_channels=8,
    conditioning_channels=16, up_channels=(16, 8, 8, 8, 8), waveform_channels=4,
    down_channels=(8, 8, 8, 16),
)  # fmt: skip
CONTOUR = ContourConfig(channels=8, blocks=1, flow_channels=8, flow_blocks=1, steps=2)
SESSIONS = ("lj", "lj/LJ001")  # voices of a model with a contour
SPECTRAL_TRAINING = SpectralTraining(
    updates=4, batch=4, window=16, acoustic_batch=2, acoustic_window=24, timing_batch=2,
    adversarial_from=2, warmup=1, log_every=1, validate_every=2, save_every=2, precision="no",
)  # fmt: skip
CONTOUR_TRAINING = ContourTraining(
    updates=6, reading_updates=3, batch=2, draws=2, warmup=1, log_every=1, validate_every=3,
    save_every=3, precision="no",
)  # fmt: skip
BASE_TRAINING = WaveGrad2Training(
    updates=6, batch=2, window=8, context=2, decay_start=2, decay_end=5, log_every=1,
    validate_every=3, save_every=3, precision="no",
)  # fmt: skip


def save_toy(
    path: Path,
    config: SpectralConfig | WaveGrad2Config,
    seed: int,
    change: Callable[[dict[str, Any]], None] = lambda weights: None,
) -> Path:
    """A checkpoint with random weights, which `change` may change."""
    import torch

    from dlpo.checkpoint import Provenance, save_checkpoint
    from dlpo.model.build import build_model

    torch.manual_seed(seed)
    weights = dict(build_model(config).state_dict())
    change(weights)
    save_checkpoint(path, weights, config, Provenance(0, "0" * 64, "test"))
    return path


def save_contour_toy(path: Path, log_frames: float = 1.5, voices: Sequence[str] = SESSIONS) -> Path:
    """A checkpoint with a contour, all voiced.

    Args:
        log_frames: of its symbols.
    """

    def change(weights: dict[str, Any]) -> None:
        weights["timing_out.bias"][0] = log_frames
        weights["prosody_out.bias"][1] = 5.0  # all voiced

    config = replace(SPECTRAL, voices=tuple(voices), contour=CONTOUR)
    return save_toy(path, config, 1, change)


def praat_tier(number: int, name: str, intervals: Iterable[tuple[float, float, str]]) -> str:
    """A tier of a TextGrid, as Praat and MFA write it."""
    intervals = list(intervals)
    tier = f'    item [{number}]:\n        class = "IntervalTier"\n        name = "{name}"\n'
    tier += f"        intervals: size = {len(intervals)}\n"
    for index, (start, end, label) in enumerate(intervals, 1):
        tier += f"        intervals [{index}]:\n            xmin = {start}\n"
        tier += f'            xmax = {end}\n            text = "{label}"\n'
    return tier


@dataclass
class ToyJudge:
    """A judge by a formula of one waveform, and a recognizer of the words that one gives."""

    name: str = "patience"
    formula: Callable[[Waveform], float] = lambda waveform: len(waveform) / 22_050  # seconds
    words: Callable[[Waveform], str] = lambda waveform: ""
    sample_rate_hz: int = 22_050

    def score(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> Scores:
        return np.array([self.formula(waveform) for waveform in waveforms], np.float64)

    def transcribe(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> list[str]:
        return [self.words(waveform) for waveform in waveforms]


def plan_info(**changes: Any) -> PlanInfo:
    """A TensorRT plan of an H200, or one that differs in this."""
    values: dict[str, Any] = {
        "graph": "denoiser_1", "precision": "fp32", "file": "a.plan", "gpu": "NVIDIA H200",
        "compute_capability": "9.0", "tensorrt": "11.4.0.106", "frames": (32,), "batch": (1,),
    }  # fmt: skip
    return PlanInfo(**{**values, **changes})


def denoiser_window(
    bundle: Bundle, steps: int, batch: int, frames: int
) -> list[NDArray[np.float32]]:
    """Random conditioning, source and noise as a denoiser of the bundle takes them."""
    generator = np.random.default_rng(100 * batch + frames)
    graph, lengths = bundle.manifest.graphs[f"denoiser_{steps}"], {"B": batch, "F": frames}
    shapes = {tensor.name: tensor.shape for tensor in graph.inputs}
    return [
        generator.standard_normal([lengths.get(n, n) for n in shapes[name]], np.float32)
        for name in ("conditioning", "source", "noise")
    ]


def element_types(model: Any) -> dict[str, int]:
    """Tensor -> type, as the nodes of an ONNX graph imply."""
    import onnx

    bare = onnx.ModelProto.FromString(model.SerializeToString())
    del bare.graph.value_info[:]  # what the graph says of itself does not count
    graph = onnx.shape_inference.infer_shapes(bare, check_type=True, strict_mode=True).graph
    values = (*graph.input, *graph.value_info, *graph.output)
    found = {value.name: value.type.tensor_type.elem_type for value in values}
    return found | {tensor.name: tensor.data_type for tensor in graph.initializer}
