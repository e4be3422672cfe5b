"""The judge that tests of tuning ask, itself."""

from __future__ import annotations

import numpy as np
import pytest

from tests.rl.toy_judge import spectral_tilt_db

RATE = 22_050


@pytest.mark.parametrize("slope_db", [-9.0, 0.0, 3.0])
def test_tilt_is_the_slope_of_third_octaves(slope_db: float) -> None:
    """Third octaves widen by 3 dB an octave."""
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(4 * RATE))
    hertz = np.fft.rfftfreq(4 * RATE, 1 / RATE)
    spectrum[1:] *= (hertz[1:] / 1_000) ** (slope_db / (20 * np.log10(2)))
    noise = (0.01 * np.fft.irfft(spectrum)).astype(np.float32)
    tilt = spectral_tilt_db(noise, RATE)
    assert tilt == pytest.approx(slope_db + 10 * np.log10(2), abs=0.15)
