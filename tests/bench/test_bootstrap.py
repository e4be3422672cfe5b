from __future__ import annotations

import numpy as np
import pytest

from dlpo_bench.statistics import bootstrap, mean, ratio_of_sums


def test_value_is_the_statistic_of_all_clips_once() -> None:
    assert mean(np.array([1.0, 2.0, 6.0])).value == 3.0
    assert ratio_of_sums(np.array([1, 2]), np.array([4, 8])).value == 0.25


def test_interval_equals_one_computed_clip_by_clip() -> None:
    values = np.random.default_rng(3).normal(4, 0.5, 20)
    generator = np.random.default_rng(0)
    means = sorted(
        sum(values[i] for i in row) / 20 for row in generator.integers(20, size=(2000, 20)).tolist()
    )
    estimate = mean(values)
    # the 2.5 % quantile lies between the order statistics of rank 0.025 * 1999
    assert means[49] <= estimate.low <= means[50]
    assert means[1949] <= estimate.high <= means[1950]


def test_interval_of_a_mean_is_near_the_normal_one() -> None:
    values = np.random.default_rng(1).normal(4, 0.5, 400)
    estimate, error = mean(values), values.std() / np.sqrt(400)
    assert estimate.low == pytest.approx(values.mean() - 1.96 * error, abs=0.1 * error)
    assert estimate.high == pytest.approx(values.mean() + 1.96 * error, abs=0.1 * error)


def test_ratio_of_a_system_to_itself_has_no_spread() -> None:
    errors = np.array([1, 5, 2, 0, 3])
    estimate = ratio_of_sums(errors, errors)
    assert (estimate.value, estimate.low, estimate.high) == (1, 1, 1)


def test_same_seed_same_interval_other_seed_another() -> None:
    values = np.random.default_rng(2).normal(size=15)
    assert mean(values, seed=5) == mean(values, seed=5)
    assert mean(values, seed=5) != mean(values, seed=6)


def test_one_clip_has_an_interval_of_no_width() -> None:
    assert mean(np.array([2.5])).low == mean(np.array([2.5])).high == 2.5


def test_resamples_without_a_ratio_are_left_out() -> None:
    estimate = ratio_of_sums(np.array([1, 1]), np.array([2, 0]))  # (2, 2) of four draws has none
    assert (estimate.value, estimate.low, estimate.high) == (1, 0.5, 1)


def test_statistic_sees_paired_indices() -> None:
    a, b = np.array([1.0, 2, 3]), np.array([2.0, 3, 4])
    difference = bootstrap(lambda chosen: (b[chosen] - a[chosen]).mean(axis=1), 3)
    assert difference.low == difference.high == 1
