"""Loudness against the standard's own figures, and against FFmpeg's meter."""

from __future__ import annotations

import numpy as np
import pytest

from dlpo.audio import Waveform
from dlpo.errors import InputError
from dlpo_bench.loudness import high_pass, integrated_loudness, shelf

MONO_LU = 10 * np.log10(2)  # EBU Tech 3341 measures two equal channels


def sine(hertz: float, level_dbfs: float, seconds: float, rate: int) -> Waveform:
    times = np.arange(round(seconds * rate)) / rate
    return (10 ** (level_dbfs / 20) * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def test_at_48_khz_the_filters_are_those_of_the_standard() -> None:
    numerator, denominator = shelf(48_000)  # BS.1770-5, table 1
    np.testing.assert_allclose(
        numerator, [1.53512485958697, -2.69169618940638, 1.19839281085285], atol=1e-12
    )
    np.testing.assert_allclose(denominator, [1, -1.69065929318241, 0.73248077421585], atol=1e-12)
    numerator, denominator = high_pass(48_000)  # table 2
    np.testing.assert_array_equal(numerator, [1, -2, 1])
    np.testing.assert_allclose(denominator, [1, -1.99004745483398, 0.99007225036621], atol=1e-12)


def test_a_full_scale_sine_of_997_hz_has_the_standards_loudness() -> None:
    assert integrated_loudness(sine(997, 0, 2, 48_000), 48_000) == pytest.approx(-3.01, abs=0.005)


@pytest.mark.parametrize(
    ("levels_dbfs", "lufs"),
    [
        ([(-23, 20)], -23),
        ([(-33, 20)], -33),
        ([(-36, 10), (-23, 60), (-36, 10)], -23),
        ([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23),
        ([(-26, 20), (-20, 20.1), (-26, 20)], -23),
    ],
)
def test_the_gates_meet_the_cases_of_ebu_tech_3341(
    levels_dbfs: list[tuple[float, float]], lufs: float
) -> None:
    rate = 8000
    parts = [sine(1000, level, seconds, rate) for level, seconds in levels_dbfs]

    assert integrated_loudness(np.concatenate(parts), rate) == pytest.approx(
        lufs - MONO_LU, abs=0.1
    )


def test_samples_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="NaN"):
        integrated_loudness(np.full(22_050, np.nan, np.float32), 22_050)
