"""Bootstrap intervals over clips: how far a figure would move with other sentences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2_000
CONFIDENCE = 0.95
Indices = NDArray[np.intp]
Values = NDArray[np.floating[Any]] | NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % percentile interval."""

    value: float
    low: float
    high: float

    @property
    def figure(self) -> dict[str, Any]:
        """As records have it: `value` and `interval_95`."""
        return {"value": self.value, "interval_95": [self.low, self.high]}


def bootstrap(
    statistic: Callable[[Indices], NDArray[np.float64]], clips: int, seed: int = 0
) -> Estimate:
    """Resample clips with replacement, 2,000 times.

    Args:
        statistic: (R, clips) indices of R resamples -> (R,) figures. Figures of several systems
            from the same indices are paired. Resamples without a finite figure are left out.
        clips: how many there are.
        seed: of the resampling.

    Reference: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    resamples = np.random.default_rng(seed).integers(clips, size=(RESAMPLES, clips))
    tail = (1 - CONFIDENCE) / 2
    figures = statistic(resamples)
    low, high = np.quantile(figures[np.isfinite(figures)], [tail, 1 - tail])
    return Estimate(float(statistic(np.arange(clips)[None])[0]), float(low), float(high))


def mean(values: Values, seed: int = 0) -> Estimate:
    """The mean over clips of (clips,) values."""
    return bootstrap(lambda chosen: values[chosen].mean(axis=1), len(values), seed)


def ratio_of_sums(over: Values, under: Values, seed: int = 0) -> Estimate:
    """sum(over) / sum(under) of (clips,) values each, e.g. pooled errors / pooled words.

    Resamples whose sum(under) is 0 are left out.
    """

    def ratios(chosen: Indices) -> NDArray[np.float64]:
        divisor = under[chosen].sum(axis=1)
        found = np.full(len(chosen), np.inf)
        np.divide(over[chosen].sum(axis=1), divisor, out=found, where=divisor != 0)
        return found

    return bootstrap(ratios, len(over), seed)
