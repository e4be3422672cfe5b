"""Places checkpoints on the learning curve: updates and hours, from the logs that led to them.

A list of points is a TOML file; paths are relative to the working directory:

    [[point]]
    label = "with an adversary"             # one word per point, as tables call it
    checkpoint = "voices/spectral/checkpoint"     # a directory; NAME@COMMIT reads it from git
    log = "voices/spectral/joint.jsonl"           # of the run, or of its last stretch
    after = "from scratch"                  # the point whose updates and hours precede it
    updates = 80                            # of the last log, if the checkpoint is not at its end
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from dlpo.bundle import Bundle
from dlpo.checkpoint import DESCRIPTION, WEIGHTS
from dlpo.config.strict import from_dict
from dlpo.errors import CheckpointError, ConfigError, DataError, DlpoError
from dlpo_bench.clips import VALIDATION_SPLIT, Clip, load_clips
from dlpo_bench.compare import MEASURES
from dlpo_bench.eval import figures_of, is_rate, measure_title, samples
from dlpo_bench.judging import (
    ERROR_RATIO,
    JudgePanel,
    Quality,
    evaluate,
)
from dlpo_bench.panel import load_panel
from dlpo_bench.plots import BLUE, ORANGE, Series, draw_panels
from dlpo_bench.plots import PlotPanel as Axes
from dlpo_bench.record import (
    Measured,
    check_recordable,
    write_record,
)
from dlpo_bench.systems import RECORDED, RECORDINGS, SpeakingOptions, open_systems
from dlpo_bench.tables import Block, Table, estimate, number, show
from dlpo_serving.voice_names import DEFAULT_VOICE
from dlpo_serving.voices import find_voice
from research import RECORDS

KIND = "learning-curve"
AXES = {"updates": ("updates, thousands", 1_000.0), "hours": ("hours of training", 1.0)}
LINKS = ((False, "trained", BLUE), (True, "tuned", ORANGE))


@dataclass(frozen=True, slots=True)
class Listed:
    """One point, as written in the list."""

    label: str
    """name in tables, and in `after` of other points"""
    checkpoint: str
    """directory, or directory@commit"""
    log: str
    """files of JSON lines, or file@commit, separated by spaces, if parts were trained apart; only
    the last stretch of each counts, from where the update count restarted at zero"""
    after: str | None = None
    """label of the point that training continued from; empty: from scratch"""
    updates: int | None = None
    """use rows of the last log up to this update count; all if unset"""


@dataclass(frozen=True, slots=True)
class Placed:
    """One point with its coordinates."""

    label: str
    after: str | None
    checkpoint: Path
    updates: int
    """from scratch, summed over all stretches"""
    hours: float
    """wall-clock training time, summed over all stretches"""
    tuned: bool
    """with rewards (`dlpo tune`)"""
    sources: Mapping[str, str]
    """checkpoint and log as listed"""


def read_list(path: Path) -> list[Listed]:
    """Read the points of a list; each is ordered after the one it continues from.

    Raises:
        DataError: unreadable, empty, a point with missing fields, or inconsistent labels.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
        listed = [from_dict(Listed, row) for row in content.pop("point")]
    except (OSError, ValueError, LookupError, TypeError, ConfigError) as error:
        raise DataError(f"{path}: {error}; expected TOML with [[point]]") from error
    if content or not listed:
        raise DataError(f"{path}: {len(listed)} points, then {[*content]}; expected only [[point]]")
    known: set[str] = set()
    for one in listed:
        if one.label in known or one.label == RECORDINGS or "=" in one.label or not one.label:
            raise DataError(f"{path}: label {one.label!r}; expected distinct ones without =")
        if one.after is not None and one.after not in known:
            raise DataError(f"{path}: {one.label!r} is after {one.after!r}; no point before it is")
        known.add(one.label)
    return listed


