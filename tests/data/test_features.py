"""Features of signals whose features are known."""

from __future__ import annotations

import numpy as np
import pytest

from dlpo.audio import harmonic_source
from dlpo.data.features import locked_phase, measure, track_f0
from dlpo.errors import DataError
from dlpo.frame_grid import PUBLISHED_GRID

RATE_HZ, HOP = PUBLISHED_GRID.sample_rate_hz, PUBLISHED_GRID.hop_length

FRAMES = 80
TIME = np.arange(FRAMES * HOP) / RATE_HZ


def hum(hertz: float, angle: float) -> np.ndarray:
    """A voice of ten harmonics whose fundamental is cos(2 pi f t + angle)."""
    phase = 2 * np.pi * hertz * TIME + angle
    tones = sum(np.cos(k * phase) / k for k in range(1, 11))
    return (0.1 * tones).astype(np.float32)


def test_f0_of_a_hum_is_its_pitch() -> None:
    f0 = track_f0(hum(180, 0.0), PUBLISHED_GRID)
    assert f0.shape == (FRAMES,)
    assert f0[10:-10] == pytest.approx(180, abs=1)


def test_noise_has_hardly_any_voiced_frames() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, len(TIME)).astype(np.float32)
    assert np.mean(track_f0(noise, PUBLISHED_GRID) > 0) < 0.3


@pytest.mark.parametrize("angle", [0.0, 1.0, 2.5, -2.0])
def test_phase_is_locked_to_the_fundamental(angle: float) -> None:
    waveform = hum(180, angle)
    locked = locked_phase(waveform, np.full(FRAMES, 181.0, np.float32), PUBLISHED_GRID)
    truth = 2 * np.pi * 180 * TIME + angle
    middle = slice(2000, -2000)
    error = np.angle(np.exp(1j * (locked - truth)))[middle]
    assert np.abs(error).max() < 0.05


def test_locked_source_has_its_pulses_where_the_voice_has_them() -> None:
    waveform, f0 = hum(180, 1.0), np.full(FRAMES, 180.0, np.float32)
    locked = harmonic_source(f0, PUBLISHED_GRID, locked_phase(waveform, f0, PUBLISHED_GRID))
    free = harmonic_source(f0, PUBLISHED_GRID)
    middle = slice(2000, -2000)
    assert np.corrcoef(waveform[middle], locked[middle])[0, 1] > 0.3
    assert abs(np.corrcoef(waveform[middle], free[middle])[0, 1]) < 0.3


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (np.zeros(0, np.float32), "0 samples"),
        (np.zeros(301, np.float32), "301 samples"),
        (np.full(300, np.nan, np.float32), "NaN"),
    ],
)
def test_unusable_recordings_are_refused(waveform: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        measure(waveform, PUBLISHED_GRID)
