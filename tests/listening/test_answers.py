"""What is an answer and what is none, and files with both."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from dlpo.errors import DataError, InputError
from dlpo_bench.listening.answers import parse_answer, read_answers


@pytest.fixture
def answer(ballot: Any) -> Any:
    return ballot.answer(ballot.of_kind("pair")[0], "a")


def test_what_was_liked_does_not_depend_on_what_was_heard_first(ballot: Any) -> None:
    for trial in ballot.of_kind("pair"):
        for liked in ("a", "b", "same"):
            for a_first in (True, False):
                answer = ballot.answer(trial, liked, a_first=a_first)
                assert answer.liked(trial) == liked


def test_an_answer_is_read_as_it_was_written(ballot: Any, answer: Any) -> None:
    odd = replace(answer, rater='Ünï "code" 🎧 \\')

    assert parse_answer(odd.to_json().encode(), ballot.key) == odd
    assert odd.to_json().count("\n") == 1


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("test", "0123456789abcdef", "this is"),
        ("trial", "0123456789abcdef", "trial '0123456789abcdef' is unknown"),
        ("trial", "", "is unknown"),
        ("first", "../../key", "expected a sound of this trial"),
        ("choice", "third", "choice"),
        ("choice", None, "choice"),
        ("session", "../" * 10 + "ab", "session"),
        ("session", "A" * 32, "session"),
        ("rater", "x" * 81, "rater"),
        ("rater", "two\nlines", "printable"),
        ("revision", 0, "revision"),
        ("revision", 10**9, "revision"),
        ("revision", True, "revision"),
        ("revision", 1.5, "revision"),
        ("plays_first", -1, "plays_first"),
        ("plays_second", "1", "plays_second"),
        ("utc", "yesterday", "utc"),
        ("utc", "2026-01-31T12:00:00." + "1" * 100 + "Z", "utc"),
        ("extra", 1, "extra"),
    ],
)
def test_what_is_no_answer_is_refused(
    ballot: Any, answer: Any, field: str, value: object, told: str
) -> None:
    with pytest.raises(InputError, match=told):
        parse_answer(json.dumps({**asdict(answer), field: value}).encode(), ballot.key)


def test_damaged_lines_are_told_and_the_others_kept(
    folder: Path, ballot: Any, answer: Any, tmp_path: Path
) -> None:
    bad = replace(answer, choice="both")
    lines = [answer.to_json(), '{"test": "' + "\n", "\n", bad.to_json(), "[" * 100_000 + "\n"]
    content = "".join(lines).encode() + b"\xff\xfe\n" + answer.to_json()[:50].encode()
    sent = tmp_path / "sent.jsonl"
    sent.write_bytes(content)

    found = read_answers(folder, ballot.key, [sent])

    assert found.answers == (answer,)
    places = [problem.split(": ")[0] for problem in found.problems]
    assert places == [f"{sent}:{number}" for number in (2, 4, 5, 6, 7)]
    assert "choice" in found.problems[1]


def test_the_highest_revision_counts_wherever_it_lies(
    folder: Path, ballot: Any, answer: Any, tmp_path: Path
) -> None:
    changed = replace(answer, choice="same", revision=2)
    (folder / "answers").mkdir()
    (folder / "answers" / f"{answer.session}.jsonl").write_text(
        changed.to_json() + answer.to_json()
    )
    (tmp_path / "sent.jsonl").write_text(answer.to_json())

    found = read_answers(folder, ballot.key, [tmp_path / "sent.jsonl"])

    assert (found.answers, found.problems) == ((changed,), ())


def test_answers_to_another_test_are_refused(
    folder: Path, ballot: Any, answer: Any, tmp_path: Path
) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text(answer.to_json() + replace(answer, test="f" * 16, choice="both").to_json())

    with pytest.raises(DataError, match=f"test 'ffffffffffffffff'; this is {ballot.key.test_id}"):
        read_answers(folder, ballot.key, [other])
    with pytest.raises(DataError, match="can't be read"):
        read_answers(folder, ballot.key, [tmp_path / "gone.jsonl"])
