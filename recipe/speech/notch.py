"""Takes Kokoro's steady tones out of a waveform.

Its generator repeats a pattern every 5 samples, so two lines run through everything it says. They
are turned down by zero-phase filters so narrow that speech loses nothing to be heard.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import filtfilt, iirpeak, welch

TONES_HZ = (4800.0, 9600.0)
WIDTH_HZ = 16.0  # at -3 dB, of one pass; filtfilt passes twice
WINDOW = 8192  # samples of a spectrum with a line every 3 Hz
BESIDE_HZ = (60.0, 240.0)  # from the tone, where the level around it is read


def notch(waveform: NDArray[np.float32], rate: int = 24_000) -> NDArray[np.float32]:
    """The waveform with the tones turned down to the level around them, same length and phase.

    What a notch would take out also holds the speech at that pitch, so only as much of it goes as
    the line rises above its surroundings: no line stays and no hole is made.
    """
    out = waveform.astype(np.float64)
    for tone in TONES_HZ:
        excess_db = prominence_db(waveform, tone, rate)
        if excess_db > 0:
            b, a = iirpeak(tone, tone / WIDTH_HZ, rate)
            line = filtfilt(b, a, out, padlen=min(len(out) - 1, rate // 10))
            out -= line * (1 - 10 ** (-excess_db / 20))
    return out.astype(np.float32)


def prominence_db(waveform: NDArray[np.float32], tone: float, rate: int = 24_000) -> float:
    """How far a line rises above the median level beside it; about 0 without one."""
    window = min(WINDOW, len(waveform))
    hertz, power = welch(waveform, rate, nperseg=window)
    distance = np.abs(hertz - tone)
    beside = (distance > BESIDE_HZ[0]) & (distance < BESIDE_HZ[1])
    peak = power[distance < rate / window].max()
    return float(10 * np.log10(peak / np.median(power[beside])))
