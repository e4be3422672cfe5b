"""How sentences end: what a text asks for, how a contour moves, and a reward for the two to agree.

    M(c)  movement of a contour at its end, semitones: the mean of the last 60 ms that are voiced
          less the mean of 350 to 150 ms before that end, counted in voiced frames
    R     -distance of M from what the text asks for, see `TARGETS`; at least -`FARTHEST`

M is linear in the contour's points, since frames are weighted means of points: `movement_weights`.
The reward needs no judge, costs nothing and can be checked by hand.

References: Bolinger, Intonation and Its Uses, 1989 (questions, tags, alternatives); Pierrehumbert
and Hirschberg 1990 (continuation rises).
"""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlpo.text.common.endings import EndingKind as EndingKind

KINDS: tuple[EndingKind, ...] = get_args(EndingKind)
RISING: tuple[EndingKind, ...] = ("yes_no", "declarative")

LAST_S = 0.06
EARLIER_S = (0.35, 0.15)
CREDITED_S = 0.5
"""Seconds before the end of voicing whose points an ending's reward credits."""
RISEN_ST = 3.0
"""Semitones from which an ending counts as risen."""
SEMITONES = 12 / math.log(2)
"""Semitones per unit of ln Hz."""
FARTHEST = 12.0

TARGETS: dict[EndingKind, tuple[float, float]] = {
    "yes_no": (5.0, 10.0),
    "declarative": (5.0, 10.0),
    "wh": (-10.0, -3.0),
    "alternative": (-10.0, -3.0),
    "tag": (-8.0, 2.0),
    "list_item": (0.0, 7.0),
    "statement": (-10.0, -3.0),
}
"""Semitones that an ending may move by without loss. As Bolinger has them, questions with "or" and
with question words fall, tags may go either way, items of a list stay up until the last."""


def voiced_rows(
    voiced: NDArray[np.bool_], frames_per_s: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The voiced frames of an ending's last part and of the part that it is compared with.

    Args:
        voiced: (F,) whether each frame is.
        frames_per_s: their number in a second.

    Returns:
        Indices of both; two empty arrays if too little is voiced to measure a movement.
    """
    rows = np.flatnonzero(voiced)
    last = max(1, round(LAST_S * frames_per_s))
    far, near = (round(s * frames_per_s) for s in EARLIER_S)
    if len(rows) < near + last:
        return rows[:0], rows[:0]
    return rows[-last:], rows[-far:-near]


def movement_weights(
    point_weights: Tensor, voiced: NDArray[np.bool_], frames_per_s: float, spread: float = 1.0
) -> Tensor | None:
    """The weights whose product with a contour's points is M.

    Args:
        point_weights: (F, 2P), see `dlpo.model.contour.point_weights`.
        voiced: (F,) bool.
        frames_per_s: their number in a second.
        spread: ln Hz per unit of a point.

    Returns:
        (2P,) semitones per unit; None if too little is voiced.
    """
    last, earlier = voiced_rows(voiced, frames_per_s)
    if not len(last):
        return None
    means = (point_weights[torch.from_numpy(rows)].mean(0) for rows in (last, earlier))
    after, before = means
    weights: Tensor = (after - before) * (SEMITONES * spread)
    return weights


def credit_shares(point_weights: Tensor, voiced: NDArray[np.bool_], frames: float) -> Tensor:
    """How much of each point lies within the last frames of voicing, or after them.

    Args:
        point_weights: (F, 2P).
        voiced: (V,) bool of the first V <= F frames, which end the ending; at least one true.
        frames: before the last voiced one.

    Returns:
        (2P,) from 0 to 1; 0 for a point without a frame.
    """
    first = max(0, int(np.flatnonzero(voiced)[-1]) + 1 - round(frames))
    held = point_weights.sum(0).clamp(min=1e-6)
    shares: Tensor = point_weights[first : len(voiced)].sum(0) / held
    return shares


def ending_reward(movements: Tensor, kind: EndingKind) -> Tensor:
    """(...,) semitones -> (...,) R, 0 within the kind's target."""
    low, high = TARGETS[kind]
    off = (low - movements).clamp(min=0) + (movements - high).clamp(min=0)
    reward: Tensor = -off.clamp(max=FARTHEST)
    return reward


def bend(
    contours: Tensor,
    point_weights: Tensor,
    voiced: NDArray[np.bool_],
    semitones: float,
    spread: float,
    frames_per_s: float,
) -> Tensor:
    """Contours whose last `EARLIER_S` of voicing ramps away by some semitones: the rule.

    Args:
        contours: (..., 2P) points.
        point_weights: (F, 2P).
        voiced: (F,) bool.
        semitones: at the last voiced frame; the ramp begins 350 ms before it.
        spread: ln Hz per unit of a point.
        frames_per_s: frames in a second.
    """
    rows = np.flatnonzero(voiced)
    end, length = int(rows[-1]), EARLIER_S[0] * frames_per_s
    frames = torch.arange(len(point_weights), dtype=point_weights.dtype)
    ramp = ((frames - end) / length + 1).clamp(0, 1)
    held = point_weights.sum(0)
    of_points = (point_weights * ramp[:, None]).sum(0) / held.clamp(min=1e-6)
    return contours + of_points * (semitones / SEMITONES / spread)
