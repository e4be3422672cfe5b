"""The key of a listening test, and the raters' answers: reading and checking them."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from dlpo.config.fields import As, Range
from dlpo.config.strict import After, from_dict, like
from dlpo.errors import ConfigError, DataError, InputError, reading

KEY = "key.json"
PAGE = "page"
AUDIO = "audio"  # in the page's folder

SYSTEMS = ("a", "b")
Choice = Literal["first", "second", "same"]
Sound = Annotated[str, As(Literal["a", "b"])]
Systems = Annotated[dict[str, str], After("a and b", lambda two: two.keys() == {*SYSTEMS})]
Name = Annotated[
    str,
    After("at most 80 printable characters", lambda name: name[80:] == "" and name.isprintable()),
]
Plays = Annotated[int, Range(ge=0, le=100_000)]
UTC = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|\+00:00)"
LINK = re.compile(rb"#answers=([A-Za-z0-9_-]+)")  # base64 of deflated lines, made by answers.js
MAX_LINK_BYTES = 1_000_000  # of its lines


class OtherTestError(InputError):
    """An answer to another test."""


@dataclass(frozen=True, slots=True)
class PairTrial:
    """Two sounds and one question."""

    trial_id: str
    """16 random hexadecimal digits."""
    clip_id: str
    """Id of the sentence."""
    text: str
    """Its text; empty if unknown."""
    sounds: Annotated[dict[str, Sound], After("two sounds", lambda two: len(two) == 2)]
    """Two entries: wav name without its suffix, 16 random hexadecimal digits -> "a" or "b"."""


@dataclass(frozen=True, slots=True)
class AnswerKey:
    """The secret part of a test, kept from the page."""

    format: Literal[2]
    """Version of this layout."""
    test_id: str
    """16 hexadecimal digits, repeated in every answer."""
    seed: int
    """Seed of every random draw."""
    systems: Systems
    """"a" and "b" -> system name."""
    loudness_lufs: float
    """Loudness that every sound was brought to."""
    trials: Annotated[tuple[PairTrial, ...], After("trials", len)]
    """In the page's order, which each session shuffles."""


def read_key(folder: Path) -> AnswerKey:
    """Read the key of the test in a folder.

    Raises:
        DataError: it is missing, damaged or of another version.
    """
    path = folder / KEY
    try:
        return from_dict(AnswerKey, json.loads(path.read_bytes()))
    except OSError as error:
        raise DataError(
            f"{path}: can't be read ({error}); expected the folder of a test by 'dlpo listen A B'"
        ) from error
    except (ConfigError, ValueError) as error:
        newer = getattr(error, "where", "").endswith(".format")
        advice = "read it with the dlpo that made it" if newer else "make the test again"
        raise DataError(f"{path} is no key ({error}); {advice}") from error


@dataclass(frozen=True, slots=True)
class RaterAnswer:
    """A rater's answer to one trial, sent as a line of JSON with these keys."""

    test: str
    """Id of the test."""
    session: Annotated[str, like("[0-9a-f]{32}")]
    """The session, 32 hexadecimal digits."""
    rater: Name
    """A printable name chosen by the rater, or empty."""
    trial: str
    """Id of the trial."""
    first: str
    """Name of the sound presented as A."""
    choice: Choice
    """A, B or no difference."""
    revision: Annotated[int, Range(ge=1, le=1_000)]
    """From 1; a rater may go back and change an answer, and the highest revision counts."""
    plays_first: Plays
    """How often A was played."""
    plays_second: Plays
    """How often B was played."""
    utc: Annotated[str, like(UTC)]
    """When, by the rater's clock, ISO 8601."""

    @property
    def who(self) -> str:
        """The rater's name, or the session id if there is none."""
        return self.rater or f"session {self.session}"

    def liked(self, trial: PairTrial) -> str:
        """ "a", "b" or "same"."""
        if self.choice == "same":
            return "same"
        (second,) = trial.sounds.keys() - {self.first}
        return trial.sounds[self.first if self.choice == "first" else second]

    def to_json(self) -> str:
        """The line, with its newline."""
        return json.dumps(asdict(self), ensure_ascii=False) + "\n"


def parse_answer(line: bytes, key: AnswerKey) -> RaterAnswer:
    """Parse an answer from untrusted JSON; raises InputError if it isn't one to this test."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not an answer in JSON ({error})") from error
    if isinstance(row, dict) and row.get("test", key.test_id) != key.test_id:
        raise OtherTestError(f"an answer to the test {row['test']!r:.40}; this is {key.test_id}")
    try:
        answer = from_dict(RaterAnswer, row)
    except ConfigError as error:
        raise InputError(f"not an answer ({error})") from error
    trial = next((one for one in key.trials if one.trial_id == answer.trial), None)
    if trial is None:
        raise InputError(f"trial {answer.trial!r:.40} is unknown; expected one of this test")
    if answer.first not in trial.sounds:
        raise InputError(f"first is {answer.first!r:.40}; expected a sound of this trial")
    return answer


@dataclass(frozen=True, slots=True)
class Collected:
    """All answers of a test, one per session and trial."""

    answers: tuple[RaterAnswer, ...]
    """By the time of the session, then in the order of the page."""
    problems: tuple[str, ...]
    """Lines that could not be read: place and reason."""


def read_answers(files: Sequence[Path], key: AnswerKey) -> Collected:
    """Read the answers that raters sent as files, or as links in a text file.

    Raises:
        DataError: a file can't be read, or holds answers to another test.
    """
    answers, unread = list[RaterAnswer](), list[str]()
    for path in files:
        with reading(path, "answers"):
            lines = path.read_bytes().split(b"\n")
        for number, line in enumerate(lines, 1):
            try:
                answers += [parse_answer(one, key) for one in _sent(line)]
            except OtherTestError as error:
                raise DataError(f"{path}: {error}: report it with its own test's folder") from error
            except InputError as error:
                unread.append(f"{path}:{number}: {error}")
    return Collected(tuple(_latest(answers, key)), tuple(unread))


def _sent(line: bytes) -> list[bytes]:
    """The answers of a line: none, itself, or those of the link that the page made of them.

    Raises:
        InputError: the link is damaged.
    """
    if (link := LINK.search(line)) is None:
        return [line] if line.strip() else []
    packed = link[1] + b"=" * (-len(link[1]) % 4)
    try:
        reader = zlib.decompressobj(-zlib.MAX_WBITS)
        lines = reader.decompress(base64.urlsafe_b64decode(packed), MAX_LINK_BYTES)
    except (ValueError, zlib.error) as error:
        raise InputError(f"a damaged link ({error}); ask for the file instead") from error
    if not reader.eof:
        raise InputError("the link ends early or is too long; ask for the file instead")
    return lines.splitlines()


def _latest(answers: Iterable[RaterAnswer], key: AnswerKey) -> list[RaterAnswer]:
    """The highest revision per session and trial."""
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
