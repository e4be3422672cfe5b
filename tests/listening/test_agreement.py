"""Krippendorff's alpha against published figures and closed forms."""

from __future__ import annotations

import pytest

from dlpo_bench.listening.report import krippendorff_alpha


def test_the_published_example() -> None:
    # Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011, section C: four observers,
    # twelve units, missing values; alpha = 0.743 for nominal values.
    rows = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")
    units = [[value for value in column if value != "."] for column in zip(*rows, strict=True)]

    assert krippendorff_alpha(units) == pytest.approx(0.743, abs=5e-4)


@pytest.mark.parametrize("units", [[], [["a"], ["b"]], [["a", "a"], ["a", "a"]]])
def test_without_chance_there_is_no_alpha(units: list[list[str]]) -> None:
    assert krippendorff_alpha(units) is None
