"""A toy judge with a known optimum: how steeply the spectrum falls.

It says nothing of quality. It is there to show that a method learns at all, from scores alone and
within minutes: the best reward is 0, and the gain that was possible is known beforehand.
"""

from __future__ import annotations

import time

import numpy as np

from dlpo.judges.judge import Waveform
from dlpo.rl.rewards.guards import Guard
from dlpo.rl.rewards.reward import Clock

LOWEST_HZ, HIGHEST_HZ = 250.0, 8_000.0  # five octaves that speech fills
BANDS_PER_OCTAVE = 3
POWER_FLOOR = 1e-12  # silence has a tilt too: 0


def spectral_tilt_db(waveform: Waveform, sample_rate_hz: int) -> float:
    """Slope of the long-term spectrum, in dB an octave: the line through its third octaves.

    White noise has +3, as a third octave has twice the width an octave higher; speech about -5.
    """
    power = np.abs(np.fft.rfft(waveform.astype(np.float64))) ** 2
    hertz = np.fft.rfftfreq(len(waveform), 1 / sample_rate_hz)
    octaves = np.log2(np.maximum(hertz, 1.0) / LOWEST_HZ)
    bands = round(np.log2(HIGHEST_HZ / LOWEST_HZ)) * BANDS_PER_OCTAVE
    band = np.floor(octaves * BANDS_PER_OCTAVE).astype(int)
    within = (band >= 0) & (band < bands)
    levels_db = 10 * np.log10(np.bincount(band[within], power[within], bands) + POWER_FLOOR)
    slope, _ = np.polyfit((np.arange(bands) + 0.5) / BANDS_PER_OCTAVE, levels_db, 1)
    return float(slope)


def spectral_tilt(target_db: float, clock: Clock = time.perf_counter) -> Guard:
    """Minus how far the tilt is from a target, in dB an octave; 0 is the best there is."""
    return Guard("spectral_tilt", spectral_tilt_db, target_db, 0.0, clock)
