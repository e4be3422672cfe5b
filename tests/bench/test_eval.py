"""Tables of a comparison whose outcome is known."""

from __future__ import annotations

import numpy as np
import pytest

from dlpo_bench.clips import Clip
from dlpo_bench.eval import (
    figures,
    verdict,
)
from dlpo_bench.judging import (
    CHARACTER_ERRORS,
    WORD_ERRORS,
    JudgePanel,
    Quality,
    SystemScores,
    Take,
)
from dlpo_bench.statistics import Estimate, Paired

CLIPS = [Clip(f"clip-{i}", "one two three four", None) for i in range(10)]


def heard(mos: float, errors: float) -> SystemScores:
    """Judged `mos`, a little lower from clip to clip, with so many errors a clip."""
    values = {"MOS": mos - 0.01 * np.arange(10), "seconds": np.full(10, 5.0)}
    return SystemScores([Take(values, {}, {WORD_ERRORS: np.full(10, errors)})])


@pytest.fixture
def quality() -> Quality:
    systems = {"recordings": heard(4.5, 0), "before": heard(3.5, 1), "a|b": heard(3.8, 2)}
    return Quality(CLIPS, systems, JudgePanel([], {}, {}), "before", [], [], True)


@pytest.mark.parametrize(
    ("measure", "value", "expected"),
    [
        ("DistillMOS", 0.3, "better"),
        ("DistillMOS", -0.3, "worse"),
        (WORD_ERRORS, 0.3, "worse"),
        (f"{CHARACTER_ERRORS}, base", -0.3, "better"),
        ("seconds", 0.3, "higher"),
        ("level, dB", -0.3, "lower"),
    ],
)
def test_verdict_knows_which_way_is_better(measure: str, value: float, expected: str) -> None:
    found = Paired(Estimate(value, value - 0.1, value + 0.1), 0.01, 10)
    assert verdict(measure, found) == expected
    assert verdict(measure, Paired(found.difference, 0.2, 10)) == "undecided"


def test_record_holds_what_the_table_says(quality: Quality) -> None:
    difference = figures(quality)["a|b"]["MOS"]["difference"]
    assert difference["from"] == "before"
    assert difference["value"] == pytest.approx(0.3)
    assert (difference["p"], difference["sentences"]) == (2 / 1024, 10)
    assert difference["verdict"] == "better"
    assert "difference" not in figures(quality)["before"]["MOS"]
