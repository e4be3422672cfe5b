"""Paired comparison, against scipy's permutation test and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dlpo_bench.statistics import Estimate, Paired, paired, sign_flip_p


def test_p_of_few_sentences_is_exact() -> None:
    # of the 8 sign patterns only +++ and --- sum to 6 or further from zero
    assert sign_flip_p(np.array([1.0, 2.0, 3.0])) == 2 / 8


def test_ties_count_as_at_least_as_far() -> None:
    assert sign_flip_p(np.array([0.1, 0.2, -0.3])) == 1  # 0.1 + 0.2 - 0.3 is not quite 0
    assert sign_flip_p(np.zeros(5)) == 1


@pytest.mark.parametrize("n", [8, 13])
def test_p_equals_scipys_exact_test(n: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    differences = np.random.default_rng(n).normal(0.4, 1, n)
    result = stats.permutation_test(
        (differences,), lambda x: np.sum(x), permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip_p(differences) == pytest.approx(result.pvalue)


def test_p_of_many_sentences_is_near_the_exact_one() -> None:
    stats = pytest.importorskip("scipy.stats")
    differences = np.random.default_rng(1).normal(0.35, 1, 16)
    result = stats.permutation_test(
        (differences,), lambda x: np.sum(x), permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip_p(differences) == pytest.approx(result.pvalue, abs=0.005)


def test_drawn_p_is_never_zero_and_repeats() -> None:
    differences = np.full(40, 1.0)
    assert 0 < sign_flip_p(differences) < 1e-3
    mixed = np.random.default_rng(2).normal(size=40)
    assert sign_flip_p(mixed) == sign_flip_p(mixed)


def test_p_is_uniform_where_systems_are_alike() -> None:
    random = np.random.default_rng(4)
    found = np.array([sign_flip_p(random.normal(size=10)) for _ in range(400)])
    assert np.mean(found < 0.05) == pytest.approx(0.05, abs=0.03)


def test_difference_of_pooled_rates_weighs_sentences_by_their_words() -> None:
    errors, other, words = np.array([2.0, 0.0]), np.array([0.0, 1.0]), np.array([4.0, 16.0])
    found = paired(errors - other, words)
    assert found.difference.value == pytest.approx(2 / 20 - 1 / 20)
    assert (found.difference.low, found.difference.high) == (-1 / 16, 2 / 4)
    assert found.sentences == 2


def test_same_values_make_no_difference() -> None:
    found = paired(np.zeros(20))
    assert found.difference == Estimate(0, 0, 0)
    assert not found.decided


@pytest.mark.parametrize(
    ("low", "high", "p", "decided"),
    [(0.1, 0.9, 0.01, True), (-0.9, -0.1, 0.01, True), (-0.1, 0.9, 0.01, False),
     (0.1, 0.9, 0.2, False)],
)  # fmt: skip
def test_interval_and_test_must_agree(low: float, high: float, p: float, decided: bool) -> None:
    assert Paired(Estimate((low + high) / 2, low, high), p, 10).decided is decided
