"""No regular expression of the distribution takes more than linear time, whatever comes in."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from math import inf
from pathlib import Path
from time import thread_time

import pytest

from tests.patterns.probes import largest_bound, probes

ROOT = Path(__file__).parents[2]
SIZE, TIMES = 4_000, 4  # characters, and how many times as many are tried, too
BRIEF_S = 0.01  # of the processor, for the longer text: linear, whatever the machine
MOST_S = 1.0  # after which a use is given up: a linear one takes less by far
TRIES = 3
HIGHEST_BOUND = 2_000  # of a repeat: beyond it, bounded is no better than unbounded
GROWTH = 8.0  # of the time from one to the other: 4 is linear, 16 quadratic

Use = Callable[[str], object]


class TooSlowError(Exception):
    """A use took `MOST_S`."""


def give_up(*_: object) -> None:
    raise TooSlowError


def seconds(use: Use, text: str) -> float:
    """Processor time of a use, `inf` if it was given up; `re` looks for signals as it matches."""
    before = signal.signal(signal.SIGPROF, give_up)
    begun_s = thread_time()
    try:
        signal.setitimer(signal.ITIMER_PROF, MOST_S)
        with suppress(TooSlowError):
            use(text)
            return thread_time() - begun_s
        return inf
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def growth(pattern: re.Pattern[str], anchored: bool) -> tuple[float, str]:
    """The ratio of times of a text and a longer one, the first above `GROWTH` or else 0, and how
    the text begins."""
    assert largest_bound(pattern) <= HIGHEST_BOUND
    # `fullmatch` tries at least what `match` tries; `finditer` what `search` in vain or `sub` does.
    uses: list[Use] = [pattern.fullmatch]
    if not anchored:
        uses.append(lambda text: sum(1 for _ in pattern.finditer(text)))
    for text, longer in zip(probes(pattern, SIZE), probes(pattern, TIMES * SIZE), strict=True):
        for use in uses:
            spent_s = seconds(use, longer)
            if spent_s == inf:
                return inf, text[:40]
            if spent_s < BRIEF_S:
                continue
            least, most = (min(seconds(use, one) for _ in range(TRIES)) for one in (text, longer))
            if (ratio := most / least) >= GROWTH:
                return ratio, text[:40]
    return 0.0, ""


@pytest.mark.parametrize(
    ("options", "least"),
    [((), 130), pytest.param(("--late",), 600, marks=pytest.mark.full)],
    ids=["import", "late"],
)
def test_time_is_linear_in_the_text(options: tuple[str, ...], least: int) -> None:
    command = [sys.executable, "-m", "tests.patterns.distribution", *options]
    patterns = json.loads(subprocess.check_output(command, cwd=ROOT, text=True))
    assert len(patterns) > least
    for pattern, flags, where, anchored in patterns:
        ratio, text = growth(re.compile(pattern, flags), anchored)
        assert ratio < GROWTH, f"{where}: {pattern} takes {ratio:.2f} times as long on {text!r}"


@pytest.mark.parametrize(
    ("pattern", "anchored", "linear"),
    [
        (r"[0-9]*\.?[0-9]+x", True, False),
        (r"(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)x", True, True),
        (r"(a+)+b", True, False),
        (r"(?:a|a)*b", True, False),
        (r"\s+$", False, False),
        (r"\s+$", True, True),
        (r"(?<!\s)\s+$", False, True),
        (r"a{1,40}b", False, True),
        (r"(.*)-.*\1", True, False),
        (r"(?>a*)(?!a)b?", True, True),
        (r"a++[^b]", True, True),
        (r"\((?![^)]*[^\W\d_]{4})[\w +*/^-]{1,12}\)", False, False),
        (r"\((?![^)]{0,12}[^\W\d_]{4})[\w +*/^-]{1,12}\)", False, True),
    ],
)
def test_superlinear_patterns_are_found(pattern: str, anchored: bool, linear: bool) -> None:
    ratio, _ = growth(re.compile(pattern), anchored)
    assert (ratio < GROWTH) is linear
