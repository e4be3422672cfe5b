"""Timing in turns: what is compared is measured alternately, so that a slow moment hits all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import median_abs_deviation

TURN_S = 0.04  # of one contestant; it runs at least once
MOST_RUNS = 50  # in a turn

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


def take_turns(
    runs: Mapping[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.process_time,
    tell: Tell = silent,
) -> dict[str, Spread]:
    """Time every contestant in every round; the quickest run of each turn, in ms.

    A turn begins with a run that does not count: the caches are the predecessor's.

    Args:
        runs: name -> what to time.
        rounds: how many turns each has.
        clock: seconds. That of the process measures what one core needs, also where it was shared
            meanwhile, and counts every thread of a library that takes more than one; on a core
            of its own it agrees with the clock on the wall.
    """
    samples: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds):
        tell(f"round {number + 1} of {rounds}")
        for name in rotated(list(runs), number):
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
