from __future__ import annotations

import numpy as np
import pytest

from dlpo.judges.mel import decibels, magnitudes, mel_filters


def hertz_of_slaney_mel(mel: float) -> float:
    """Malcolm Slaney's table: 66.67 Hz a mel up to 1 kHz, then a factor of 6.4 in 27 mels."""
    return mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)


def test_filters_peak_where_the_scale_says_and_fall_to_their_neighbours() -> None:
    bands, n_fft = 10, 1 << 16
    filters = mel_filters(16_000, n_fft, bands, 6400.0)  # 6.4 kHz is mel 42
    for band in range(bands):
        low, centre, high = (hertz_of_slaney_mel(42 * (band + k) / (bands + 1)) for k in range(3))
        heard = np.flatnonzero(filters[band]) * 16_000 / n_fft
        assert heard[0] == pytest.approx(low, abs=0.5)
        assert heard[-1] == pytest.approx(high, abs=0.5)
        assert filters[band].argmax() * 16_000 / n_fft == pytest.approx(centre, abs=0.5)


def test_filters_have_unit_area() -> None:
    n_fft = 1 << 15
    filters = mel_filters(16_000, n_fft, 20, 8000.0)
    np.testing.assert_allclose(filters.sum(axis=1) * 16_000 / n_fft, 1, rtol=1e-3)


def test_bands_above_half_the_rate_are_empty() -> None:
    filters = mel_filters(22_050, 4096, 48, 20_000.0)
    assert not filters[-1].any()
    assert filters[0].any()


@pytest.mark.parametrize("pad_mode", ["reflect", "constant"])
@pytest.mark.parametrize(("n_fft", "window"), [(64, 20), (33, 33)])
def test_magnitudes_equal_a_fourier_sum_written_out(n_fft: int, window: int, pad_mode: str) -> None:
    waveform = np.random.default_rng(0).standard_normal(200).astype(np.float32)
    hop, frame, k = 7, 3, 5
    got = magnitudes(waveform, n_fft, hop, window, pad_mode)

    def sample(n: int) -> float:
        if 0 <= n < 200:
            return float(waveform[n])
        return float(waveform[-n if n < 0 else 2 * 199 - n]) if pad_mode == "reflect" else 0.0

    start = frame * hop - n_fft // 2 + (n_fft - window) // 2
    total = sum(
        sample(start + m)
        * (0.5 - 0.5 * np.cos(2 * np.pi * m / window))
        * np.exp(-2j * np.pi * k * m / n_fft)
        for m in range(window)
    )
    assert got.shape[1] == n_fft // 2 + 1
    assert got[frame, k] == pytest.approx(abs(total), rel=1e-4)


def test_decibels_are_relative_floored_and_limited_to_80_below_the_loudest() -> None:
    power = np.array([1.0, 100.0, 1e-3, 1e-7, 0.0], np.float32)
    got = decibels(power, floor=1e-10, reference=100.0)
    np.testing.assert_allclose(got, [-20, 0, -50, -80, -80], atol=1e-4)
