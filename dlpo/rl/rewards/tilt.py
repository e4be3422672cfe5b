"""A toy judge with a known optimum: how steeply the spectrum falls.

It says nothing of quality. It is there to show that a method learns at all, from scores alone and
within minutes: the best reward is 0, and the gain that was possible is known beforehand.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from dlpo.judges.judge import Waveform, check_waveforms
from dlpo.rl.rewards.reward import Clock, Judged, Speech, checked_scores

LOWEST_HZ, HIGHEST_HZ = 250.0, 8_000.0  # five octaves that speech fills
BANDS_PER_OCTAVE = 3
POWER_FLOOR = 1e-12  # silence has a tilt too: 0


def spectral_tilt_db(waveform: Waveform, sample_rate_hz: int) -> float:
    """Slope of the long-term spectrum, in dB an octave: the line through its third octaves.

    White noise has +3, as a third octave has twice the width an octave higher; speech about -3.
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


class SpectralTilt:
    """Minus how far the tilt is from its target, in dB an octave; 0 is the best there is.

    Sentences differ in tilt by what is said in them, so that each has a target of its own: the
    optimum is then within reach of a voice that is a little brighter throughout.

    Args:
        target_db: text -> the tilt that it should be said with.
        clock: for the cost.
    """

    name = "spectral_tilt"

    def __init__(self, target_db: Callable[[str], float], clock: Clock = time.perf_counter) -> None:
        self.target_db, self.clock = target_db, clock

    def judge(self, speech: Speech) -> Judged:
        """See `Reward.judge`; scores are <= 0."""
        began = self.clock()
        check_waveforms(speech.waveforms, speech.sample_rate_hz)
        distances = [
            abs(spectral_tilt_db(waveform, speech.sample_rate_hz) - self.target_db(text))
            for waveform, text in zip(speech.waveforms, speech.texts, strict=True)
        ]
        scores = checked_scores(self.name, -np.array(distances), speech)
        return Judged(scores, {self.name: scores}, {self.name: self.clock() - began})
