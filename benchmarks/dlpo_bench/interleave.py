"""Timing in turns: what is compared is measured side by side, so that a slow moment hits all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import median_abs_deviation

TURN_S = 0.04  # of one contestant; it runs at least once
MOST_RUNS = 50  # in a turn


@dataclass(frozen=True, slots=True)
class Spread:
    """Times of one contestant; a sample is the quickest run of a turn."""

    samples_ms: tuple[float, ...]

    @property
    def least_ms(self) -> float:
        """The quickest."""
        return min(self.samples_ms)

    @property
    def median_ms(self) -> float:
        """The median of the turns."""
        return float(np.median(self.samples_ms))

    @property
    def deviation_ms(self) -> float:
        """Median absolute deviation from the median."""
        return float(median_abs_deviation(self.samples_ms))


def take_turns(
    runs: Mapping[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.process_time,
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Spread]:
    """Time every contestant in every round.

    A turn begins with a run that does not count: the caches are the predecessor's.

    Args:
        runs: name -> what to time.
        rounds: how many turns each has.
        clock: seconds. That of the process says what one core needs, also where it was shared
            meanwhile, and counts every thread of a library that takes more than one; on a core
            of its own it agrees with the clock on the wall.
        tell: takes lines on the progress.
    """
    samples: dict[str, list[float]] = {name: [] for name in runs}
    names = list(runs)
    for number in range(rounds):
        tell(f"round {number + 1} of {rounds}")
        first = number % max(1, len(names))  # so that nobody always follows the same
        for name in names[first:] + names[:first]:
            samples[name].append(1e3 * _turn(runs[name], clock))
    return {name: Spread(tuple(found)) for name, found in samples.items()}


def _turn(run: Callable[[], object], clock: Callable[[], float]) -> float:
    """Seconds of the quickest run of a turn."""
    run()
    begin = clock()
    least = float("inf")
    for _ in range(MOST_RUNS):
        before = clock()
        run()
        now = clock()
        least = min(least, now - before)
        if now - begin >= TURN_S:
            break
    return least
