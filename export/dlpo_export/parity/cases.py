"""Inputs of the export checks: fixed sentences and seeds, with torch's values at every stage.

Each graph receives torch's outputs of the preceding graph, so that a difference shows up where it
arises.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from numpy.typing import NDArray
from torch import Tensor

from dlpo.audio import harmonic_source
from dlpo.text.symbols import symbol_ids, utterance_symbols
from dlpo_export.graphs import DenoiserGraph
from dlpo_export.sentence import UTTERANCE
from dlpo_export.to_onnx import GraphSource

MAX_FRAMES = 200  # per sentence; a random model may speak for minutes
DENOISER = "denoiser_"  # prefix of the denoisers' names

Tensors = dict[str, Tensor]
# "Is that you, down there?"
_QUESTION = utterance_symbols(
    [
        (("IH1", "Z"), " "),
        (("DH", "AE1", "T"), " "),
        (("Y", "UW1"), ","),
        (("D", "AW1", "N"), " "),
        (("DH", "EH1", "R"), "?"),
    ]
)
# "Stop!"
_COMMAND = utterance_symbols([(("S", "T", "AA1", "P"), "!")])


@dataclass(frozen=True, slots=True)
class ParitySentence:
    """A fixed sentence and its prosody."""

    symbols: tuple[str, ...]
    speed: float
    """speed factor"""
    semitones: float
    """pitch shift; not 0, so that an ignored input is noticed"""
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A graph's inputs for a sentence, and torch's outputs for them."""

    graph: str
    inputs: Tensors
    outputs: Tensors


def as_numpy(inputs: Tensors) -> dict[str, NDArray[Any]]:
    """Convert to numpy, for onnxruntime."""
    return {name: value.contiguous().numpy() for name, value in inputs.items()}


# The default, and both extremes of speed and pitch: what parity is checked on.
SENTENCES = (
    ParitySentence(tuple(UTTERANCE), 1.0, 2.0, seed=0),
    ParitySentence(tuple(_QUESTION), 0.5, -6.0, seed=1),
    ParitySentence(tuple(_COMMAND), 2.0, 6.0, seed=2),
)
# Others, for measuring the ranges of 8-bit tensors: each at the default and at both extremes.
CALIBRATION = tuple(
    ParitySentence(tuple(symbols), speed, semitones, seed)
    for seed, (symbols, (speed, semitones)) in enumerate(
        itertools.product(
            (UTTERANCE, _QUESTION, _COMMAND), ((1.0, 0.0), (0.5, -6.0), (2.0, 6.0), (0.8, 6.0))
        ),
        start=10,
    )
)


@torch.no_grad()
def speak(sources: Mapping[str, GraphSource], sentence: ParitySentence) -> Iterator[Case]:
    """Run every graph's module on a sentence, each on the outputs of the previous one.

    Args:
        sources: `encoder`, `frames` and denoisers by name; any other graph is run on its export
            example inputs.
    """
    encoder, frames = until_frames(sources, sentence)
    yield encoder
    yield frames
    for name, graph in sources.items():
        if name.startswith(DENOISER):
            yield _run(name, sources, denoiser_inputs(graph, frames, sentence.seed))
        elif name not in ("encoder", "frames"):
            yield _run(name, sources, {key: value for key, (value, _) in graph.inputs.items()})


@torch.no_grad()
def until_frames(sources: Mapping[str, GraphSource], sentence: ParitySentence) -> tuple[Case, Case]:
    """The stages before the denoiser: encoder and frames."""
    phonemes = torch.tensor([symbol_ids(sentence.symbols)])
    read = {"phonemes": phonemes}
    if "noise" in sources["encoder"].inputs:
        points = sources["encoder"].inputs["noise"][0].shape[1]
        generator = torch.Generator().manual_seed(sentence.seed)
        read["noise"] = torch.randn(1, points, phonemes.shape[1], generator=generator)
    voice = {}
    if "voice" in sources["encoder"].inputs:  # a different voice for each sentence
        voices = sources["encoder"].inputs["voice"][0].shape[1]
        voice = {"voice": torch.eye(voices)[[sentence.seed % voices]]}
    encoder = _run("encoder", sources, read | voice)
    whole = whole_frames(encoder.outputs["durations"], sentence.speed)
    inputs = {
        "hidden": encoder.outputs["hidden"],
        "durations": whole,
        "ranges": encoder.outputs["ranges"],
        "positions": torch.arange(int(whole.sum())) + 0.5,
        "pitch": torch.tensor([sentence.semitones]),
        **voice,
    }
    return encoder, _run("frames", sources, inputs)


def denoiser_inputs(denoiser: GraphSource, frames: Case, seed: int) -> Tensors:
    """The inputs of a denoiser for the frames of a sentence; the seed is that of the noise."""
    grid = cast(DenoiserGraph, denoiser.module).model.config.grid
    f0 = frames.outputs["f0"][0].numpy()
    source = torch.from_numpy(harmonic_source(f0, grid)).view(1, -1, grid.hop_length)
    planes = denoiser.inputs["noise"][0].shape[0]
    noise = torch.randn(planes, *source.shape, generator=torch.Generator().manual_seed(seed))
    return {"conditioning": frames.outputs["conditioning"], "source": source, "noise": noise}


def whole_frames(durations: Tensor, speed: float = 1.0, most: float = MAX_FRAMES) -> Tensor:
    """(1, P) frames -> (1, P) whole frames at a given speed, 1 to `most` in total."""
    ends = (durations.double().cumsum(1) / speed).round()
    ends[0, -1] = max(1.0, float(ends[0, -1]))
    return torch.diff(ends.clamp(max=most), prepend=ends.new_zeros(1, 1)).float()


def _run(graph: str, sources: Mapping[str, GraphSource], inputs: Tensors) -> Case:
    source = sources[graph]
    made = source.module(**{name: inputs[name] for name in source.inputs})
    values = made if isinstance(made, tuple) else (made,)
    return Case(graph, inputs, dict(zip(source.outputs, values, strict=True)))
