"""How much context a chunk needs: measured on speech, for a trained network hardly uses its reach.

A reverse step can look several frames to each side, N steps N times as far; but what lies at the
far end moves a sample by far less than its last bit of 16. Chunks with only the context that they
need cost the server half as much.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from dlpo.audio import HOP_LENGTH, harmonic_source
from dlpo.text.symbols import symbol_ids
from dlpo_export.graphs import DenoiserGraph, EncoderGraph, FramesGraph
from dlpo_export.parity import UTTERANCE, whole_frames

TOLERANCE = 1e-5  # of full scale; a tenth of what a server promises for chunks
MARGIN = 2  # frames beyond what the measurement asks for, since other speech differs
CHUNK = 8  # frames, as few as the first of a stream
STRIDE = 5  # frames from one measured chunk to the next
SEEDS = 2


@torch.no_grad()
def needed_contexts(
    encoder: EncoderGraph,
    frames: FramesGraph,
    denoisers: Mapping[str, DenoiserGraph],
    context_frames_per_step: int,
) -> dict[str, int]:
    """Frames each side that a chunk needs, by number of steps: {"4": 9, ...}.

    Args:
        denoisers: any names.
        context_frames_per_step: what one step can see; N of them and one frame more are enough.
    """
    phonemes = torch.tensor([symbol_ids(UTTERANCE)])
    hidden, durations, ranges = encoder(phonemes)
    counts = whole_frames(durations)
    positions = torch.arange(int(counts.sum())) + 0.5
    conditioning, f0 = frames(hidden, counts, ranges, positions, torch.zeros(1))
    source = torch.from_numpy(harmonic_source(f0[0].numpy())).view(1, -1, HOP_LENGTH)
    needed = {}
    for denoiser in denoisers.values():
        steps = denoiser.schedule.steps
        enough = steps * context_frames_per_step + 1
        needed[str(steps)] = _needed_context(denoiser, conditioning, source, enough)
    return needed


def _needed_context(
    denoiser: DenoiserGraph, conditioning: Tensor, source: Tensor, enough: int
) -> int:
    generator = torch.Generator().manual_seed(0)
    shape = (denoiser.schedule.noise_count, SEEDS, *source.shape[1:])
    inputs = (
        conditioning.expand(SEEDS, -1, -1),
        source.expand(SEEDS, -1, -1),
        torch.randn(shape, generator=generator),
    )
    whole = denoiser(*inputs)
    for context in range(1, enough - MARGIN):
        starts = range(0, whole.shape[1] - CHUNK - 2 * context, STRIDE)
        if not starts:
            break
        if _deviation(denoiser, inputs, whole, starts, context) <= TOLERANCE:
            return context + MARGIN
    return enough


def _deviation(
    denoiser: DenoiserGraph,
    inputs: tuple[Tensor, Tensor, Tensor],
    whole: Tensor,
    starts: range,
    context: int,
) -> float:
    """The largest difference between chunks and the same frames of `whole`, (B, F, 300)."""
    conditioning, source, noise = inputs
    size = CHUNK + 2 * context

    def windows(x: Tensor, dim: int, batch_dim: int) -> Tensor:
        return torch.cat([x.narrow(dim, start, size) for start in starts], dim=batch_dim)

    chunks = denoiser(windows(conditioning, 2, 0), windows(source, 1, 0), windows(noise, 2, 1))
    inside = slice(context, context + CHUNK)
    return float((chunks - windows(whole, 1, 0))[:, inside].abs().max())
