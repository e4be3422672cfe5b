"""The ways to stream that serving does not take, exported from a checkpoint to be measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dlpo.audio import HOP_LENGTH
from dlpo.bundle import Bundle
from dlpo.checkpoint import load_checkpoint
from dlpo.errors import InputError
from dlpo.model.lite import LiteWaveGrad2
from dlpo.noise_schedule import NoiseSchedule, named_schedule
from dlpo_bench.streaming_graphs import CachedChain, WavefrontStep
from dlpo_bench.streaming_methods import Cached, Denoise, Sentence, Wavefront, joined, open_graph
from dlpo_export.graphs import DenoiserGraph
from dlpo_export.needed_context import MARGIN, TOLERANCE
from dlpo_export.to_onnx import GraphSource, Shape, slim_graph, trace
from dlpo_export.weights import round_weights

EXAMPLE_FRAMES = 12  # of the traced inputs; any will do
WEIGHT_BITS = (16, 8, 32)  # that the export can round to
PROBE = (8,)  # frames; the ladder that the halo is measured with


@dataclass(frozen=True, slots=True)
class UnusedMethods:
    """What stands beside the window."""

    wavefront: Wavefront
    cached: Cached


def unused_methods(
    bundle: Bundle, checkpoint: Path, denoise: Denoise, sentence: Sentence
) -> UnusedMethods:
    """Export both for the default number of steps, in fp32.

    Args:
        checkpoint: the one that the bundle was exported from.
        denoise: the bundle's denoiser.
        sentence: what the wavefront's halo is measured on, as the context of windows is.

    Raises:
        InputError: the checkpoint is not a `lite`, or not the one of the bundle.
        CheckpointError: it can't be loaded.
    """
    manifest = bundle.manifest
    chosen = manifest.noise_schedule
    schedule = named_schedule(chosen.name, manifest.steps, chosen.eta)
    examples = (
        torch.from_numpy(sentence.conditioning[:, :, :EXAMPLE_FRAMES].copy()),
        torch.from_numpy(sentence.source[:, :EXAMPLE_FRAMES].copy()),
        torch.from_numpy(sentence.noise[:, :, :EXAMPLE_FRAMES].copy()),
    )
    model = _exported_model(checkpoint, schedule, denoise, examples)
    steps = [
        open_graph(_step_graph(WavefrontStep(model, schedule, step), examples))
        for step in range(schedule.steps)
    ]
    expected = denoise(sentence.conditioning, sentence.source, sentence.noise).reshape(-1)
    reach = manifest.context_frames_per_step + 1  # of a step and the de-emphasis
    for halo in range(1, reach - MARGIN):
        made = joined(Wavefront(steps, halo).stream(sentence, PROBE))
        if np.abs(made - expected).max() <= TOLERANCE:
            reach = halo + MARGIN
            break
    chain = CachedChain(model, schedule).eval()
    graph = open_graph(_chain_graph(chain, examples))
    return UnusedMethods(
        Wavefront(steps, reach), Cached(graph, chain.delay_frames, chain.state_size)
    )


@torch.no_grad()
def _exported_model(
    checkpoint: Path, schedule: NoiseSchedule, denoise: Denoise, examples: Sequence[Tensor]
) -> LiteWaveGrad2:
    """The model with its weights rounded as they were for the bundle."""
    conditioning, source, noise = examples
    expected = torch.from_numpy(denoise(conditioning.numpy(), source.numpy(), noise.numpy()))
    for bits in WEIGHT_BITS:
        model = load_checkpoint(checkpoint).model
        if not isinstance(model, LiteWaveGrad2):
            raise InputError(
                f"{checkpoint} is a {type(model).__name__}; the cached chain is for lite only"
            )
        round_weights(model, bits)
        made = DenoiserGraph(model.eval(), schedule)(*examples)
        if float((made - expected).abs().max()) <= TOLERANCE:
            return model
    raise InputError(f"{checkpoint} is not the checkpoint that the bundle was exported from")


def _step_graph(step: WavefrontStep, examples: Sequence[Tensor]) -> bytes:
    conditioning, source, noise = examples
    shape: Shape = (1, "F", HOP_LENGTH)
    inputs: dict[str, tuple[Tensor, Shape]] = {
        "conditioning": (conditioning, (1, conditioning.shape[1], "F")),
        "source": (source, shape),
        "noisy": (noise[0], shape),
        "noise": (noise[-1], shape),
    }
    return _slimmed(GraphSource(step, inputs, {"after": shape}))


def _chain_graph(chain: CachedChain, examples: Sequence[Tensor]) -> bytes:
    conditioning, source, noise = examples
    shape: Shape = (1, "F", HOP_LENGTH)
    size = chain.state_size
    inputs: dict[str, tuple[Tensor, Shape]] = {
        "conditioning": (conditioning, (1, conditioning.shape[1], "F")),
        "source": (source, shape),
        "noise": (noise, (noise.shape[0], *shape)),
        "place": (torch.tensor([0, EXAMPLE_FRAMES]), (2,)),
        "state": (torch.zeros(1, size), (1, size)),
    }
    outputs = {"waveform": shape, "next_state": (1, size)}
    return _slimmed(GraphSource(chain, inputs, outputs))


def _slimmed(source: GraphSource) -> bytes:
    content: bytes = slim_graph(trace(source).model_proto).SerializeToString()
    return content
