"""Fixed shapes for run-times that need them: CUDA graphs and TensorRT profiles.

A window of any length is padded on the right to a bucket or, if it is longer than the largest one,
cut into pieces that overlap by the denoiser's context. Every frame that is kept has `margin` frames
after it, so that its audio does not depend on the bucket.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from dlpo.errors import EngineError, InputError
from dlpo.nvidia import BUCKET_BATCH, BUCKET_FRAMES
from dlpo_serving.engine import Floats


class Bucket(NamedTuple):
    """A shape that the run-time has been prepared for."""

    batch: int
    frames: int


@dataclass(frozen=True, slots=True)
class Piece:
    """The part that one run computes: rows `rows` and frames `start` to `stop` of the window."""

    bucket: Bucket
    rows: slice
    start: int
    stop: int
    read_start: int
    """the run reads the window's frames `read_start` to `read_stop`; the rest of the bucket is
    padding"""
    read_stop: int


class PaddedInputs(NamedTuple):
    """Arrays of a bucket's shape that hold the denoiser's inputs."""

    conditioning: Floats
    """(B, C, F)"""
    source: Floats
    """(B, F, hop_length)"""
    noise: Floats
    """(K, B, F, hop_length)"""

    @classmethod
    def zeros(cls, bucket: Bucket, channels: int, planes: int, hop_length: int) -> PaddedInputs:
        """Arrays to `fill`; `channels` is C, `planes` is K."""
        batch, frames = bucket
        return cls(
            np.zeros((batch, channels, frames), np.float32),
            np.zeros((batch, frames, hop_length), np.float32),
            np.zeros((planes, batch, frames, hop_length), np.float32),
        )

    def fill(self, piece: Piece, conditioning: Floats, source: Floats, noise: Floats) -> None:
        """Copy `piece`'s part of the window; pad with its last frame's conditioning, and zeros."""
        rows = piece.rows.stop - piece.rows.start
        frames = piece.read_stop - piece.read_start
        read = slice(piece.read_start, piece.read_stop)
        self.conditioning[rows:] = 0
        self.conditioning[:rows, :, :frames] = conditioning[piece.rows, :, read]
        last = conditioning[piece.rows, :, piece.read_stop - 1 : piece.read_stop]
        self.conditioning[:rows, :, frames:] = last
        for padded, given in ((self.source, source), (self.noise, noise)):
            padded[..., rows:, :, :] = 0
            padded[..., :rows, frames:, :] = 0
            padded[..., :rows, :frames, :] = given[..., piece.rows, read, :]


@dataclass(frozen=True, slots=True)
class Buckets:
    """All available shapes: each of `batch` with each of `frames`."""

    frames: tuple[int, ...] = BUCKET_FRAMES
    """window lengths, ascending"""
    batch: tuple[int, ...] = BUCKET_BATCH
    """batch sizes, ascending"""

    def __post_init__(self) -> None:
        for name in ("frames", "batch"):
            sizes: tuple[int, ...] = getattr(self, name)
            rising = all(low < high for low, high in pairwise(sizes))
            if not sizes or sizes[0] < 1 or not rising:
                raise InputError(
                    f"buckets: {name} is {sizes}; expected whole numbers from 1, ascending"
                )

    @property
    def all(self) -> tuple[Bucket, ...]:
        """Every bucket, the smallest first."""
        return tuple(Bucket(batch, frames) for batch in self.batch for frames in self.frames)

    def pieces(self, batch: int, frames: int, margin: int) -> list[Piece]:
        """Runs that compute `batch` windows of `frames` frames, each frame once.

        Each run uses the smallest bucket that holds its part and `margin` frames after it.

        Args:
            margin: frames of context on each side, `manifest.context_frames(steps)`.

        Raises:
            EngineError: the largest bucket is all context.
        """
        pieces = []
        for first_row in range(0, batch, self.batch[-1]):
            rows = slice(first_row, min(first_row + self.batch[-1], batch))
            for read_start, start, stop in self._cut_frames(frames, margin):
                bucket = Bucket(
                    next(size for size in self.batch if size >= rows.stop - rows.start),
                    next(size for size in self.frames if size >= stop - read_start + margin),
                )
                read_stop = min(read_start + bucket.frames, frames)
                pieces.append(Piece(bucket, rows, start, stop, read_start, read_stop))
        return pieces

    def _cut_frames(self, frames: int, margin: int) -> Iterator[tuple[int, int, int]]:
        """(read_start, start, stop) of the pieces of a window."""
        largest = self.frames[-1]
        if largest <= 2 * margin:
            raise EngineError(
                f"the largest bucket has {largest} frames, but {2 * margin} of them are context;"
                f" use one of {4 * margin} frames or more"
            )
        start = 0
        while start < frames:
            read_start = max(0, start - margin)
            stop = min(read_start + largest - margin, frames)
            yield read_start, start, stop
            start = stop


def denoise_in_buckets(
    run: Callable[[Piece], Floats], buckets: Buckets, margin: int, shape: tuple[int, ...]
) -> Floats:
    """The denoised window, assembled from the runs of its pieces.

    Args:
        run: fills the bucket of a piece with `PaddedInputs.fill`, computes it and returns
            (batch, frames, hop_length) of the bucket, which the next run may overwrite.
        margin: frames of context on each side, `manifest.context_frames(steps)`.
        shape: (B, F, hop_length) of the window.

    Returns:
        `shape` float32, newly allocated.

    Raises:
        EngineError: the largest bucket is all context, or `run` fails.
    """
    waveform = np.empty(shape, np.float32)
    batch, frames, _ = shape
    for piece in buckets.pieces(batch, frames, margin):
        made = run(piece)
        rows = piece.rows.stop - piece.rows.start
        kept = slice(piece.start - piece.read_start, piece.stop - piece.read_start)
        waveform[piece.rows, piece.start : piece.stop] = made[:rows, kept]
    return waveform