def place(listed: Sequence[Listed], scratch: Path) -> list[Placed]:
    """Add up updates and hours.

    Args:
        listed: from `read_list`.
        scratch: directory for checkpoints extracted from git.

    Raises:
        DataError: a log is missing or holds no updates, or git has no such file.
        CheckpointError: a checkpoint is missing or its description can't be read.
    """
    placed: dict[str, Placed] = {}
    for index, one in enumerate(listed):
        directory = _directory(one.checkpoint, scratch / str(index))
        provenance = _provenance(directory)
        tuned, (*others, last) = provenance.get("tuned"), one.log.split()
        counted = None if others else (tuned or provenance).get("updates") or None
        total = counted if one.updates is None else one.updates
        ends = [*((log, None) for log in others), (last, total)]
        lengths = [length_of(last_stretch(_text(log), log), end, log) for log, end in ends]
        updates, seconds = (sum(column) for column in zip(*lengths, strict=True))
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
    """The training rows of a log since its count last restarted from the beginning.

    Raises:
        DataError: not JSON lines, or no training row.
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

    A row's pace applies to the updates since the previous row. The updates between the last row and
    the checkpoint, fewer than between two rows, are assumed to run at the last row's pace.

    Raises:
        DataError: a row without its duration.
    """
    seconds = 0.0
    before = 0
    gap = 0
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
    """As logged in training; in tuning the sum of its parts."""
    if "seconds_per_update" in row:
        return float(row["seconds_per_update"])
    parts = [float(value) for key, value in row.items() if key.startswith("seconds/")]
    if not parts:
        raise DataError(f"{name}: update {row['update']} has no seconds; expected a run's own log")
    return sum(parts)


def _directory(name: str, scratch: Path) -> Path:
    """The checkpoint's own directory, or an extracted copy of a committed one."""
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
    """A file as of a commit, relative to the working directory."""
    try:
        done = subprocess.run(["git", "show", f"{commit}:./{path}"], capture_output=True)
    except OSError as error:
        raise DataError(f"{path}@{commit}: git can't be run ({error.strerror})") from error
    if done.returncode:
        reason = done.stderr.decode("utf-8", "replace").strip()
        raise DataError(f"{path}@{commit}: {reason}; expected a file of this checkout's history")
    return done.stdout


def learning_curve(
    points: Sequence[Placed],
    clips: Sequence[Clip],
    panel: JudgePanel,
    speaking: SpeakingOptions,
) -> Measured:
    """Judge every point and the recordings on the same sentences.

    Args:
        points: from `place`.
        clips: sentences with recordings.
        panel: the judges.
        speaking: the chain for all points, and the number of noise seeds.

    Raises:
        CheckpointError, ConfigError, InputError, DataError: see `open_systems`, `evaluate`.
    """
    names = [f"{point.label}={point.checkpoint}" for point in points]
    candidates = [RECORDED, *open_systems(names, speaking)]
    about = {candidate.label: candidate.about for candidate in candidates}
    quality = evaluate({one.label: one.takes for one in candidates}, clips, panel)
    return Measured(figures(points, quality, about), samples(quality, about))


