"""No regular expression of the distribution takes more than linear time, whatever comes in."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patterns.probes import largest_bound, probes
from tests.patterns.steps import (
    TooManyStepsError,
    steps_of_finditer,
    steps_of_match,
    translated,
)

ROOT = Path(__file__).parents[2]
SIZE = 160  # characters
FEW = 15  # steps per character
MOST = 1_000_000  # steps
HIGHEST_BOUND = 2_000  # of a repeat: beyond it, bounded is no better than unbounded
GROWTH = 2.8  # of the steps when the text is twice as long: 2 is linear, 4 quadratic


def growth(pattern: re.Pattern[str], anchored: bool) -> tuple[float, str]:
    """The highest ratio of steps when a text is twice as long, and the beginning of that text."""
    program, worst = translated(pattern), (0.0, "")
    assert largest_bound(pattern) <= HIGHEST_BOUND
    counts = [steps_of_match] if anchored else [steps_of_match, steps_of_finditer]
    for text, longer in zip(probes(pattern, SIZE), probes(pattern, 2 * SIZE), strict=True):
        for count in counts:
            try:
                steps = count(program, text, MOST)
                ratio = count(program, longer, MOST) / steps if steps > FEW * SIZE else 0.0
            except TooManyStepsError:
                ratio = float("inf")
            worst = max(worst, (ratio, text[:40]))
    return worst


@pytest.mark.parametrize(
    ("options", "least"),
    [((), 130), pytest.param(("--late",), 600, marks=pytest.mark.full)],
    ids=["import", "late"],
)
def test_steps_are_linear_in_the_text(options: tuple[str, ...], least: int) -> None:
    command = [sys.executable, "-m", "tests.patterns.distribution", *options]
    patterns = json.loads(subprocess.check_output(command, cwd=ROOT, text=True))
    assert len(patterns) > least
    for pattern, flags, where, anchored in patterns:
        ratio, text = growth(re.compile(pattern, flags), anchored)
        assert ratio < GROWTH, f"{where}: {pattern} takes {ratio:.2f} times the steps on {text!r}"


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
