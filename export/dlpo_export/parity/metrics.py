"""How far a graph deviates: F0 in cents, voicing, and spectrograms in dB."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CENTS = 1200  # per octave
WINDOW, HOP = 1024, 256  # samples; 46 and 12 ms
DYNAMIC_RANGE = 60.0  # dB below the expected loudest bin; anything lower is inaudible


def f0_error_cents(made: NDArray[np.floating], expected: NDArray[np.floating]) -> float:
    """RMS error over the frames voiced in both, in cents; 0 if there are none.

    Args:
        made, expected: Hz, of the same shape; 0 where unvoiced.
    """
    voiced = (made > 0) & (expected > 0)
    if not voiced.any():
        return 0.0
    ratio = np.asarray(made, np.float64)[voiced] / expected[voiced]
    return float(CENTS * np.sqrt(np.mean(np.log2(ratio) ** 2)))


def wrong_voicing(made: NDArray[np.floating], expected: NDArray[np.floating]) -> float:
    """The share of frames voiced in one and unvoiced in the other."""
    return float(np.mean((made > 0) != (expected > 0)))


def log_spectral_distance(made: NDArray[np.floating], expected: NDArray[np.floating]) -> float:
    """RMS over bins of the difference of two log power spectra, averaged over frames.

    Args:
        made, expected: (T,) waveforms of the same length.

    Returns:
        dB; 0 if they are equal or `expected` is silent.

    Reference: Gray and Markel 1976, Distance Measures for Speech Processing, section III.
    """
    wanted, got = _power(expected), _power(made)
    floor = wanted.max() * 10 ** (-DYNAMIC_RANGE / 10)
    if floor == 0:
        return 0.0
    difference = 10 * np.log10(np.maximum(got, floor) / np.maximum(wanted, floor))
    return float(np.sqrt((difference**2).mean(axis=1)).mean())


def _power(waveform: NDArray[np.floating]) -> NDArray[np.float64]:
    """(T,) -> (frames, bins), zero-padded to the end of the last frame."""
    missing = max(0, WINDOW - len(waveform)) + -len(waveform) % HOP
    padded = np.pad(np.asarray(waveform, np.float64), (0, missing))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    power: NDArray[np.float64] = np.abs(np.fft.rfft(frames * np.hanning(WINDOW))) ** 2
    return power
