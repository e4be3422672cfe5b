"""Where a checkpoint lies on the learning curve: updates and hours, from the logs that led to it.

A list of points is a TOML file; paths are seen from where the command runs:

    [[point]]
    label = "with an adversary"             # one word per point, as tables call it
    checkpoint = "voices/lj/checkpoint"     # a directory; NAME@COMMIT takes it out of git
    log = "voices/lj/log.jsonl@1990fb7"     # of the run, or of its last stretch
    after = "from scratch"                  # the point whose updates and hours came before
    updates = 80                            # of the log, where the checkpoint is not its end
"""

from __future__ import annotations

import json
import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlpo.checkpoint import DESCRIPTION, WEIGHTS
from dlpo.config.strict import from_dict
from dlpo.errors import CheckpointError, ConfigError, DataError
from dlpo_bench.systems import RECORDINGS


@dataclass(frozen=True, slots=True)
class Listed:
    """One point as it stands in the list."""

    label: str
    """how tables call it; others name it in `after`"""
    checkpoint: str
    """directory, or directory@commit"""
    log: str
    """file of JSON lines, or file@commit; what counts is its last stretch, from where it began
    to count updates anew"""
    after: str | None = None
    """label of the point that this one was trained on from; none: from scratch"""
    updates: int | None = None
    """rows of the log up to this update count; all if left out"""


@dataclass(frozen=True, slots=True)
class Placed:
    """One point on the axes."""

    label: str
    after: str | None
    checkpoint: Path
    updates: int
    """from scratch, all stretches together"""
    hours: float
    """by the clock while it learnt, all stretches together"""
    tuned: bool
    """with rewards (`dlpo tune`)"""
    sources: Mapping[str, str]
    """checkpoint and log as listed"""


def read_list(path: Path) -> list[Listed]:
    """The points of a list; each comes behind the one that it goes on from.

    Raises:
        DataError: unreadable, empty, a point without what it needs, or labels that don't fit.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: can't be read ({error}); expected TOML with [[point]]") from error
    rows = content.get("point")
    if not isinstance(rows, list) or not rows or content.keys() != {"point"}:
        raise DataError(
            f"{path}: keys are {sorted(content)}; expected [[point]] alone, once or more"
        )
    try:
        listed = [from_dict(Listed, row) for row in rows]
    except ConfigError as error:
        raise DataError(f"{path}: {error}") from error
    known: set[str] = set()
    for one in listed:
        if one.label in known or one.label == RECORDINGS or "=" in one.label or not one.label:
            raise DataError(
                f"{path}: label {one.label!r}; expected another one for each, without ="
            )
        if one.after is not None and one.after not in known:
            raise DataError(f"{path}: {one.label!r} is after {one.after!r}; no point before it is")
        known.add(one.label)
    return listed


def place(listed: Sequence[Listed], scratch: Path) -> list[Placed]:
    """Add up updates and hours.

    Args:
        listed: from `read_list`.
        scratch: directory for checkpoints that are taken out of git.

    Raises:
        DataError: a log is missing or holds no updates, or git has no such file.
        CheckpointError: a checkpoint is missing or its description can't be read.
    """
    placed: dict[str, Placed] = {}
    for number, one in enumerate(listed):
        directory = _directory(one.checkpoint, scratch / str(number))
        provenance = _provenance(directory)
        tuned = provenance.get("tuned")
        total = (tuned or provenance).get("updates") if one.updates is None else one.updates
        rows = last_stretch(_text(one.log), one.log)
        updates, seconds = length_of(rows, total or None, one.log)
        before = placed[one.after] if one.after is not None else None
        placed[one.label] = Placed(
            one.label,
            one.after,
            directory,
            updates + (before.updates if before else 0),
            seconds / 3600 + (before.hours if before else 0.0),
            bool(tuned),
            {"checkpoint": one.checkpoint, "log": one.log},
        )
    return list(placed.values())


def last_stretch(text: str, name: str) -> list[dict[str, Any]]:
    """The training rows of a log since it last began to count from the start.

    Raises:
        DataError: not JSON lines, or no row of training.
    """
    rows: list[dict[str, Any]] = []
    try:
        for line in text.splitlines():
            row = json.loads(line)
            if row["split"] != "train":
                continue
            if rows and row["update"] <= rows[-1]["update"]:
                rows = []
            rows.append(row)
    except (LookupError, TypeError, ValueError) as error:
        raise DataError(f"{name}: not a run's log ({error}); expected its log.jsonl") from error
    if not rows:
        raise DataError(f"{name}: no row of training; expected the log of a run that learnt")
    return rows


def length_of(
    rows: Sequence[Mapping[str, Any]], checkpoint_updates: int | None, name: str
) -> tuple[int, float]:
    """Updates and seconds of a stretch.

    A row's pace holds for the updates since the row before. What the checkpoint has beyond the last
    row, less than the distance of two rows, was learnt at the last row's pace.

    Raises:
        DataError: a row without its seconds.
    """
    seconds, before, gap = 0.0, 0, 0
    pace = 0.0
    for row in rows:
        update = int(row["update"])
        if checkpoint_updates is not None and before and update > checkpoint_updates:
            break
        gap, pace = update - before, _seconds_per_update(row, name)
        seconds += gap * pace
        before = update
    if checkpoint_updates is not None and 0 < checkpoint_updates - before < gap:
        seconds += (checkpoint_updates - before) * pace
        before = checkpoint_updates
    return before, seconds


def _seconds_per_update(row: Mapping[str, Any], name: str) -> float:
    """Of training as it is logged; of tuning the sum of its parts."""
    if "seconds_per_update" in row:
        return float(row["seconds_per_update"])
    parts = [float(value) for key, value in row.items() if key.startswith("seconds/")]
    if not parts:
        raise DataError(f"{name}: update {row['update']} has no seconds; expected a run's own log")
    return sum(parts)


def _directory(name: str, scratch: Path) -> Path:
    """The checkpoint where it lies, or a copy of the committed one."""
    path, _, commit = name.rpartition("@")
    if not path:
        return Path(name)
    scratch.mkdir(parents=True, exist_ok=True)
    for file in (DESCRIPTION, WEIGHTS):
        (scratch / file).write_bytes(_committed(f"{path}/{file}", commit))
    return scratch


def _provenance(directory: Path) -> Mapping[str, Any]:
    path = directory / DESCRIPTION
    try:
        found: Mapping[str, Any] = json.loads(path.read_text("utf-8"))["provenance"]
    except (OSError, LookupError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{directory}: not a checkpoint ({error}); expected a directory with {DESCRIPTION}"
        ) from error
    return found


def _text(name: str) -> str:
    path, _, commit = name.rpartition("@")
    try:
        return _committed(path, commit).decode() if path else Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{name}: can't be read ({error}); expected a run's log.jsonl") from error


def _committed(path: str, commit: str) -> bytes:
    """A file as a commit has it, seen from this directory."""
    try:
        done = subprocess.run(["git", "show", f"{commit}:./{path}"], capture_output=True)
    except OSError as error:
        raise DataError(f"{path}@{commit}: git can't be run ({error.strerror})") from error
    if done.returncode:
        reason = done.stderr.decode("utf-8", "replace").strip()
        raise DataError(f"{path}@{commit}: {reason}; expected a file of this checkout's history")
    return done.stdout
