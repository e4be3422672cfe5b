"""What is an answer and what is none; on disk: once each, whole or not at all."""

from __future__ import annotations

import base64
import errno
import json
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from dlpo.errors import DataError, InputError
from dlpo_bench.listening.answers import AnswerStore, RaterAnswer, parse_answer, read_answers
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
    folder: Path, ballot: Ballot, answer: RaterAnswer, tmp_path: Path
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


def test_a_link_holds_answers_unless_it_is_damaged(
    folder: Path, ballot: Ballot, answer: RaterAnswer, tmp_path: Path
) -> None:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(answer.to_json().encode()) + packer.flush()
    whole = base64.urlsafe_b64encode(packed).decode().rstrip("=")
    sent = tmp_path / "links.txt"
    sent.write_text(
        f"see https://a.example/p/#answers={whole}\n#answers={whole[:40]}\n#answers=AAAAA\n"
    )

    found = read_answers(folder, ballot.key, [sent])

    assert found.answers == (answer,)
    assert [problem.split(": ")[0] for problem in found.problems] == [f"{sent}:2", f"{sent}:3"]


def test_answers_to_another_test_are_refused(
    folder: Path, ballot: Ballot, answer: RaterAnswer, tmp_path: Path
) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text(answer.to_json() + replace(answer, test="f" * 16, choice="both").to_json())

    with pytest.raises(DataError, match=f"test 'ffffffffffffffff'; this is {ballot.key.test_id}"):
        read_answers(folder, ballot.key, [other])
    with pytest.raises(DataError, match="can't be read"):
        read_answers(folder, ballot.key, [tmp_path / "gone.jsonl"])


@pytest.fixture
def store(folder: Path, ballot: Ballot) -> AnswerStore:
    return AnswerStore(folder, ballot.key)


def lines(folder: Path) -> list[str]:
    files = sorted((folder / "answers").iterdir())
    return [line for path in files for line in path.read_text().splitlines(keepends=True)]


def test_an_answer_is_stored_once_however_often_it_is_sent(
    folder: Path, ballot: Ballot, store: AnswerStore, answer: RaterAnswer
) -> None:
    assert store.add(answer)
    assert not store.add(answer)
    assert not AnswerStore(folder, ballot.key).add(answer)  # nor after a new start
    assert lines(folder) == [answer.to_json()]


def test_a_changed_answer_is_added_and_a_late_old_one_is_not(
    folder: Path, ballot: Ballot, store: AnswerStore, answer: RaterAnswer
) -> None:
    changed = replace(answer, choice="same", revision=2)

    assert store.add(changed)
    assert not store.add(answer)
    with pytest.raises(InputError, match="higher revision"):
        store.add(replace(changed, choice="second"))
    assert read_answers(folder, ballot.key).answers == (changed,)


def test_each_sitting_has_its_own_file(folder: Path, ballot: Ballot, store: AnswerStore) -> None:
    sittings = [ballot.sitting(n, f"r{n}", ["a", "b", "same"]) for n in range(12)]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(store.add, [answer for one in sittings for answer in one]))

    names = {path.name for path in (folder / "answers").iterdir()}
    assert names == {f"{n:032x}.jsonl" for n in range(12)}
    found = read_answers(folder, ballot.key)
    assert set(found.answers) == {answer for one in sittings for answer in one}
    assert found.problems == ()


def test_a_full_disk_leaves_the_file_as_it_was(
    folder: Path,
    store: AnswerStore,
    ballot: Ballot,
    answer: RaterAnswer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store.add(answer)
    other = ballot.answer(ballot.of_kind("pair")[1], "b")
    write = os.write

    def full(file: int, content: bytes) -> int:
        if len(content) > 10:
            return write(file, content[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, content: full(file, content[:-1]))
        with pytest.raises(OSError, match="No space left"):
            store.add(other)

    assert lines(folder) == [answer.to_json()]
    assert store.add(other)
    assert lines(folder) == [answer.to_json(), other.to_json()]


def test_half_written_line_does_not_spoil_the_next(
    folder: Path, ballot: Ballot, answer: RaterAnswer
) -> None:
    (folder / "answers").mkdir()
    path = folder / "answers" / f"{answer.session}.jsonl"
    path.write_text(answer.to_json()[:40])

    AnswerStore(folder, ballot.key).add(answer)

    found = read_answers(folder, ballot.key)
    assert found.answers == (answer,)
    assert len(found.problems) == 1


def test_sittings_are_limited(
    folder: Path, ballot: Ballot, answer: RaterAnswer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlpo_bench.listening.answers.MAX_SESSIONS", 2)
    store = AnswerStore(folder, ballot.key)
    for n in (1, 2):
        store.add(replace(answer, session=f"{n:032x}"))

    with pytest.raises(InputError, match="takes no more"):
        store.add(replace(answer, session=f"{3:032x}"))
    assert store.add(replace(answer, session=f"{2:032x}", revision=2))
