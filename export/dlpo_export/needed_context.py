"""How much context a chunk needs: measured, since a trained network hardly uses its reach.

A reverse step can look several frames to each side, N steps N times as far; but the far end moves a
sample by far less than the last of 16 bits: each further frame of context divides the deviation by
about eight. Chunks with only the context they need cost the server less.

In 8 bits any deviation, however small, can flip the rounding of an activation, which in turn flips
others: around a seam a different realization of the rounding noise is heard. So its level is
measured instead, relative to the speech. The same applies to the blocks of the frames graph.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from dlpo.audio import harmonic_source
from dlpo.frame_grid import FrameGrid
from dlpo.text.symbols import symbol_ids
from dlpo_export.graphs import DenoiserGraph, EncoderGraph, FramesGraph
from dlpo_export.parity.cases import as_numpy, whole_frames
from dlpo_export.parity.open_graph import OpenGraph
from dlpo_export.sentence import UTTERANCE

TOLERANCE = 5e-5  # of full scale; half of the server's guarantee, before the margin
INT8_TOLERANCE = 10 ** (-60 / 20)  # RMS of the deviation, as a share of the RMS of the speech
FRAMES_TOLERANCE = 10 ** (-50 / 20)  # the same for conditioning, which 8 bits round at -30 dB
MARGIN = 1  # frames added to the measured need, since other speech differs
CHUNK = 8  # frames, as few as in a stream's first chunk
BLOCK = 64  # frames of the frames graph
STRIDE = 9  # frames from one measured chunk to the next
SEEDS = 2
_greatest = partial(torch.dist, p=torch.inf)  # deviation of any sample

Inputs = tuple[Tensor, Tensor, Tensor]  # conditioning, source and noise of a denoiser
Denoise = Callable[[Tensor, Tensor, Tensor], Tensor]


@torch.no_grad()
def needed_contexts(
    encoder: EncoderGraph,
    frames: FramesGraph,
    denoisers: Mapping[str, DenoiserGraph],
    context_frames_per_step: int,
    grid: FrameGrid,
    int8: Mapping[str, Path] | None = None,
) -> dict[str, int]:
    """Frames on each side that a chunk needs, by number of steps: {"4": 9, ...}.

    Args:
        denoisers: any names.
        context_frames_per_step: what one step can see; N times that plus one frame is enough.
        grid: of the voice.
        int8: files of the denoisers' int8 graphs, to measure those as onnxruntime computes them;
            None measures in floating point.

    Raises:
        MissingExtraError: onnxruntime is not installed.
    """
    conditioning, source = _speech(encoder, frames, grid)
    deviation, tolerance = (_relative_rms, INT8_TOLERANCE) if int8 else (_greatest, TOLERANCE)
    needed: dict[str, int] = {}
    for name, denoiser in sorted(denoisers.items(), key=lambda item: item[1].schedule.steps):
        steps, noise_count = denoiser.schedule.steps, denoiser.schedule.noise_count
        inputs = _inputs(conditioning, source, noise_count)
        # The number of steps hardly matters: start one frame below what the last one needed.
        last = next(reversed(needed.values()), 1)
        first = max(1, last - MARGIN - 1)
        contexts = range(first, steps * context_frames_per_step + 2)
        run = _on_onnxruntime(int8[name]) if int8 else denoiser
        needed[str(steps)] = _needed_context(run, inputs, contexts, deviation, tolerance)
    return needed


@torch.no_grad()
def needed_frames_context(encoder: EncoderGraph, frames: FramesGraph, reach: int) -> int:
    """Frames on each side that a block of the frames graph needs, for any voice; at most `reach`,
    the graph's field of view."""
    phonemes = torch.tensor([symbol_ids(UTTERANCE)])
    voices = [None] if frames.voices is None else torch.split(torch.eye(len(frames.voices)), 1)
    needed = 0
    for voice in voices:
        hidden, durations, ranges = encoder(phonemes, voice=voice)
        counts = whole_frames(durations)
        positions = torch.arange(int(counts.sum())) + 0.5
        run = partial(frames, hidden, counts, ranges, pitch=torch.zeros(1), voice=voice)
        whole, f0 = run(positions=positions)
        for context in range(needed, reach + 1):  # what the previous voices need, or more
            needed, parts = context, []
            for start in range(0, len(positions), BLOCK):
                first = max(0, start - needed)
                made = run(positions=positions[first : start + BLOCK + needed])
                parts.append([part[..., start - first :][..., :BLOCK] for part in made])
            conditioning, hertz = (torch.cat(part, dim=-1) for part in zip(*parts, strict=True))
            deviation = _relative_rms(conditioning, whole)
            if deviation <= FRAMES_TOLERANCE and torch.allclose(hertz, f0):
                break
    return min(needed + MARGIN, reach)


