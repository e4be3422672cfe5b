"""How far a graph's F0 is from the expected one: in cents, and in decisions on voicing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CENTS = 1200  # of an octave


def f0_error_cents(made: NDArray[np.floating], expected: NDArray[np.floating]) -> float:
    """RMS error over the frames that are voiced in both, in cents; 0 where there are none.

    Args:
        made, expected: Hz, of the same shape; 0 where unvoiced.
    """
    voiced = (made > 0) & (expected > 0)
    if not voiced.any():
        return 0.0
    ratio = np.asarray(made, np.float64)[voiced] / expected[voiced]
    return float(CENTS * np.sqrt(np.mean(np.log2(ratio) ** 2)))


def wrong_voicing(made: NDArray[np.floating], expected: NDArray[np.floating]) -> float:
    """The share of frames that are voiced in one and unvoiced in the other."""
    return float(np.mean((made > 0) != (expected > 0)))
