"""Sentences as the pitch flow sees them: everything that a contour doesn't change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from dlpo.model.contour import POINTS
from dlpo.rl.endings import movement_weights
from dlpo.training.contour_losses import LEAST_WEIGHT, MOST_WEIGHT


@dataclass(frozen=True, slots=True, eq=False)
class PitchConditioning:
    """What is fixed of one sentence."""

    hidden: Tensor
    """(1, C, P) of the reader"""
    temperature: float
    centre: float
    """ln Hz of the voice"""
    spread: float
    """ln Hz of the voice per unit of a contour"""
    frames: Tensor
    """(P,) whole frames of each symbol"""
    point_weights: Tensor
    """(F, 2P): how much each point is in each frame"""
    voiced: Tensor
    """(F,) bool"""
    frames_per_s: float
    """of the F frames"""

    @property
    def error_weights(self) -> Tensor:
        """(2P,) how much each point counts, by its voiced frames, as in training."""
        frames = (self.point_weights * self.voiced[:, None]).sum(0)
        weights: Tensor = frames.clamp(max=MOST_WEIGHT) + LEAST_WEIGHT
        return weights

    def voiced_before(self, mark: int) -> Tensor:
        """(V,) bool: voicing of the frames before a symbol."""
        return self.voiced[: int(self.frames[:mark].sum())]

    def ending_weights(self, mark: int) -> Tensor | None:
        """(2P,) whose product with a contour's points is the semitones by which it moves up before
        a symbol; None if too little is voiced."""
        voiced, rate = self.voiced_before(mark).numpy(), self.frames_per_s
        return movement_weights(self.point_weights, voiced, rate, self.spread)


@dataclass(frozen=True, slots=True, eq=False)
class PitchBatch:
    """Conditioning of B sentences, padded."""

    sentences: Sequence[PitchConditioning]
    hidden: Tensor
    """(B, C, P)"""
    mask: Tensor
    """(B, P) bool"""
    temperatures: Tensor
    """(B,)"""
    weights: Tensor
    """(B, 2, P) `PitchConditioning.error_weights`, 0 in the padding"""

    @classmethod
    def of(cls, sentences: Sequence[PitchConditioning]) -> PitchBatch:
        """Batch sentences."""
        longest = max(sentence.hidden.shape[2] for sentence in sentences)

        def padded(rows: Sequence[Tensor]) -> Tensor:
            return torch.stack([functional.pad(r, (0, longest - r.shape[-1])) for r in rows])

        return cls(
            sentences,
            padded([sentence.hidden[0] for sentence in sentences]),
            padded(
                [torch.ones(sentence.hidden.shape[2], dtype=torch.bool) for sentence in sentences]
            ),
            torch.tensor([sentence.temperature for sentence in sentences]),
            padded([as_points(sentence.error_weights) for sentence in sentences]),
        )

    def repeated(self, times: int) -> tuple[Tensor, Tensor]:
        """Hidden and mask with each sentence `times` times, copies adjacent."""
        return self.hidden.repeat_interleave(times, 0), self.mask.repeat_interleave(times, 0)

    def padded_points(self, rows: Sequence[Tensor]) -> Tensor:
        """(..., 2P) of each sentence -> (B, ..., 2, P), 0 in the padding."""
        longest = self.hidden.shape[2]
        points = [as_points(row) for row in rows]
        return torch.stack([functional.pad(p, (0, longest - p.shape[-1])) for p in points])


def as_points(row: Tensor) -> Tensor:
    """(..., 2P) in the order of time -> (..., 2, P), the layout of contours."""
    return row.view(*row.shape[:-1], -1, POINTS).transpose(-1, -2)


def in_time(points: Tensor) -> Tensor:
    """(..., 2, P) -> (..., 2P) in the order of time."""
    return points.transpose(-1, -2).flatten(-2)
