"""The speed at which the mark is, where audio was resampled to be faster or slower.

Whitened blocks, below 4 kHz only, are read at each of many speeds and correlated with the signs:
noise is lost there least, and the lower band allows steps of 0.014 %. What fits best is refined
and then tried on the whole audio.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from dlpo.mark.detector import (
    BLOCK,
    LEAST_S,
    Detection,
    Place,
    detect_samples,
    pilot,
    whitened,
)
from dlpo.mark.stream import PERIOD, RATE_HZ

LOWERED = 3  # from 24 to 8 kHz
MOST = 0.085  # faster or slower, in natural logarithms
STEP = 3 / (BLOCK // LOWERED)  # so that a block drifts by at most 1.5 samples at 8 kHz
FINE = np.arange(-4, 5) * STEP / 8  # around the best
BLOCKS = 4  # the loudest, which are searched
SPEEDS = np.exp(np.arange(-MOST, MOST, STEP))
TRIED = len(SPEEDS) * len(FINE)
_SIZE = PERIOD // 2  # of transforms at 8 kHz: a block, and a period of lags


def detect_at_any_speed(samples: NDArray[np.float32], own_key: bytes = b"") -> Detection:
    """Like `detect_samples`, for (T,) samples, long enough to judge, up to 8 % faster or slower."""
    blocks = [samples[start : start + BLOCK] for start in range(0, len(samples), BLOCK)]
    blocks = [block for block in blocks if len(block) >= LEAST_S * RATE_HZ]
    blocks.sort(key=lambda block: -float(np.square(block, dtype=np.float64).sum()))
    searched = ((*_best_speed(block, own_key), block) for block in blocks[:BLOCKS])
    _, coarse, block = max(searched, key=itemgetter(0))
    fine = coarse * np.exp(FINE)
    speed = float(max(fine, key=lambda speed: detect_samples(_at(block, speed), own_key).z))
    found = detect_samples(_at(samples, speed), own_key, TRIED)
    places = tuple(
        Place(round(place.start_s / speed, 2), round(place.stop_s / speed, 2))
        for place in found.places
    )
    return replace(found, places=places, speed=round(speed, 4))


def _best_speed(block: NDArray[np.float32], own_key: bytes) -> tuple[float, float]:
    """How well the best of all speeds fits a block, and that speed."""
    spectrum = np.fft.rfft(whitened(block), 2 * PERIOD)  # longer: no end reaches the other one
    low = np.fft.irfft(spectrum[: len(spectrum) // LOWERED], 2 * PERIOD)  # below 4 kHz
    low = low[: len(block) + 1].astype(np.float32)
    steps = np.diff(low)
    signs, best = _low_signs(own_key), (0.0, 1.0)
    for speed in SPEEDS:
        places = np.arange(0, len(block) - 1, LOWERED / speed)
        whole = places.astype(np.int32)
        read = low[whole] + (places - whole).astype(np.float32) * steps[whole]
        lags = np.fft.irfft(np.conj(np.fft.rfft(read, _SIZE)) * signs, _SIZE)[: PERIOD // LOWERED]
        size = np.sqrt(np.square(read).sum()) + 1e-9
        best = max(best, (float(np.abs(lags).max() / size), float(speed)))
    return best


@cache
def _low_signs(own_key: bytes) -> NDArray[np.complex64]:
    """The spectrum of the signs below 4 kHz, at 8 kHz, for `_SIZE` samples."""
    three = np.fft.rfft(np.tile(pilot(own_key), LOWERED))
    low = np.fft.irfft(three[: PERIOD // 2 + 1], PERIOD)
    return np.fft.rfft(low[:_SIZE].astype(np.float32)).astype(np.complex64)


def _at(samples: NDArray[np.float32], speed: float) -> NDArray[np.float32]:
    """The samples slowed down by a factor."""
    import soxr

    return np.asarray(soxr.resample(samples, RATE_HZ, RATE_HZ * speed), np.float32)
