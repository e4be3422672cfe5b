"""Counts and intervals, against numbers worked out elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from dlpo_bench.listening.answers import Collected
from dlpo_bench.listening.report import escaped, make_report
from tests.listening.conftest import Ballot


def collected(*sittings: Any, problems: tuple[str, ...] = ()) -> Collected:
    return Collected(tuple(answer for sitting in sittings for answer in sitting), problems)


def test_answers_are_counted_by_system_whatever_was_played_first(ballot: Ballot) -> None:
    report = make_report(
        ballot.key,
        collected(
            ballot.sitting(1, "Ann", ["a", "a", "same"]),
            ballot.sitting(2, "Bob", ["a", "b", "a"]),
        ),
    )

    assert [one.count for one in (report.a, report.b, report.same)] == [4, 1, 1]
    assert (report.a_of_decided.of, report.p_value) == (5, pytest.approx(0.375))
    assert report.raters == ("Ann", "Bob")
    assert report.systems == {"a": "hum", "b": "buzz"}


def test_a_rater_who_comes_twice_is_one_rater(ballot: Ballot) -> None:
    first = ballot.sitting(1, "Ann", ["a", "a", "a"])
    second = ballot.sitting(2, "Ann", ["b", "b"], utc="2026-02-01T12:00:00Z")
    nameless = [ballot.sitting(n, "", ["a", "a", "a"]) for n in (3, 4)]

    report = make_report(ballot.key, collected(first, second, *nameless))

    assert report.raters == ("Ann", f"session {3:032x}", f"session {4:032x}")
    # Of Ann the later sitting where she answered again.
    assert [one.count for one in (report.a, report.b)] == [1 + 2 * 3, 2]


def test_what_raters_sent_becomes_no_markup() -> None:
    assert escaped("f:3: <script>[x](y)") == r"f:3: &lt;script>\[x\](y)"
