"""Timing in turns: what is compared is measured alternately, so that a slow moment hits all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import median_abs_deviation

Tell = Callable[[str], None]
"""Takes a line on the progress."""


def silent(line: str) -> None:
    """Show no progress."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Samples of one contestant, such as its quickest run of each turn in ms."""

    samples: tuple[float, ...]

    @property
    def least(self) -> float:
        return min(self.samples)

    @property
    def median(self) -> float:
        return float(np.median(self.samples))

    @property
    def deviation(self) -> float:
        """Median absolute deviation from the median."""
        return float(median_abs_deviation(self.samples))


def rotated(names: Sequence[str], number: int) -> list[str]:
    """The order of a round: each begins with another name, so that none always follows the same."""
    first = number % max(1, len(names))
    return [*names[first:], *names[:first]]
