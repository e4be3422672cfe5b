"""What is an answer and what is none, in the files and links that raters send."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from dlpo.errors import DataError, InputError
from dlpo_bench.listening.answers import RaterAnswer, parse_answer, read_answers
from tests.listening.conftest import Ballot


def test_an_answer_is_read_as_it_was_written(ballot: Ballot, answer: RaterAnswer) -> None:
    odd = replace(answer, rater='Ünï "code" 🎧 \\')

    assert parse_answer(odd.to_json().encode(), ballot.key) == odd
    assert odd.to_json().count("\n") == 1


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("test", "0123456789abcdef", "this is"),
        ("trial", "0123456789abcdef", "trial '0123456789abcdef' is unknown"),
        ("first", "../../key", "expected a sound of this trial"),
        ("choice", "third", "choice"),
        ("session", "../" * 10 + "ab", "session"),
        ("rater", "x" * 81, "rater"),
        ("rater", "two\nlines", "printable"),
        ("revision", 0, "revision"),
        ("revision", True, "revision"),
        ("plays_first", -1, "plays_first"),
        ("utc", "yesterday", "utc"),
        ("utc", "2026-01-31T12:00:00." + "1" * 100 + "Z", "utc"),
        ("extra", 1, "extra"),
    ],
)
def test_malformed_answers_are_refused(
    ballot: Ballot, answer: RaterAnswer, field: str, value: object, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        parse_answer(json.dumps({**asdict(answer), field: value}).encode(), ballot.key)


def test_damaged_lines_are_reported_and_others_kept(
    ballot: Ballot, answer: RaterAnswer, tmp_path: Path
) -> None:
    bad = replace(answer, choice="both")
    lines = [answer.to_json(), '{"test": "' + "\n", "\n", bad.to_json(), "[" * 100_000 + "\n"]
    content = "".join(lines).encode() + b"\xff\xfe\n" + answer.to_json()[:50].encode()
    sent = tmp_path / "sent.jsonl"
    sent.write_bytes(content)

    found = read_answers([sent], ballot.key)

    assert found.answers == (answer,)
    places = [problem.split(": ")[0] for problem in found.problems]
    assert places == [f"{sent}:{number}" for number in (2, 4, 5, 6, 7)]
    assert "choice" in found.problems[1]


def test_a_link_holds_answers_unless_it_is_damaged(
    ballot: Ballot, answer: RaterAnswer, tmp_path: Path
) -> None:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(answer.to_json().encode()) + packer.flush()
    whole = base64.urlsafe_b64encode(packed).decode().rstrip("=")
    sent = tmp_path / "links.txt"
    sent.write_text(
        f"see https://a.example/p/#answers={whole}\n#answers={whole[:40]}\n#answers=AAAAA\n"
    )

    found = read_answers([sent], ballot.key)

    assert found.answers == (answer,)
    assert [problem.split(": ")[0] for problem in found.problems] == [f"{sent}:2", f"{sent}:3"]


def test_answers_to_another_test_are_refused(
    ballot: Ballot, answer: RaterAnswer, tmp_path: Path
) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text(answer.to_json() + replace(answer, test="f" * 16, choice="both").to_json())

    with pytest.raises(DataError, match=f"test 'ffffffffffffffff'; this is {ballot.key.test_id}"):
        read_answers([other], ballot.key)
    with pytest.raises(DataError, match="can't be read"):
        read_answers([tmp_path / "gone.jsonl"], ballot.key)


def test_the_highest_revision_of_an_answer_counts(
    ballot: Ballot, answer: RaterAnswer, tmp_path: Path
) -> None:
    changed = replace(answer, choice="same", revision=2)
    sent = tmp_path / "sent.jsonl"
    sent.write_text(changed.to_json() + answer.to_json())

    assert read_answers([sent, sent], ballot.key).answers == (changed,)
