"""How a sentence is cut into chunks: small at first, so that sound starts early, then larger.

A chunk costs the denoiser its own frames and the context on both sides; a larger one wastes less.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

STREAM_LADDER = (8, 24, 64, 128)  # frames; 0.11 s of sound first, 1.7 s later; docs/streaming.md


@dataclass(frozen=True, slots=True)
class Chunk:
    """Frames `start` to `stop` of a sentence, computed from the window around them."""

    start: int
    stop: int
    window_start: int
    window_stop: int


def sizes_of(ladder: Sequence[int]) -> Iterator[int]:
    """The rungs of the ladder, then its last one for ever."""
    yield from ladder
    while True:
        yield ladder[-1]


def cut(frames: int, context: int, sizes: Iterator[int]) -> Iterator[Chunk]:
    """Chunks that cover `frames` frames of a sentence in order, without gap or overlap.

    Args:
        frames: length of the sentence.
        context: frames that a window needs each side, where the sentence has them.
        sizes: frames of each next chunk; one is taken for every chunk.
    """
    start = 0
    while start < frames:
        size = next(sizes)
        # A small rest would cost its context for little sound: the last chunk takes it along.
        stop = start + size if frames - start >= 1.5 * size else frames
        yield Chunk(start, stop, max(0, start - context), min(frames, stop + context))
        start = stop
