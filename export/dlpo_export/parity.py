"""Do the exported graphs compute what the checkpoint computes?

Every graph is run on onnxruntime and in torch with the same inputs, on a fixed utterance and seeds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlpo.audio import HOP_LENGTH, harmonic_source
from dlpo.errors import BundleError, MissingExtraError
from dlpo.text.symbols import symbol_ids, utterance_symbols
from dlpo_export.graphs import DenoiserGraph, EncoderGraph, FramesGraph

TOLERANCE = 1e-4  # of the largest error, as a share of the tensor's RMS where that is above 1
SEMITONES = 2.0  # pitch shift of the check, so that a forgotten input shows
MAX_FRAMES = 200  # of the check; a random model may speak for minutes

# "The quick brown fox, it jumps."
UTTERANCE = utterance_symbols(
    [
        (("DH", "AH0"), " "),
        (("K", "W", "IH1", "K"), " "),
        (("B", "R", "AW1", "N"), " "),
        (("F", "AA1", "K", "S"), ","),
        (("IH0", "T"), " "),
        (("JH", "AH1", "M", "P", "S"), "."),
    ]
)


@dataclass(frozen=True, slots=True)
class Difference:
    """How far a tensor of a graph is from torch's."""

    graph: str
    tensor: str
    largest: float
    """of all absolute differences, divided by the RMS of the tensor where that is above 1"""
    rms: float
    """likewise"""

    def __str__(self) -> str:
        return f"{self.graph}: {self.tensor} differs by {self.largest:.1e} (RMS {self.rms:.1e})"


def check_parity(
    folder: Path,
    encoder: EncoderGraph,
    frames: FramesGraph,
    denoisers: Mapping[str, DenoiserGraph],
) -> list[Difference]:
    """Compare `{name}.onnx` in `folder` with the modules that they were exported from.

    Each graph gets torch's outputs of the one before, so that a difference shows where it arises.

    Args:
        denoisers: by graph name, such as `denoiser_4`.

    Returns:
        One entry for each output.

    Raises:
        BundleError: a difference is above `TOLERANCE`.
        MissingExtraError: onnxruntime is not installed.
    """
    found: list[Difference] = []

    def compare(graph: str, inputs: dict[str, Tensor], outputs: dict[str, Tensor]) -> None:
        made = run_graph(folder / f"{graph}.onnx", {k: v.numpy() for k, v in inputs.items()})
        for tensor, expected in outputs.items():
            found.append(difference(graph, tensor, made[tensor], expected.numpy()))

    with torch.no_grad():
        phonemes = torch.tensor([symbol_ids(UTTERANCE)])
        hidden, durations, ranges = encoder(phonemes)
        outputs = {"hidden": hidden, "durations": durations, "ranges": ranges}
        compare("encoder", {"phonemes": phonemes}, outputs)

        whole = whole_frames(durations)
        inputs = {
            "hidden": hidden,
            "durations": whole,
            "ranges": ranges,
            "positions": torch.arange(int(whole.sum())) + 0.5,
            "pitch": torch.tensor([SEMITONES]),
        }
        conditioning, f0 = frames(*inputs.values())
        compare("frames", inputs, {"conditioning": conditioning, "f0": f0})

        source = torch.from_numpy(harmonic_source(f0[0].numpy())).view(1, -1, HOP_LENGTH)
        for name, denoiser in denoisers.items():
            generator = torch.Generator().manual_seed(0)
            noise = torch.randn(denoiser.schedule.noise_count, *source.shape, generator=generator)
            inputs = {"conditioning": conditioning, "source": source, "noise": noise}
            compare(name, inputs, {"waveform": denoiser(conditioning, source, noise)})
    _refuse_divergence(found)
    return found


def run_graph(path: Path, inputs: dict[str, NDArray[np.generic]]) -> dict[str, NDArray[np.float32]]:
    """Run an ONNX file on one CPU thread; outputs by name."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "export") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    wanted = {tensor.name for tensor in session.get_inputs()}  # unused ones are optimised away
    values = session.run(names, {k: v for k, v in inputs.items() if k in wanted})
    return dict(zip(names, values, strict=True))


def difference(
    graph: str, tensor: str, made: NDArray[np.float32], expected: NDArray[np.float32]
) -> Difference:
    """Compare one output; another shape or a NaN counts as infinitely far."""
    if made.shape != expected.shape or not np.isfinite(made).all():
        return Difference(graph, tensor, math.inf, math.inf)
    error = (made.astype(np.float64) - expected) / max(1.0, float(np.sqrt(np.mean(expected**2))))
    return Difference(graph, tensor, float(np.abs(error).max()), float(np.sqrt(np.mean(error**2))))


def whole_frames(durations: Tensor) -> Tensor:
    """(1, P) frames -> (1, P) whole frames, 1 to `MAX_FRAMES` in all."""
    ends = durations.double().cumsum(1).round()
    ends[0, -1] = max(1.0, float(ends[0, -1]))
    return torch.diff(ends.clamp(max=MAX_FRAMES), prepend=ends.new_zeros(1, 1)).float()


def _refuse_divergence(found: list[Difference]) -> None:
    diverged = [str(entry) for entry in found if not entry.largest <= TOLERANCE]
    if diverged:
        raise BundleError(
            f"the exported graphs don't compute what the checkpoint computes, tolerance "
            f"{TOLERANCE:.0e}: {'; '.join(diverged)}; no bundle is written. Report it with the "
            "versions of torch, onnxscript and onnxruntime"
        )
