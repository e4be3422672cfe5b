"""A window of real speech for the denoiser, with what onnxruntime makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlpo.audio import harmonic_source
from dlpo.bundle import Bundle, Precision
from dlpo.errors import EngineError, MissingExtraError
from dlpo.text.symbols import symbol_ids, utterance_symbols

Floats = NDArray[np.float32]

# "How are you?"
UTTERANCE = utterance_symbols([(("HH", "AW1"), " "), (("AA1", "R"), " "), (("Y", "UW1"), "?")])


@dataclass(frozen=True, slots=True, eq=False)
class DenoiserSample:
    """Inputs of a denoiser and its output on the CPU."""

    steps: int
    precision: Precision
    inputs: tuple[Floats, Floats, Floats]
    """conditioning (1, C, F), source (1, F, hop_length), noise (K, 1, F, hop_length)"""
    expected: Floats
    """(1, F, hop_length)"""


def sample_of(bundle: Bundle, steps: int, precision: Precision, frames: int) -> DenoiserSample:
    """The first frames of a short utterance, as often as needed to fill `frames`.

    Raises:
        BundleError: the bundle has no such graph.
        EngineError: onnxruntime can't compute one.
        MissingExtraError: onnxruntime is not installed.
    """
    manifest = bundle.manifest
    ids = np.array(symbol_ids(UTTERANCE), np.int64)[None]
    read: dict[str, NDArray[Any]] = {"phonemes": ids}
    if manifest.pitch_points is not None:
        read["noise"] = np.zeros((1, manifest.pitch_points, ids.shape[1]), np.float32)
    encoded = _run(bundle.graph_path("encoder"), read)
    counts = np.maximum(1, np.rint(encoded["durations"])).astype(np.float32)
    length = int(counts.sum())
    made = _run(
        bundle.graph_path("frames"),
        {
            "hidden": encoded["hidden"],
            "durations": counts,
            "ranges": encoded["ranges"],
            "positions": np.arange(length, dtype=np.float32) + np.float32(0.5),
            "pitch": np.zeros(1, np.float32),
        },
    )
    order = np.arange(frames) % length
    hop = manifest.hop_length
    source = np.zeros((1, frames, hop), np.float32)
    if manifest.uses_source and manifest.source.harmonics:
        source[0] = manifest.source.amplitude * harmonic_source(made["f0"][0, order]).reshape(
            frames, hop
        )
    info = manifest.graphs[f"denoiser_{steps}"]
    planes = next(int(tensor.shape[0]) for tensor in info.inputs if tensor.name == "noise")
    noise = np.random.default_rng(0).standard_normal((planes, 1, frames, hop), np.float32)
    conditioning = np.ascontiguousarray(made["conditioning"][:, :, order])
    inputs = (conditioning, source, noise)
    path = bundle.graph_path(f"denoiser_{steps}", precision)
    named = dict(zip(("conditioning", "source", "noise"), inputs, strict=True))
    return DenoiserSample(steps, precision, inputs, _run(path, named)["waveform"])


def _run(path: Path, inputs: Mapping[str, NDArray[Any]]) -> dict[str, Floats]:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "serve") from error
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        names = [tensor.name for tensor in session.get_outputs()]
        feed = {tensor.name: inputs[tensor.name] for tensor in session.get_inputs()}
        return dict(zip(names, session.run(names, feed), strict=True))
    # onnxruntime raises its own classes and plain ValueError or RuntimeError besides.
    except Exception as error:
        raise EngineError(f"{path}: onnxruntime can't compute it ({error})") from error
