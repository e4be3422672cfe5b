"""Answers on disk: once each, whole or not at all."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dlpo.errors import InputError
from dlpo_bench.listening.answers import AnswerStore, read_answers


@pytest.fixture
def answer(ballot: Any) -> Any:
    return ballot.answer(ballot.of_kind("pair")[0], "a")


@pytest.fixture
def store(folder: Path, ballot: Any) -> AnswerStore:
    return AnswerStore(folder, ballot.key)


def lines(folder: Path) -> list[str]:
    files = sorted((folder / "answers").iterdir())
    return [line for path in files for line in path.read_text().splitlines(keepends=True)]


def test_an_answer_is_stored_once_however_often_it_is_sent(
    folder: Path, ballot: Any, store: AnswerStore, answer: Any
) -> None:
    assert store.add(answer)
    assert not store.add(answer)
    assert not AnswerStore(folder, ballot.key).add(answer)  # nor after a new start
    assert lines(folder) == [answer.to_json()]


def test_a_changed_answer_is_added_and_a_late_old_one_is_not(
    folder: Path, ballot: Any, store: AnswerStore, answer: Any
) -> None:
    changed = replace(answer, choice="same", revision=2)

    assert store.add(changed)
    assert not store.add(answer)
    with pytest.raises(InputError, match="higher revision"):
        store.add(replace(changed, choice="second"))
    assert read_answers(folder, ballot.key).answers == (changed,)


def test_each_sitting_has_its_own_file(folder: Path, ballot: Any, store: AnswerStore) -> None:
    sittings = [ballot.sitting(n, f"r{n}", ["a", "b", "same"]) for n in range(12)]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(store.add, [answer for one in sittings for answer in one]))

    names = {path.name for path in (folder / "answers").iterdir()}
    assert names == {f"{n:032x}.jsonl" for n in range(12)}
    found = read_answers(folder, ballot.key)
    assert set(found.answers) == {answer for one in sittings for answer in one}
    assert found.problems == ()


def test_a_full_disk_leaves_the_file_as_it_was(
    folder: Path, store: AnswerStore, ballot: Any, answer: Any, monkeypatch: pytest.MonkeyPatch
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


def test_a_line_that_a_killed_process_began_does_not_spoil_the_next(
    folder: Path, ballot: Any, answer: Any
) -> None:
    (folder / "answers").mkdir()
    path = folder / "answers" / f"{answer.session}.jsonl"
    path.write_text(answer.to_json()[:40])

    AnswerStore(folder, ballot.key).add(answer)

    found = read_answers(folder, ballot.key)
    assert found.answers == (answer,)
    assert len(found.problems) == 1


def test_sittings_are_limited(folder: Path, ballot: Any, answer: Any) -> None:
    store = AnswerStore(folder, ballot.key, max_sessions=2)
    for n in (1, 2):
        store.add(replace(answer, session=f"{n:032x}"))

    with pytest.raises(InputError, match="takes no more"):
        store.add(replace(answer, session=f"{3:032x}"))
    assert store.add(replace(answer, session=f"{2:032x}", revision=2))
