"""The report's section on listening tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dlpo_bench.listening.answers import Answer, Choice, Collected
from dlpo_bench.listening.key import Key, Trial
from dlpo_bench.listening.report import make_report
from dlpo_bench.listening.report_text import figures
from dlpo_bench.record import write_record
from dlpo_bench.report.page import Page, make_page

SENTENCES = 12


def judged(test_id: str, for_a: int, for_b: int) -> dict[str, Any]:
    """A test in which a rater preferred A in so many sentences, B in so many, neither in others."""
    trials = tuple(
        Trial(f"t{i}", "pair", f"s{i}", "", {f"{i}a": "a", f"{i}b": "b"}) for i in range(SENTENCES)
    )
    key = Key(1, test_id, 0, {"a": "tuned", "b": "untuned"}, -23.0, trials)
    said: dict[Choice, int] = {"first": for_a, "second": for_b, "same": SENTENCES - for_a - for_b}
    choices = [choice for choice, count in said.items() for _ in range(count)]
    answers = tuple(
        Answer(test_id, "0" * 32, "Ann", f"t{i}", f"{i}a", choice, 1, 1, 1, "2026-01-01T00:00:00Z")
        for i, choice in enumerate(choices)
    )
    return figures(make_report(key, Collected(answers, ())))


def page(folder: Path, *tests: dict[str, Any]) -> Page:
    for test in tests:
        write_record("listening", test, "dlpo listen report DIR", folder)
    return make_page(folder, folder / "page.md")


def test_a_decided_preference_is_told_with_its_interval(tmp_path: Path) -> None:
    made = page(tmp_path, judged("one", for_a=11, for_b=1))
    assert made.problems == []
    assert (
        "| tuned or untuned | 1 of 1 | 12 | 92% [62%, 100%] | 8% [0%, 38%] | 0% [0%, 26%]"
        " | 92% [62%, 100%] | 0.006 | – | tuned |"
    ) in made.text
    svg = made.pictures["preference-of-listeners.svg"]
    assert "+83.33 [+23.04, +99.58] tuned" in svg  # 2 x 91.67 - 100, and so on
    assert 'class="good"' in svg


def test_an_undecided_one_is_said_to_be(tmp_path: Path) -> None:
    made = page(tmp_path, judged("one", for_a=4, for_b=6))
    assert "| 0.754 | – | undecided |" in made.text
    assert "-20.00" in made.pictures["preference-of-listeners.svg"]


def test_where_nobody_preferred_either_there_is_nothing_to_draw(tmp_path: Path) -> None:
    made = page(tmp_path, judged("one", for_a=0, for_b=0))
    assert "| 100% [74%, 100%] | – | – | – | undecided |" in made.text
    assert made.pictures == {}


def test_every_test_is_there_with_its_newest_record(tmp_path: Path) -> None:
    first = write_record("listening", judged("one", 0, 12), "x", tmp_path)
    first.write_text(first.read_text().replace('"utc": "20', '"utc": "19'))  # long ago
    text = page(tmp_path, judged("one", 12, 0), judged("two", 6, 6)).text
    assert text.count("| tuned or untuned |") == 2
    assert "| 12 | 100% [74%, 100%] |" in text
    assert "| 12 | 0% [0%, 26%] |" not in text


def test_figures_of_another_layout_are_told(tmp_path: Path) -> None:
    write_record("latency", {"first_audio_ms_p50": 1.5}, "x", tmp_path)
    (problem,) = page(tmp_path, {"test_id": "one", "systems": {}}).problems
    assert "not those of kind 'listening'" in problem
