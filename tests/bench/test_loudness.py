"""Loudness against the standard's own figures."""

from __future__ import annotations

import numpy as np
import pytest

from dlpo.audio import Waveform
from dlpo.errors import InputError
from dlpo_bench.loudness import integrated_loudness

MONO_LU = 10 * np.log10(2)  # EBU Tech 3341 measures two equal channels


def sine(hertz: float, level_dbfs: float, seconds: float, rate: int) -> Waveform:
    times = np.arange(round(seconds * rate)) / rate
    return (10 ** (level_dbfs / 20) * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


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


def test_the_rest_after_the_last_whole_block_does_not_count() -> None:
    speech = sine(1000, -20, 0.45, 22_050)

    assert integrated_loudness(speech, 22_050) == pytest.approx(
        integrated_loudness(speech[: round(0.4 * 22_050)], 22_050), abs=1e-9
    )
