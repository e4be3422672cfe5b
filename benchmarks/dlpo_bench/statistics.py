"""Intervals and tests over sentences: bootstrap, pooled rates, paired comparison.

Timings are taken in turns, so that a slow moment affects all contestants.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

RESAMPLES = 2_000
CONFIDENCE = 0.95
PATTERNS = 20_000  # of signs; all 2^n are tried if there are fewer
SIGNIFICANT = 0.05
SEED = 0  # of all random draws

Indices = NDArray[np.intp]
Values = NDArray[np.floating[Any]] | NDArray[np.integer[Any]]
Tell = Callable[[str], None]
"""Receives progress lines."""


def silent(line: str) -> None:
    """Show no progress."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % percentile interval."""

    value: float
    low: float
    high: float

    @property
    def figure(self) -> dict[str, Any]:
        """In the form that records use: `value` and `interval_95`."""
        return {"value": self.value, "interval_95": [self.low, self.high]}


@dataclass(frozen=True, slots=True)
class Paired:
    """How much one system exceeds another, sentence by sentence."""

    difference: Estimate
    """mean difference and its 95 % bootstrap interval over sentences"""
    p: float
    """probability of a difference at least as large, in either direction, if both were alike"""
    sentences: int
    """number of sentences that both were judged on"""

    @property
    def decided(self) -> bool:
        """The interval excludes zero and the test agrees: with few sentences the interval alone
        is too narrow."""
        away = self.difference.low > 0 or self.difference.high < 0
        return away and self.p < SIGNIFICANT


def bootstrap(statistic: Callable[[Indices], NDArray[np.float64]], clips: int) -> Estimate:
    """Resample clips with replacement, 2,000 times.

    Args:
        statistic: (R, clips) indices of R resamples -> (R,) figures. Figures of several systems
            from the same indices are paired. Resamples without a finite figure are left out.
        clips: number of clips.
    """
    value = float(statistic(np.arange(clips)[None])[0])
    if clips < 2:  # nothing to resample
        return Estimate(value, value, value)
    with np.errstate(invalid="ignore"):  # infinite figures, in a standard error that is not used
        drawn = stats.bootstrap(
            (np.arange(clips),), lambda chosen, axis: statistic(np.atleast_2d(chosen)),
            n_resamples=RESAMPLES, vectorized=True, method="percentile", rng=SEED,
        ).bootstrap_distribution  # fmt: skip
    return of_resamples(value, drawn[np.isfinite(drawn)])


def of_resamples(value: float, drawn: NDArray[np.float64]) -> Estimate:
    """A figure with the interval of its resampled values."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Estimate(value, float(low), float(high))


def mean(values: Values) -> Estimate:
    """The mean over clips of (clips,) values."""
    return bootstrap(lambda chosen: values[chosen].mean(axis=1), len(values))


def ratio_of_sums(over: Values, under: Values) -> Estimate:
    """sum(over) / sum(under) of (clips,) values each, e.g. pooled errors / pooled words.

    Resamples whose sum(under) is 0 are left out.
    """

    def ratios(chosen: Indices) -> NDArray[np.float64]:
        divisor = under[chosen].sum(axis=1)
        found = np.full(len(chosen), np.inf)
        np.divide(over[chosen].sum(axis=1), divisor, out=found, where=divisor != 0)
        return found

    return bootstrap(ratios, len(over))


def paired(differences: Values, weights: Values | None = None) -> Paired:
    """Compare two systems.

    Args:
        differences: (sentences,) value of one system minus that of the other.
        weights: (sentences,) denominators of the differences; differences of error counts over
            numbers of words give a difference of pooled rates. None is 1 each.
    """
    n = len(differences)
    under = np.ones(n) if weights is None else weights
    return Paired(ratio_of_sums(differences, under), sign_flip_p(differences), n)


def sign_flip_p(differences: Values) -> float:
    """Two-sided p of the sign-flip permutation test.

    If two systems are alike, each difference could equally have the opposite sign: p is the share
    of sign patterns whose sum is at least as far from zero. Exact for up to 14 sentences; otherwise
    sampled, counting the observed pattern, so that p is never 0.

    Reference: Phipson and Smyth, Permutation P-values Should Never Be Zero, 2010.
    """
    if len(differences) < 2:
        return 1.0
    test = stats.permutation_test(
        (differences,), lambda flipped, axis: np.abs(flipped.sum(axis)),
        permutation_type="samples", vectorized=True, n_resamples=PATTERNS,
        alternative="greater", rng=SEED,
    )  # fmt: skip
    return float(test.pvalue)


def rotated(names: Sequence[str], number: int) -> list[str]:
    """The order of a round: each starts with another name, so that none always follows another."""
    first = number % max(1, len(names))
    return [*names[first:], *names[:first]]
