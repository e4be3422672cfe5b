"""Guards rest within their band and fall by the decibel beyond it."""

from __future__ import annotations

import numpy as np
import pytest

from dlpo.errors import InputError
from dlpo.judges.judge import Waveform
from dlpo.rl.rewards.reward import ClipBatch, Guard, high_band_guard, loudness_guard

RATE = 22_050  # Hz


def tone(hertz: float, amplitude: float) -> Waveform:
    at = np.arange(RATE) / RATE
    return (amplitude * np.sin(2 * np.pi * hertz * at)).astype(np.float32)


def judged(guard: Guard, *waveforms: Waveform) -> list[float]:
    keys = [(0, 0, i, 0) for i in range(len(waveforms))]
    scores = guard.judge(ClipBatch(waveforms, ["hum"] * len(waveforms), RATE, keys)).scores
    return [float(score) for score in scores]


def test_loudness_rests_within_its_band_and_falls_by_the_decibel() -> None:
    at_20_db = tone(200, 0.1 * np.sqrt(2))
    scores = judged(loudness_guard(-20.0, 2.0), at_20_db, at_20_db * 2, at_20_db / 10)
    assert scores == pytest.approx([0.0, -4.02, -18.0], abs=0.05)


def test_pauses_do_not_count_as_quiet_speech() -> None:
    speech = tone(200, 0.1 * np.sqrt(2))
    paused = np.concatenate([speech, np.zeros(2 * RATE, np.float32)])
    assert judged(loudness_guard(-20.0, 1.0), paused) == pytest.approx([0.0])


def test_dull_and_hissing_speech_both_fall() -> None:
    low = tone(500, 0.1)
    wanted, hissing = low + tone(6000, 0.01), low + tone(6000, 0.1)
    scores = judged(high_band_guard(-20.0, 3.0), wanted, hissing, low)
    assert scores[0] == 0.0
    assert scores[1] == pytest.approx(-(20 - 3.01 - 3.0), abs=0.2)
    assert scores[2] < -20


def test_silence_falls_far_and_finitely() -> None:
    (score,) = judged(loudness_guard(-20.0), np.zeros(RATE, np.float32))
    assert -120 < score < -90


@pytest.mark.parametrize("bad", [np.zeros(10, np.float32), np.full(RATE, np.nan, np.float32)])
def test_what_can_not_be_heard_is_refused(bad: Waveform) -> None:
    with pytest.raises(InputError, match="waveform 0"):
        judged(loudness_guard(-20.0), bad)
