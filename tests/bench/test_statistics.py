"""Intervals and tests over sentences."""

from __future__ import annotations

import numpy as np
import pytest

from dlpo_bench.statistics import Estimate, Paired, mean, paired, ratio_of_sums, sign_flip_p


def test_p_of_few_sentences_is_exact() -> None:
    # of the 8 sign patterns only +++ and --- sum to 6 or further from zero
    assert sign_flip_p(np.array([1.0, 2.0, 3.0])) == 2 / 8


def test_ties_count_as_at_least_as_far() -> None:
    assert sign_flip_p(np.array([0.1, 0.2, -0.3])) == 1  # 0.1 + 0.2 - 0.3 is not quite 0
    assert sign_flip_p(np.zeros(5)) == 1


def test_pooled_rates_weigh_sentences_by_word_count() -> None:
    errors = np.array([2.0, 0.0])
    other = np.array([0.0, 1.0])
    words = np.array([4.0, 16.0])
    found = paired(errors - other, words)
    assert found.difference.value == pytest.approx(2 / 20 - 1 / 20)
    assert (found.difference.low, found.difference.high) == (-1 / 16, 2 / 4)
    assert found.sentences == 2


@pytest.mark.parametrize(
    ("low", "high", "p", "decided"),
    [(0.1, 0.9, 0.01, True), (-0.9, -0.1, 0.01, True), (-0.1, 0.9, 0.01, False),
     (0.1, 0.9, 0.2, False)],
)  # fmt: skip
def test_interval_and_test_must_agree(low: float, high: float, p: float, decided: bool) -> None:
    assert Paired(Estimate((low + high) / 2, low, high), p, 10).decided is decided


def test_intervals_are_those_of_95_per_cent() -> None:
    values = np.random.default_rng(0).standard_normal(400)
    found = mean(values)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * values.std() / 20, rel=0.08)


def test_resamples_without_a_ratio_are_left_out() -> None:
    estimate = ratio_of_sums(np.array([1, 1]), np.array([2, 0]))  # (2, 2) of four draws has none
    assert (estimate.value, estimate.low, estimate.high) == (1, 0.5, 1)
