"""Answers of raters: what one looks like, and all that a test has so far."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from dlpo.errors import DataError, InputError
from dlpo_bench.listening.key import ANSWERS, Key, Trial

Choice = Literal["first", "second", "same"]
RATER_LENGTH = 80  # characters
MAX_REVISIONS = 1_000  # of one answer
MAX_PLAYS = 100_000

_SESSION = re.compile(r"[0-9a-f]{32}")
_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a rater said about one trial; a line of JSON with these keys."""

    test: str
    """Id of the test."""
    session: str
    """The sitting, 32 hexadecimal digits."""
    rater: str
    """A name of their choice, or empty."""
    trial: str
    """Id of the trial."""
    first: str
    """Name of the sound that was called A."""
    choice: Choice
    """A, B or no difference."""
    revision: int
    """From 1; a rater may go back and change an answer, and the highest counts."""
    plays_first: int
    """How often A was started."""
    plays_second: int
    """How often B was started."""
    utc: str
    """When, by the rater's clock, ISO 8601."""

    @property
    def who(self) -> str:
        """The rater's name, or the sitting's where there is none."""
        return self.rater or f"session {self.session}"

    def liked(self, trial: Trial) -> str:
        """ "a", "b", "degraded" or "same"."""
        if self.choice == "same":
            return "same"
        (second,) = trial.sounds.keys() - {self.first}
        return trial.sounds[self.first if self.choice == "first" else second]

    def to_json(self) -> str:
        """The line, with its end."""
        return json.dumps(asdict(self), ensure_ascii=False) + "\n"


def parse_answer(row: Any, key: Key) -> Answer:
    """An answer to this test from decoded JSON that may hold anything.

    Raises:
        InputError: it is none; says what was expected.
    """
    expected = {field.name for field in fields(Answer)}
    if not isinstance(row, dict) or row.keys() != expected:
        raise InputError(f"not an answer; expected an object with {', '.join(sorted(expected))}")
    for name in ("revision", "plays_first", "plays_second"):
        if type(row[name]) is not int:
            raise InputError(f"{name} is {row[name]!r:.40}; expected a whole number")
    for name in expected - {"revision", "plays_first", "plays_second"}:
        if not isinstance(row[name], str):
            raise InputError(f"{name} is {row[name]!r:.40}; expected text")
    if row["test"] != key.test_id:
        raise InputError(f"an answer to the test {row['test']!r:.40}; this is {key.test_id}")
    trial = key.trial(row["trial"])
    if trial is None:
        raise InputError(f"trial {row['trial']!r:.40} is unknown; expected one of this test")
    if row["first"] not in trial.sounds:
        raise InputError(f"first is {row['first']!r:.40}; expected a sound of this trial")
    if row["choice"] not in get_args(Choice):
        raise InputError(f"choice is {row['choice']!r:.40}; expected first, second or same")
    if not _SESSION.fullmatch(row["session"]):
        raise InputError("session is malformed; expected 32 hexadecimal digits")
    if len(row["rater"]) > RATER_LENGTH or not row["rater"].isprintable():
        raise InputError(f"rater is no name; expected at most {RATER_LENGTH} printable characters")
    if not 1 <= row["revision"] <= MAX_REVISIONS:
        raise InputError(f"revision is {row['revision']}; expected 1 to {MAX_REVISIONS}")
    if not all(0 <= row[name] <= MAX_PLAYS for name in ("plays_first", "plays_second")):
        raise InputError(f"plays are out of range; expected 0 to {MAX_PLAYS}")
    if not _UTC.fullmatch(row["utc"]) or len(row["utc"]) > 40:
        raise InputError(f"utc is {row['utc']!r:.40}; expected a time like 2026-01-31T12:00:00Z")
    return Answer(**row)


@dataclass(frozen=True, slots=True)
class Collected:
    """All answers of a test, one for each sitting and trial."""

    answers: tuple[Answer, ...]
    """By the time of the sitting, then in the order of the page."""
    problems: tuple[str, ...]
    """Lines that could not be read, with their place and what is wrong."""


def read_answers(folder: Path, key: Key, more: Sequence[Path] = ()) -> Collected:
    """What the server stored in the folder of a test, and files that raters sent.

    Raises:
        DataError: a file can't be read, or holds answers to another test.
    """
    stored = sorted((folder / ANSWERS).glob("*.jsonl"))
    answers, problems = [], []
    for path in [*stored, *more]:
        found, wrong = read_file(path, key)
        answers += found
        problems += wrong
    return Collected(tuple(_latest(answers, key)), tuple(problems))


def read_file(path: Path, key: Key) -> tuple[list[Answer], list[str]]:
    """The answers of one file, every revision of them, and what is wrong with other lines.

    Raises:
        DataError: it can't be read, or holds answers to another test.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror}); expected answers") from error
    answers, problems = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            other = isinstance(row, dict) and row.get("test", key.test_id) != key.test_id
            if other:
                raise DataError(
                    f"{path} has answers to the test {row['test']!r:.40}; this is {key.test_id}:"
                    " report it with its own test's folder"
                )
            answers.append(parse_answer(row, key))
        except InputError as error:
            problems.append(f"{path}:{number}: {error}")
        except (ValueError, RecursionError) as error:
            problems.append(f"{path}:{number}: not JSON ({error})")
    return answers, problems


def _latest(answers: Iterable[Answer], key: Key) -> list[Answer]:
    """The highest revision for each sitting and trial."""
    latest: dict[tuple[str, str], Answer] = {}
    for answer in answers:
        known = latest.setdefault((answer.session, answer.trial), answer)
        if answer.revision > known.revision:
            latest[answer.session, answer.trial] = answer
    begun: dict[str, str] = {}
    for answer in latest.values():
        begun[answer.session] = min(begun.get(answer.session, answer.utc), answer.utc)
    place = {trial.trial_id: at for at, trial in enumerate(key.trials)}
    return sorted(latest.values(), key=lambda a: (begun[a.session], a.session, place[a.trial]))
