from __future__ import annotations

import numpy as np
import pytest

from dlpo.judges.judge import active_level_db, at_level
from dlpo_bench.signals import Waveform, f0_spread_semitones, mel_spread_db, with_ends

RATE = 22_050  # Hz
TIME = np.arange(2 * RATE) / RATE  # s


def tone(hertz: float, amplitude: float = 0.5) -> Waveform:
    return (amplitude * np.sin(2 * np.pi * hertz * TIME)).astype(np.float32)


@pytest.mark.parametrize("level", [-40.0, -22.0])
def test_waveform_gets_the_level_asked_for(level: float) -> None:
    levelled = at_level(tone(300, 0.1), RATE, level)
    assert levelled.dtype == np.float32
    assert active_level_db(levelled, RATE) == pytest.approx(level, abs=0.01)


def test_ends_of_what_sounds_are_equal_however_long_they_were() -> None:
    for before, after in ((0, 0), (700, 9_000), (9_000, 700)):
        clip = np.pad(tone(300), (before, after), constant_values=1e-3)  # hiss
        ended = with_ends(clip, RATE)
        assert len(ended) == pytest.approx(2.2 * RATE, abs=240)  # two blocks
        assert ended[-1] == (clip[-1] if after > 3_000 else 0)


def test_pitch_spread_is_zero_if_steady_else_the_span() -> None:
    semitones = np.linspace(0, 12, len(TIME))  # uniform over an octave: std 12 / sqrt(12)
    for pitch, expected in ((np.zeros(len(TIME)), 0.0), (semitones, 12 / np.sqrt(12))):
        phase = np.cumsum(2 * np.pi * 150 * 2 ** (pitch / 12) / RATE)
        voice = sum(np.cos(k * phase) / k for k in range(1, 8)).astype(np.float32)
        assert f0_spread_semitones(0.1 * voice, RATE) == pytest.approx(expected, abs=0.25)


def test_mel_spread_equals_loudness_spread_of_fixed_timbre() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 4 * RATE).astype(np.float32)
    swing = 10 ** (12 * np.sin(np.arange(len(noise)) / RATE * np.pi) / 20)  # +-12 dB, in 2 s
    still, moving = (mel_spread_db(x.astype(np.float32), RATE) for x in (noise, noise * swing))
    assert np.sqrt(moving**2 - still**2) == pytest.approx(12 / np.sqrt(2), rel=0.1)


def test_mel_spread_leaves_pauses_out_and_silence_has_none() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 2 * RATE).astype(np.float32)
    paused = np.concatenate([noise, np.zeros(RATE, np.float32)])
    assert mel_spread_db(paused, RATE) == pytest.approx(mel_spread_db(noise, RATE), rel=0.05)
    assert mel_spread_db(np.zeros(RATE, np.float32), RATE) == 0
    assert mel_spread_db(np.zeros(10, np.float32), RATE) == 0
