"""Counts, intervals and whom to trust, against numbers worked out elsewhere."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from dlpo_bench.listening.answers import Collected
from dlpo_bench.listening.report import make_report, markdown, write_report
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

    counts = [one.count for one in (report.pooled.a, report.pooled.b, report.pooled.same)]
    assert counts == [4, 1, 1]
    assert (report.pooled.a_of_decided.of, report.pooled.p_value) == (5, pytest.approx(0.375))
    assert report.counted == ("Ann", "Bob")
    assert report.systems == {"a": "hum", "b": "buzz"}
    assert report.over_sentences is not None
    assert report.over_sentences.value == pytest.approx(0.8)


def test_raters_who_do_not_listen_are_listed_and_left_out(ballot: Ballot) -> None:
    def always(number: int, rater: str, choice: str) -> Any:
        own = ballot.sitting(number, rater, ["a", "a", "a"])
        return [replace(answer, choice=choice) for answer in own]

    (degraded,) = ballot.of_kind("degraded")
    early = [a for a in ballot.sitting(5, "Eve", ["b"] * 3) if a.trial != degraded.trial_id]
    answers = collected(
        ballot.sitting(1, "Ann", ["b", "b", "b"]),
        always(2, "Same", "same"),
        [
            replace(a, choice="first") if a.trial == ballot.of_kind("identical")[0].trial_id else a
            for a in ballot.sitting(3, "Golden", ["a", "a", "a"])
        ],
        early,
    )

    report = make_report(ballot.key, answers)

    assert report.counted == ("Ann",)
    assert report.left_out == {
        "Same": "found 0 of 1 degraded sounds",
        "Golden": "preferred one of two identical sounds in 1 of 1 trials",
        "Eve": "answered no trial with a degraded sound",
    }
    assert report.pooled.b.count == report.pooled.b.of == 3
    assert make_report(ballot.key, answers, trust_all=True).pooled.b.of == 12
    text = markdown(report)
    assert "1 of 4 raters count" in text
    assert "- Same found 0 of 1 degraded sounds" in text


def test_a_rater_who_comes_twice_is_one_rater(ballot: Ballot) -> None:
    first = ballot.sitting(1, "Ann", ["a", "a", "a"])
    second = ballot.sitting(2, "Ann", ["b", "b"], utc="2026-02-01T12:00:00Z")
    nameless = [ballot.sitting(n, "", ["a", "a", "a"]) for n in (3, 4)]

    report = make_report(ballot.key, collected(first, second, *nameless))

    assert report.counted == ("Ann", f"session {3:032x}", f"session {4:032x}")
    counts = [one.count for one in (report.pooled.a, report.pooled.b)]
    assert counts == [1 + 2 * 3, 2]  # of Ann the later sitting where she answered again


def test_the_report_is_written_for_people_and_programs(folder: Path, ballot: Ballot) -> None:
    sitting = ballot.sitting(1, "Ann", ["a", "same", "same"])
    careless = [
        replace(answer, choice="same") for answer in ballot.sitting(2, "<script>[x](y)", ["a"])
    ]
    report = make_report(ballot.key, collected(sitting, careless, problems=("f:3: not JSON",)))

    write_report(report, folder)

    text = (folder / "report.md").read_text("utf-8")
    assert "| hum | 1 | 33% [1%, 91%] |" in text
    assert "**Undecided**" in text
    assert "1 lines could not be read" in text
    assert "<script>" not in text
    assert r"- &lt;script>\[x\](y) found 0 of 1 degraded sounds" in text
    content = json.loads((folder / "report.json").read_text("utf-8"))
    assert content == json.loads(json.dumps(asdict(report)))
    assert content["pooled"]["a"]["count"] == 1
