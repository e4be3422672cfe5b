"""How different two waveforms look in a spectrogram, in dB."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WINDOW, HOP = 1024, 256  # samples; 46 and 12 ms
DYNAMIC_RANGE = 60.0  # dB below the loudest bin of what is expected; below, nobody hears


def log_spectral_distance(made: NDArray[np.floating], expected: NDArray[np.floating]) -> float:
    """RMS over bins of the difference of two log power spectra, averaged over frames.

    Args:
        made, expected: (T,) waveforms of the same length.

    Returns:
        dB; 0 where they are equal, and where `expected` is silent.

    Reference: Gray and Markel 1976, Distance Measures for Speech Processing, section III.
    """
    wanted, got = _power(expected), _power(made)
    floor = wanted.max() * 10 ** (-DYNAMIC_RANGE / 10)
    if floor == 0:
        return 0.0
    difference = 10 * np.log10(np.maximum(got, floor) / np.maximum(wanted, floor))
    return float(np.sqrt((difference**2).mean(axis=1)).mean())


def _power(waveform: NDArray[np.floating]) -> NDArray[np.float64]:
    """(T,) -> (frames, bins), zeros after the end of the last frame."""
    missing = max(0, WINDOW - len(waveform)) + -len(waveform) % HOP
    padded = np.pad(np.asarray(waveform, np.float64), (0, missing))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    power: NDArray[np.float64] = np.abs(np.fft.rfft(frames * np.hanning(WINDOW))) ** 2
    return power
