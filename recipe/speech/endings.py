"""How a clip ends: whole or inside a sentence, clear or creaky.

A contour learned from creak or from cut sentences ends anywhere, so these clips are kept out of
the pitch (not out of the sound). The teacher's own F0 says which period to look for; creak is where
the sound doesn't repeat at it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

F0_RATE = 80  # Hz, of the teacher's curve
VOICED_HZ = 40.0
AUDIBLE_DB = -35.0  # re the loudest frame; quieter frames belong to no ending
LAST_S = 0.2  # of voiced speech
SEARCH = 0.15  # how far the period may lie from the teacher's
TOP_HZ = 1500.0  # harmonics above it are noisy in clear voices too
CREAKY_BELOW = 0.45  # periodicity


@dataclass(frozen=True, slots=True)
class Ending:
    """The last voiced 0.2 s of a clip."""

    periodicity: float
    """median correlation of a period with the next; 0 without voice"""
    f0_ratio: float
    """median F0 there over that of the clip"""

    @property
    def creaky(self) -> bool:
        """Whether its pitch can't be trusted."""
        return self.periodicity < CREAKY_BELOW


def ending(waveform: NDArray[np.float32], f0: NDArray[np.float32], rate: int = 24_000) -> Ending:
    """Measure a clip's end.

    Args:
        waveform: (T,).
        f0: (T / rate * 80,) Hz, the teacher's.
    """
    hop = rate // F0_RATE
    frames = min(len(f0), len(waveform) // hop)
    power = (waveform[: frames * hop].reshape(frames, hop) ** 2).mean(1)
    audible = power > power.max(initial=0.0) * 10 ** (AUDIBLE_DB / 10)
    voiced = np.flatnonzero((f0[:frames] > VOICED_HZ) & audible)
    if not len(voiced):
        return Ending(0.0, 0.0)
    low = sosfiltfilt(butter(4, TOP_HZ, fs=rate, output="sos"), waveform)
    last = voiced[-int(LAST_S * F0_RATE) :]
    found = [_repeats(low, (frame + 0.5) * hop, rate / f0[frame]) for frame in last]
    ratio = np.median(f0[last]) / np.median(f0[voiced])
    return Ending(round(float(np.median(found)), 3), round(float(ratio), 3))


def _repeats(waveform: NDArray[np.float64], centre: float, period: float) -> float:
    """Highest correlation around a place of two periods with the two that begin one later."""
    best = 0.0
    for lag in range(round(period * (1 - SEARCH)), round(period * (1 + SEARCH)) + 1):
        first = round(centre - 1.5 * lag)
        if first < 0 or first + 3 * lag > len(waveform):
            continue
        one, two = waveform[first : first + 2 * lag], waveform[first + lag : first + 3 * lag]
        scale = np.sqrt((one @ one) * (two @ two))
        best = max(best, float(one @ two / scale) if scale > 0 else 0.0)
    return best
