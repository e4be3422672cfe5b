"""Cuts a sentence into chunks: short ones first, so that audio starts early."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat

STREAM_LADDER = (8, 24, 64, 128)  # frames; 0.1 s of audio first, 1.6 s later; docs/streaming.md


@dataclass(frozen=True, slots=True)
class ChunkSpan:
    """Frames `start` to `stop` of a sentence, computed from the window around them."""

    start: int
    stop: int
    window_start: int
    window_stop: int


def sizes_of(ladder: Sequence[int]) -> Iterator[int]:
    """The rungs of the ladder, then its last one forever."""
    return chain(ladder, repeat(ladder[-1]))


def end_of_next(start: int, size: int, frames: int) -> int:
    """Where a piece of `size` frames ends that begins at `start` of a sentence of `frames`.

    A small remainder would cost its context for little audio: the last piece includes it.
    """
    return start + size if frames - start >= 1.5 * size else frames


def cut(frames: int, context: int, sizes: Iterator[int]) -> Iterator[ChunkSpan]:
    """Chunks that cover `frames` frames of a sentence in order, without gaps or overlap.

    Args:
        frames: length of the sentence.
        context: frames that a window needs on each side, where the sentence has them.
        sizes: chunk sizes in frames; one is consumed per chunk.
    """
    start = 0
    while start < frames:
        stop = end_of_next(start, next(sizes), frames)
        yield ChunkSpan(start, stop, max(0, start - context), min(frames, stop + context))
        start = stop
