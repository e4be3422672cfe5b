"""The key of a listening test: what each trial compares, and which sound is of which system."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from dlpo.errors import DataError

FORMAT = 1
KEY = "key.json"
PAGE = "page"
AUDIO = "audio"  # within the page
ANSWERS = "answers"

Kind = Literal["pair", "identical", "degraded"]
DEGRADED = "degraded"  # the made one among the sounds of such a trial
SYSTEMS = ("a", "b")


@dataclass(frozen=True, slots=True)
class Trial:
    """Two sounds, one question."""

    trial_id: str
    """16 hexadecimal digits at random."""
    kind: Kind
    """A comparison of the systems, or one of two that catch who does not listen: a sound against
    itself, or against itself made worse."""
    clip_id: str
    """Which sentence."""
    text: str
    """The sentence; empty where it is not known."""
    sounds: dict[str, str]
    """Two: name of the wav without its ending, 16 hexadecimal digits at random -> "a", "b" or
    "degraded"."""


@dataclass(frozen=True, slots=True)
class Key:
    """Everything that the page does not tell."""

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
    trials: tuple[Trial, ...]
    """In the order of the page; each sitting shuffles it."""

    def trial(self, trial_id: str) -> Trial | None:
        """The trial of that name, or None."""
        return next((trial for trial in self.trials if trial.trial_id == trial_id), None)


def write_key(folder: Path, key: Key) -> None:
    """Write `key.json`."""
    content = json.dumps(asdict(key), indent=1, ensure_ascii=False)
    (folder / KEY).write_text(content + "\n", "utf-8")


def read_key(folder: Path) -> Key:
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
        key = Key(**{**content, "trials": tuple(Trial(**trial) for trial in content["trials"])})
        _check(key)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error}); make the test again") from error
    return key


def _check(key: Key) -> None:
    if set(key.systems) != set(SYSTEMS) or not key.trials:
        raise ValueError("expected systems a and b, and at least one trial")
    for trial in key.trials:
        known: Any = {*SYSTEMS, DEGRADED}
        if trial.kind not in get_args(Kind) or len(trial.sounds) != 2:
            raise ValueError(f"trial {trial.trial_id} is not two sounds of a known kind")
        if not known >= set(trial.sounds.values()):
            raise ValueError(f"trial {trial.trial_id} has sounds of unknown systems")
