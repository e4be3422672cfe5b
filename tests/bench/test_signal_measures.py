from __future__ import annotations

import numpy as np
import pytest

from dlpo.judges.levels import active_level_db
from dlpo_bench.signal_measures import (
    Waveform,
    at_level,
    f0_spread_semitones,
)

RATE = 22_050  # Hz
TIME = np.arange(2 * RATE) / RATE  # s


def tone(hertz: float, amplitude: float = 0.5) -> Waveform:
    return (amplitude * np.sin(2 * np.pi * hertz * TIME)).astype(np.float32)


@pytest.mark.parametrize("level", [-40.0, -22.0])
def test_waveform_gets_the_level_asked_for(level: float) -> None:
    levelled = at_level(tone(300, 0.1), RATE, level)
    assert levelled.dtype == np.float32
    assert active_level_db(levelled, RATE) == pytest.approx(level, abs=0.01)


def test_silence_stays_silent_at_any_level() -> None:
    assert not at_level(np.zeros(RATE, np.float32), RATE, -20).any()


def test_spread_of_a_steady_pitch_is_none_and_of_a_glide_what_it_spans() -> None:
    semitones = np.linspace(0, 12, len(TIME))  # uniform over an octave: std 12 / sqrt(12)
    for pitch, expected in ((np.zeros(len(TIME)), 0.0), (semitones, 12 / np.sqrt(12))):
        phase = np.cumsum(2 * np.pi * 150 * 2 ** (pitch / 12) / RATE)
        voice = sum(np.cos(k * phase) / k for k in range(1, 8)).astype(np.float32)
        assert f0_spread_semitones(0.1 * voice, RATE) == pytest.approx(expected, abs=0.25)


def test_spread_without_voice_is_zero() -> None:
    assert f0_spread_semitones(np.zeros(RATE, np.float32), RATE) == 0
