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


def test_two_observers_of_binary_values() -> None:
    # The same paper, section A: Meg and Owen, ten units; alpha = 0.095.
    units = list(zip("0100000000", "1110010100", strict=True))

    assert krippendorff_alpha(units) == pytest.approx(0.095, abs=5e-4)


def test_agreement_is_one_and_its_opposite_is_below_zero() -> None:
    assert krippendorff_alpha([["a", "a"], ["b", "b", "b"]]) == 1
    alpha = krippendorff_alpha([["a", "b"], ["b", "a"]])
    assert alpha is not None
    assert alpha < 0


@pytest.mark.parametrize("units", [[], [["a"], ["b"]], [["a", "a"], ["a", "a"]]])
def test_without_chance_there_is_no_alpha(units: list[list[str]]) -> None:
    assert krippendorff_alpha(units) is None