def _speech(encoder: EncoderGraph, frames: FramesGraph, grid: FrameGrid) -> tuple[Tensor, Tensor]:
    """Conditioning (1, C2, F) and source (1, F, H) of the parity check's utterance."""
    phonemes = torch.tensor([symbol_ids(UTTERANCE)])
    hidden, durations, ranges = encoder(phonemes)
    counts = whole_frames(durations)
    positions = torch.arange(int(counts.sum())) + 0.5
    conditioning, f0 = frames(hidden, counts, ranges, positions, torch.zeros(1))
    source = torch.from_numpy(harmonic_source(f0[0].numpy(), grid)).view(1, -1, grid.hop_length)
    return conditioning, source


def _inputs(conditioning: Tensor, source: Tensor, noise_count: int) -> Inputs:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn((noise_count, SEEDS, *source.shape[1:]), generator=generator)
    return conditioning.expand(SEEDS, -1, -1), source.expand(SEEDS, -1, -1), noise


def _needed_context(
    denoise: Denoise,
    inputs: Inputs,
    contexts: range,
    deviation: Callable[[Tensor, Tensor], Tensor],
    tolerance: float,
) -> int:
    """The least of `contexts` within tolerance, plus the margin; the last one is always enough.

    By bisection: more context hardly ever makes the deviation larger.
    """
    whole = denoise(*inputs)

    def starts(context: int) -> range:
        return range(0, whole.shape[1] - CHUNK - 2 * context, STRIDE)

    def suffices(context: int) -> bool:
        chunks, expected = _chunks(denoise, inputs, whole, starts(context), context)
        return bool(deviation(chunks, expected) <= tolerance)

    measurable = [context for context in contexts[: -1 - MARGIN] if starts(context)]
    place = bisect_left(measurable, True, key=suffices)
    return measurable[place] + MARGIN if place < len(measurable) else contexts[-1]


def _chunks(
    denoise: Denoise, inputs: Inputs, whole: Tensor, starts: range, context: int
) -> tuple[Tensor, Tensor]:
    """The chunks of all windows, (B, `CHUNK`, 300), and the same frames of `whole`, (B, F, 300)."""
    conditioning, source, noise = inputs
    size = CHUNK + 2 * context

    def windows(x: Tensor, dim: int, batch_dim: int) -> Tensor:
        return torch.cat([x.narrow(dim, start, size) for start in starts], dim=batch_dim)

    chunks = denoise(windows(conditioning, 2, 0), windows(source, 1, 0), windows(noise, 2, 1))
    inside = slice(context, context + CHUNK)
    return chunks[:, inside], windows(whole, 1, 0)[:, inside]


def _relative_rms(chunks: Tensor, expected: Tensor) -> Tensor:
    deviation, level = (chunks - expected).square().mean(), expected.square().mean()
    return (deviation / level.clamp(min=1e-20)).sqrt()


def _on_onnxruntime(path: Path) -> Denoise:
    opened = OpenGraph(path)

    def denoise(conditioning: Tensor, source: Tensor, noise: Tensor) -> Tensor:
        given = {"conditioning": conditioning, "source": source, "noise": noise}
        made = opened.run(as_numpy(given))
        return torch.from_numpy(made["waveform"])

    return denoise
