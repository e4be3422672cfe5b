"""Inputs of each graph of a bundle for a fixed sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlpo.audio import harmonic_source
from dlpo.bundle import Bundle
from dlpo.errors import InputError
from dlpo.text.symbols import symbol_ids, utterance_symbols
from dlpo_export.parity.open_graph import OpenGraph

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
REPEATS = (2, 4, 8, 16, 32, 64)  # of the sentence: enough for more than a minute of speech


def sentence_inputs(bundle: Bundle, graph: str, frames: int) -> dict[str, NDArray[Any]]:
    """Inputs of a graph for a fixed sentence.

    The encoder and frames graphs are run in fp32 to produce them; the noise has seed 0.

    Args:
        frames: the first `frames` of a sentence that is long enough. The encoder reads the whole
            sentence.
    """
    for repeats in REPEATS:
        values = _encoded(bundle, repeats)
        longest = int(values["durations"].sum())
        if longest >= frames:
            break
    else:
        raise InputError(f"frames is {frames}; this voice's sentence lasts {longest} at most")
    values |= {
        "positions": np.arange(frames, dtype=np.float32) + np.float32(0.5),
        "pitch": np.zeros(1, np.float32),
    }
    hop = bundle.manifest.hop_length
    if graph not in ("encoder", "frames"):
        made = OpenGraph(bundle.graph_path("frames")).run(values)
        (noise,) = (t for t in bundle.manifest.graphs[graph].inputs if t.name == "noise")
        generator = np.random.default_rng(0)
        values |= {
            "conditioning": made["conditioning"],
            "source": harmonic_source(made["f0"][0], bundle.manifest.grid).reshape(1, frames, hop),
            "noise": generator.standard_normal((int(noise.shape[0]), 1, frames, hop), np.float32),
        }
    return {tensor.name: values[tensor.name] for tensor in bundle.manifest.graphs[graph].inputs}


def _encoded(bundle: Bundle, repeats: int) -> dict[str, NDArray[Any]]:
    """The sentence repeated `repeats` times, and its encoding in whole frames."""
    phonemes = np.array([symbol_ids([*UTTERANCE, *UTTERANCE[1:] * (repeats - 1)])], np.int64)
    values: dict[str, NDArray[Any]] = {"phonemes": phonemes, **bundle.manifest.voice_input()}
    if bundle.manifest.pitch_points is not None:
        shape = (1, bundle.manifest.pitch_points, phonemes.shape[1])
        values["noise"] = np.random.default_rng(0).standard_normal(shape, np.float32)
    encoding = OpenGraph(bundle.graph_path("encoder")).run(values)
    ends = np.rint(np.cumsum(encoding["durations"], axis=1, dtype=np.float64))
    durations = np.diff(ends, prepend=0.0).astype(np.float32)
    return {**values, **encoding, "durations": durations}
