"""The key of a listening test, and the raters' answers: read, checked and stored."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from dlpo.errors import DataError, InputError

FORMAT = 1
KEY = "key.json"
PAGE = "page"
AUDIO = "audio"  # within the page
ANSWERS = "answers"

Kind = Literal["pair", "identical", "degraded"]
DEGRADED = "degraded"  # the made one among the sounds of such a trial
SYSTEMS = ("a", "b")
Choice = Literal["first", "second", "same"]
RATER_LENGTH = 80  # characters
MAX_REVISIONS = 1_000  # of one answer
MAX_PLAYS = 100_000
_SESSION = re.compile(r"[0-9a-f]{32}")
_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
MAX_SESSIONS = 10_000  # files; a page that is open to everybody must not fill the disk


@dataclass(frozen=True, slots=True)
class PairTrial:
    """Two sounds, one question."""

    trial_id: str
    """16 hexadecimal digits at random."""
    kind: Kind
    """A comparison of the systems, or a catch trial: a sound against itself, or against itself
    degraded."""
    clip_id: str
    """Which sentence."""
    text: str
    """The sentence; empty where it is not known."""
    sounds: dict[str, str]
    """Two: name of the wav without its ending, 16 hexadecimal digits at random -> "a", "b" or
    "degraded"."""


@dataclass(frozen=True, slots=True)
class AnswerKey:
    """What the page keeps secret."""

    format: int
    """Version of this layout."""
    test_id: str
    """16 hexadecimal digits; every answer names it."""
    seed: int
    """Of all that was drawn."""
    systems: dict[str, str]
    """"a" and "b" -> the system's name."""
    loudness_lufs: float
    """To which every sound was brought."""
    trials: tuple[PairTrial, ...]
    """In the order of the page; each sitting shuffles it."""

    def trial(self, trial_id: str) -> PairTrial | None:
        """By its name; None without one."""
        return next((trial for trial in self.trials if trial.trial_id == trial_id), None)


def write_key(folder: Path, key: AnswerKey) -> None:
    """Write `key.json`."""
    content = json.dumps(asdict(key), indent=1, ensure_ascii=False)
    (folder / KEY).write_text(content + "\n", "utf-8")


def read_key(folder: Path) -> AnswerKey:
    """The key of the test in that folder.

    Raises:
        DataError: there is none, or it is damaged or of another version.
    """
    path = folder / KEY
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: can't be read ({error}); expected the folder of a test by 'dlpo listen A B'"
        ) from error
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        raise DataError(f"{path}: format is {found!r}; expected {FORMAT}")
    try:
        key = AnswerKey(
            **{**content, "trials": tuple(PairTrial(**trial) for trial in content["trials"])}
        )
        _check(key)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error}); make the test again") from error
    return key


def _check(key: AnswerKey) -> None:
    if set(key.systems) != set(SYSTEMS) or not key.trials:
        raise ValueError("expected systems a and b, and at least one trial")
    for trial in key.trials:
        known: Any = {*SYSTEMS, DEGRADED}
        if trial.kind not in get_args(Kind) or len(trial.sounds) != 2:
            raise ValueError(f"trial {trial.trial_id} is not two sounds of a known kind")
        if not known >= set(trial.sounds.values()):
            raise ValueError(f"trial {trial.trial_id} has sounds of unknown systems")


@dataclass(frozen=True, slots=True)
class RaterAnswer:
    """A rater's answer to one trial; a line of JSON with these keys."""

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

    def liked(self, trial: PairTrial) -> str:
        """ "a", "b", "degraded" or "same"."""
        if self.choice == "same":
            return "same"
        (second,) = trial.sounds.keys() - {self.first}
        return trial.sounds[self.first if self.choice == "first" else second]

    def to_json(self) -> str:
        """The line, with its end."""
        return json.dumps(asdict(self), ensure_ascii=False) + "\n"


def parse_answer(row: Any, key: AnswerKey) -> RaterAnswer:
    """An answer to this test from decoded JSON of any content; raises InputError if it is none."""
    expected = {field.name for field in fields(RaterAnswer)}
    if not isinstance(row, dict) or row.keys() != expected:
        raise InputError(f"not an answer; expected an object with {', '.join(sorted(expected))}")
    for name, value in row.items():
        number = name in ("revision", "plays_first", "plays_second")
        if type(value) is not (int if number else str):
            wanted = "a whole number" if number else "text"
            raise InputError(f"{name} is {value!r:.40}; expected {wanted}")
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
    return RaterAnswer(**row)


