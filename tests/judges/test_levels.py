from __future__ import annotations

import numpy as np
import pytest

from dlpo.judges.judge import Waveform, active_level_db, high_band_db

RATE = 22_050  # Hz
TIME = np.arange(2 * RATE) / RATE  # s


def tone(hertz: float, amplitude: float = 0.5) -> Waveform:
    return (amplitude * np.sin(2 * np.pi * hertz * TIME)).astype(np.float32)


def test_level_of_a_sine_is_its_rms() -> None:
    assert active_level_db(tone(1000, 0.5), RATE) == pytest.approx(
        20 * np.log10(0.5) - 3.01, abs=0.01
    )


def test_pauses_do_not_lower_the_level() -> None:
    padded = np.concatenate([np.zeros(RATE, np.float32), tone(1000), np.zeros(RATE, np.float32)])
    assert active_level_db(padded, RATE) == pytest.approx(
        active_level_db(tone(1000), RATE), abs=0.1
    )


def test_level_of_silence_is_finite() -> None:
    assert active_level_db(np.zeros(RATE, np.float32), RATE) == pytest.approx(-120)


def test_high_band_is_the_share_of_energy_above_4_khz() -> None:
    mixed = tone(1000, 0.5) + tone(6000, 0.05)  # a hundredth of the energy
    assert high_band_db(mixed, RATE) == pytest.approx(10 * np.log10(0.01 / 1.01), abs=0.05)
