"""Guards: 0 while speech is within bounds, and falling outside them.

A judge that ignores level, or hears nothing above 8 kHz, can be pleased by ruining both.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from dlpo.judges.judge import Waveform, check_waveforms
from dlpo.judges.levels import active_level_db, high_band_db
from dlpo.rl.rewards.reward import Clock, Judged, Speech, checked_scores

LOUDNESS_TOLERANCE_DB = 2.0
HIGH_BAND_TOLERANCE_DB = 3.0


class Guard:
    """Minus the decibels by which a measure leaves its band, 0 within it.

    Args:
        name: of the guard.
        measure: (T,) and its rate in Hz -> dB.
        target_db: the middle of the band; measure the untuned voice or the recordings.
        tolerance_db: half the band's width.
        clock: for the cost.
    """

    def __init__(
        self,
        name: str,
        measure: Callable[[Waveform, int], float],
        target_db: float,
        tolerance_db: float,
        clock: Clock = time.perf_counter,
    ) -> None:
        self.name, self.measure, self.clock = name, measure, clock
        self.target_db, self.tolerance_db = target_db, tolerance_db

    def judge(self, speech: Speech) -> Judged:
        """See `Reward.judge`; scores are <= 0."""
        began, rate = self.clock(), speech.sample_rate_hz
        check_waveforms(speech.waveforms, rate)
        measured = np.array([self.measure(x, rate) for x in speech.waveforms], np.float64)
        beyond = np.abs(measured - self.target_db) - self.tolerance_db
        scores = checked_scores(self.name, -np.maximum(0.0, beyond), speech)
        return Judged(scores, {self.name: scores}, {self.name: self.clock() - began})


def loudness_guard(target_db: float, tolerance_db: float = LOUDNESS_TOLERANCE_DB) -> Guard:
    """Keeps the level of speech without its pauses, dB over full scale."""
    return Guard("loudness", active_level_db, target_db, tolerance_db)


def high_band_guard(target_db: float, tolerance_db: float = HIGH_BAND_TOLERANCE_DB) -> Guard:
    """Keeps the energy above 4 kHz, dB of all energy: neither dull nor hissing."""
    return Guard("high_band", high_band_db, target_db, tolerance_db)