@dataclass(frozen=True, slots=True)
class Collected:
    """All answers of a test, one for each sitting and trial."""

    answers: tuple[RaterAnswer, ...]
    """By the time of the sitting, then in the order of the page."""
    problems: tuple[str, ...]
    """Lines that could not be read: place and reason."""


def read_answers(folder: Path, key: AnswerKey, more: Sequence[Path] = ()) -> Collected:
    """Answers that the server stored in the folder of a test, and files that raters sent.

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


def read_file(path: Path, key: AnswerKey) -> tuple[list[RaterAnswer], list[str]]:
    """The answers of one file, every revision of them, and problems of other lines.

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
            if isinstance(row, dict) and row.get("test", key.test_id) != key.test_id:
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


def _latest(answers: Iterable[RaterAnswer], key: AnswerKey) -> list[RaterAnswer]:
    """The highest revision for each sitting and trial."""
    latest: dict[tuple[str, str], RaterAnswer] = {}
    begun: dict[str, str] = {}
    for answer in answers:
        known = latest.setdefault((answer.session, answer.trial), answer)
        if answer.revision > known.revision:
            latest[answer.session, answer.trial] = answer
    for answer in latest.values():
        begun[answer.session] = min(begun.get(answer.session, answer.utc), answer.utc)
    place = {trial.trial_id: at for at, trial in enumerate(key.trials)}
    return sorted(latest.values(), key=lambda a: (begun[a.session], a.session, place[a.trial]))


class AnswerStore:
    """One file of JSON lines a sitting, only ever appended to. May be used by many threads."""

    def __init__(self, folder: Path, key: AnswerKey, max_sessions: int = MAX_SESSIONS) -> None:
        """`folder`: of the test, whose `answers` is made where it is missing.

        Raises:
            InputError: it can't be made.
        """
        self._directory = folder / ANSWERS
        self._key = key
        self._max_sessions = max_sessions
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, RaterAnswer]] = {}  # session -> trial -> latest
        try:
            self._directory.mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(f"can't make {self._directory}: {error.strerror}") from error

    def add(self, answer: RaterAnswer) -> bool:
        """Store an answer, or find that it is stored already.

        Returns:
            Whether a line was written. An answer that is there, or that a later revision has
            replaced, writes none: clients repeat what they got no reply to.

        Raises:
            InputError: another answer has this revision, or there are too many sittings.
            OSError: it is not on the disk; nothing of it is.
        """
        with self._lock:
            latest = self._session(answer.session)
            known = latest.get(answer.trial)
            if known == answer or (known and known.revision > answer.revision):
                return False
            if known and known.revision == answer.revision:
                raise InputError(
                    f"revision {answer.revision} of this answer is stored and differs;"
                    " expected a higher revision"
                )
            self._append(self._path(answer.session), answer.to_json().encode())
            latest[answer.trial] = answer
            self._known[answer.session] = latest
            return True

    def _path(self, session: str) -> Path:
        return self._directory / f"{session}.jsonl"  # 32 hexadecimal digits, see `parse_answer`

    def _session(self, session: str) -> dict[str, RaterAnswer]:
        if session in self._known:
            return self._known[session]
        latest: dict[str, RaterAnswer] = {}
        path = self._path(session)
        if path.exists():
            for answer in read_file(path, self._key)[0]:
                if answer.trial not in latest or answer.revision > latest[answer.trial].revision:
                    latest[answer.trial] = answer
        elif sum(1 for _ in self._directory.glob("*.jsonl")) >= self._max_sessions:
            raise InputError(f"{self._max_sessions} sittings are stored; this test takes no more")
        return latest

    def _append(self, path: Path, line: bytes) -> None:
        """Write a line and wait until it is on the disk; on failure the file is as it was."""
        is_new = not path.exists()
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
        try:
            size = os.fstat(file).st_size
            if size and os.pread(file, 1, size - 1) != b"\n":
                line = b"\n" + line  # the process before was killed within a line
            try:
                written = 0
                while written < len(line):
                    written += os.write(file, line[written:])
                os.fsync(file)
            except OSError:
                os.ftruncate(file, size)
                raise
        finally:
            os.close(file)
        if is_new:
            directory = os.open(self._directory, os.O_RDONLY)
            try:
                os.fsync(directory)  # the name, too
            finally:
                os.close(directory)