def figures(
    points: Sequence[Placed], quality: Quality, about: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """All points' coordinates, means with 95 % intervals, and differences from the point before."""
    chain = about[points[0].label]
    return {
        "clips": len(quality.clips),
        "seeds": len(quality.scores[points[0].label].takes),
        **{key: chain[key] for key in ("steps", "schedule", "eta")},
        "points": [
            {
                "label": point.label,
                "after": point.after,
                "updates": point.updates,
                "hours": point.hours,
                "tuned": point.tuned,
                **point.sources,
                "measures": figures_of(replace(quality, baseline=point.after), point.label),
            }
            for point in points
        ],
        RECORDINGS: figures_of(replace(quality, baseline=None), RECORDINGS),
    }


def curve_blocks(figures: Mapping[str, Any]) -> list[Block]:
    """A row for each point, in the order of the list."""
    measures = _shown(figures)
    rows = [
        [
            point["label"],
            point["after"] or "scratch",
            number(point["updates"]),
            f"{point['hours']:.1f}",
            *(_cell(measure, point["measures"].get(measure)) for measure in measures),
        ]
        for point in figures["points"]
    ]
    recorded = [_cell(measure, figures[RECORDINGS].get(measure)) for measure in measures]
    rows.append([RECORDINGS, "", "", "", *recorded])
    chain = f"{figures['steps']} steps, {figures['schedule']}, eta {figures['eta']:g}"
    return [
        f"{figures['clips']} validation sentences, {figures['seeds']} noise seeds; {chain}, in"
        " float32. Updates and hours are added up from the logs; a tuning update is not a training"
        " update. **Bold**: decidedly different from the point that it continues.",
        Table(["point", "after", "updates", "hours", *measures], rows),
    ]


def draw_curve(figures: Mapping[str, Any]) -> str:
    """An SVG document: for each judge one panel over updates and one over hours."""
    panels = []
    for measure in _shown(figures):
        points = {p["label"]: p for p in figures["points"] if measure in p["measures"]}
        scale = 100 if is_rate(measure) else 1
        level = figures[RECORDINGS].get(measure)

        def height(point: Mapping[str, Any], measure: str = measure, scale: int = scale) -> float:
            return float(scale * point["measures"][measure]["value"])

        for axis, (x_label, unit) in AXES.items():
            series = []
            for point in points.values():
                if before := points.get(point["after"]):
                    x = [before[axis] / unit, point[axis] / unit]
                    color = ORANGE if point["tuned"] else BLUE
                    series.append(Series(x, [height(before), height(point)], "", color, "-"))
            for tuned, label, color in LINKS:
                chosen = [point for point in points.values() if point["tuned"] == tuned]
                if chosen:
                    x = [point[axis] / unit for point in chosen]
                    y = [height(point) for point in chosen]
                    intervals = [point["measures"][measure]["interval_95"] for point in chosen]
                    ends = [(scale * low, scale * high) for low, high in intervals]
                    series.append(Series(x, y, label, color, ends=ends))
            scaled = None if level is None else scale * level["value"]
            panels.append(Axes(measure_title(measure), x_label, "", series, level=scaled))
    title = f"Learning curve: {figures['clips']} validation sentences; dashed: the recordings"
    return draw_panels(title, panels)


def _shown(figures: Mapping[str, Any]) -> list[str]:
    """Judges and word errors, and the variation of the pitch."""
    found = dict.fromkeys(m for point in figures["points"] for m in point["measures"])
    return [m for m in found if (m in MEASURES or m.startswith("F0")) and m != ERROR_RATIO]


def _cell(measure: str, found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    words = estimate(found, percent=is_rate(measure), fixed=True)
    decided = found.get("difference", {}).get("verdict", "undecided") != "undecided"
    return f"**{words}**" if decided else words


def main(
    points: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="List of checkpoints and logs.")
    ],
    corpus: Annotated[Path, typer.Option(exists=True)] = Path("../shared/data/ljspeech"),
    weights: Annotated[Path, typer.Option(help="Weights of the judges.")] = Path(
        "../shared/models"
    ),
    steps: Annotated[int | None, typer.Option(help="Reverse steps; the voice's own.")] = None,
    clips: Annotated[int, typer.Option(min=1, help="Validation sentences.")] = 10,
    seeds: Annotated[int, typer.Option(min=1, help="Noise seeds per sentence.")] = 1,
    whisper: Annotated[
        list[Path] | None, typer.Option(exists=True, help="Whisper checkpoint; repeatable.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Directory of records.")] = RECORDS,
    record: Annotated[bool, typer.Option(help="Write a record and its picture.")] = False,
) -> None:
    """Judge the checkpoints of a voice's training, and place them by updates and hours."""
    try:
        if record:
            check_recordable(out)
        voice = Bundle.load(find_voice(DEFAULT_VOICE)).manifest  # one chain for all, tuned or not
        schedule = voice.noise_schedule
        speaking = SpeakingOptions((steps or voice.steps,), (), schedule.name, schedule.eta, seeds)
        spoken = load_clips(corpus, VALIDATION_SPLIT[:clips])
        with TemporaryDirectory() as scratch:
            placed = place(read_list(points), Path(scratch))
            found = learning_curve(placed, spoken, load_panel(weights, whisper or ()), speaking)
        show(curve_blocks(found.figures))
        if record:
            command = shlex.join(["python", "-m", "research.learning_curve", *sys.argv[1:]])
            path = write_record(KIND, found, command, out)
            path.with_suffix(".svg").write_text(draw_curve(found.figures), "utf-8")
            typer.echo(path)
    except DlpoError as error:
        typer.echo(f"research.learning_curve: {error}", err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)
