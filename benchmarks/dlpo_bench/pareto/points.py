"""Points of quality against cost, and the store of what was scored and timed for each."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from dlpo.bundle import Bundle
from dlpo.errors import DataError, InputError
from dlpo_bench.clips import Clip
from dlpo_bench.judging import Panel
from dlpo_bench.systems import RECORDINGS, Speaking, System, open_candidates, recordings
from dlpo_serving.voices import find_voice

UNTUNED, TUNED, SERVED = "untuned", "tuned", "tuned int8"
PRECISION = "int8"  # of the bundle: the one that is served
STEPS = (*range(1, 9), 16, 50, 1000)
VOICE = ("sha256", "schedule", "eta")
FEWER = {1000: 2}  # clips; one of 6 s takes two minutes


@dataclass(frozen=True, slots=True)
class Point:
    """One voice at one number of steps."""

    series: str
    """`UNTUNED` and `TUNED`: checkpoints in eager PyTorch; `SERVED`: the bundle as it is served"""
    steps: int
    """0 for recordings"""
    system: System
    about: Mapping[str, Any]
    """see `Candidate`"""

    @property
    def label(self) -> str:
        """How records and tables call it."""
        return f"{self.series}, {self.steps} steps" if self.steps else self.series

    @property
    def voice(self) -> str:
        """What identifies the weights and the chain, so that nothing is kept that others said."""
        return " ".join(str(self.about[key]) for key in VOICE if key in self.about)


RECORDED_POINT = Point(RECORDINGS, 0, recordings, {"kind": "recordings"})


@dataclass(frozen=True, slots=True)
class Points:
    """All of them."""

    points: Sequence[Point]
    """by steps, so that what costs most comes last"""
    baseline: str
    """label of the one that others are compared with: the bundle at its own N where it is there"""
    skipped: Mapping[str, str]
    """label, or series -> why it isn't there"""

    @property
    def bundle_sha256(self) -> str | None:
        """Of the bundle; None where it is skipped."""
        return next((p.about["sha256"] for p in self.points if p.series == SERVED), None)


def open_points(
    untuned: Path,
    tuned: Path,
    voice: str,
    steps: Sequence[int] = STEPS,
    schedule: str | None = None,
    eta: float | None = None,
) -> Points:
    """Open both checkpoints, and the bundle where it is that of the tuned one.

    Args:
        untuned, tuned: checkpoints.
        voice: name or path of the bundle.
        steps: every N; the bundle speaks with those that it has graphs for.
        schedule, eta: of checkpoints; their own if None, see `Speaking`.

    Raises:
        InputError: no checkpoint, or no number of steps.
        CheckpointError, BundleError, EngineError: something can't be opened.
        ConfigError: an unknown schedule, eta or number of steps.
        MissingExtraError: without torch nothing of this can be measured.
    """
    chosen = tuple(sorted(set(steps)))
    if not chosen:
        raise InputError("got no number of steps; expected some, such as --steps 3")
    found = _of_checkpoint(UNTUNED, untuned, chosen, schedule, eta)
    found += _of_checkpoint(TUNED, tuned, chosen, schedule, eta)
    bundle = Bundle.load(find_voice(voice))
    served, skipped = _of_bundle(bundle, voice, chosen, found[-1].about["sha256"])
    found = sorted([*found, *served], key=lambda point: point.steps)
    return Points(found, _baseline(found, bundle.manifest.steps), skipped)


def clips_at(steps: int, clips: int, fewer: Mapping[int, int]) -> int:
    """How many clips a point says, of so many: the `fewer` of the largest N up to its own."""
    limits = [most for n, most in fewer.items() if n <= steps]
    return min([clips, *limits])


def _of_checkpoint(
    series: str, path: Path, steps: tuple[int, ...], schedule: str | None, eta: float | None
) -> list[Point]:
    candidates = open_candidates([f"{series}={path}"], Speaking(steps, (), schedule, eta))
    if any(candidate.about["kind"] != "checkpoint" for candidate in candidates):
        raise InputError(f"{path} is no checkpoint; expected a directory with checkpoint.json")
    return [Point(series, c.about["steps"], c.takes[0], c.about) for c in candidates]


def _of_bundle(
    bundle: Bundle, voice: str, steps: tuple[int, ...], checkpoint_sha256: str
) -> tuple[list[Point], dict[str, str]]:
    made_from = bundle.manifest.checkpoint.sha256
    if made_from != checkpoint_sha256:
        return [], {
            SERVED: f"bundle {voice} was exported from checkpoint {made_from[:12]}, the tuned one"
            f" is {checkpoint_sha256[:12]}; export it, or name its own checkpoint"
        }
    graphs = {n: bundle.manifest.graphs.get(f"denoiser_{n}") for n in steps}
    offered = tuple(n for n, graph in graphs.items() if graph and PRECISION in graph.files)
    absent = ", ".join(str(n) for n in steps if n not in offered)
    skipped = {}
    if absent:
        skipped[f"{SERVED}, {absent} steps"] = f"bundle {voice} has no {PRECISION} graph of them"
    if not offered:
        return [], skipped
    candidates = open_candidates([f"{SERVED}={voice}"], Speaking(offered, (PRECISION,)))
    return [Point(SERVED, c.about["steps"], c.takes[0], c.about) for c in candidates], skipped


def _baseline(points: Sequence[Point], own_steps: int) -> str:
    """The bundle before the checkpoint, its own number of steps before others."""
    tuned = [point for point in points if point.series != UNTUNED]
    return min(tuned, key=lambda p: (p.steps != own_steps, p.series != SERVED)).label


PANEL, HEARINGS, ROUNDS = "panel.json", "hearings.jsonl", "rounds.jsonl"


@dataclass(frozen=True, slots=True)
class Spoken:
    """What it took to say a clip."""

    voice: str
    """see `Point.voice`"""
    clip_id: str
    audio_s: float
    wall_s: float
    cpu_s: float
    """processor time of all threads"""


@dataclass(frozen=True, slots=True)
class Hearing:
    """What the panel heard when a system said a clip."""

    system: str
    text: str
    spoken: Spoken
    took_s: float
    """to say and to judge it"""
    values: Mapping[str, float | None]
    """judge or signal measure -> value; None where the judge failed, as below"""
    transcripts: Mapping[str, str | None]
    errors: Mapping[str, float | None]
    failures: Sequence[tuple[str, str]]
    """measure, reason"""
    silent: bool


@dataclass(frozen=True, slots=True)
class Round:
    """All points in turn, one clip each."""

    number: int
    machine: Mapping[str, float]
    """what disturbed it, see `Noise.figures`"""
    spoken: Mapping[str, Spoken]
    """label of the point -> what it took"""


def panel_facts(panel: Panel) -> dict[str, Any]:
    """Who listens and who can't, in words, for `Kept.listen_with`."""
    return {
        "judges": [judge.name for judge in panel.judges],
        "recognisers": {measure: one.name for measure, one in panel.recognisers.items()},
        "left_out": dict(panel.left_out),
    }


class Kept:
    """See the module."""

    def __init__(self, directory: Path) -> None:
        """Open a directory, or make it.

        Raises:
            InputError: it can't be made.
            DataError: something in it can't be read.
        """
        self.directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"can't make {directory} ({error.strerror}); name another") from error
        self._hearings: dict[tuple[str, ...], Hearing] = {}
        for row in self._lines(HEARINGS):
            self._put(_hearing(row, directory / HEARINGS))
        self.rounds: list[Round] = [_round(row, directory / ROUNDS) for row in self._lines(ROUNDS)]
        """of the last timing"""

    @property
    def panel(self) -> dict[str, Any]:
        """Who listened, as it was told; empty before anybody did."""
        path = self.directory / PANEL
        return dict(_decoded(path.read_text("utf-8"), path)) if path.exists() else {}

    def listen_with(self, panel: Mapping[str, Any]) -> None:
        """Make sure that these are the ones who listened before.

        Raises:
            InputError: others did.
        """
        theirs = self.panel
        if not theirs:
            (self.directory / PANEL).write_text(json.dumps(panel, indent=1) + "\n", "utf-8")
        elif changed := sorted(key for key in panel if panel[key] != theirs.get(key)):
            raise InputError(
                f"{self.directory} was heard by others ({', '.join(changed)} differ); name another"
                " --work, or delete it"
            )

    def heard(self, point: Point, clip: Clip) -> Hearing | None:
        """What was heard when this very voice said this very text; None if nothing was."""
        return self._hearings.get((point.label, point.voice, clip.clip_id, clip.text))

    def add(self, hearing: Hearing) -> None:
        """Keep what was heard."""
        self._append(HEARINGS, asdict(hearing))
        self._put(hearing)

    def begin_rounds(self) -> None:
        """Forget the last timing."""
        (self.directory / ROUNDS).unlink(missing_ok=True)
        self.rounds.clear()

    def add_round(self, one: Round) -> None:
        """Keep a round of timing."""
        self._append(ROUNDS, asdict(one))
        self.rounds.append(one)

    def _put(self, hearing: Hearing) -> None:
        spoken = hearing.spoken
        self._hearings[hearing.system, spoken.voice, spoken.clip_id, hearing.text] = hearing

    def _append(self, name: str, row: Mapping[str, Any]) -> None:
        path = self.directory / name
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row, allow_nan=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise InputError(
                f"can't write {path} ({error.strerror}); what is there is kept: make room, and run"
                " it again"
            ) from error

    def _lines(self, name: str) -> list[Any]:
        """Of a file; a last line that a crash cut off is removed from it."""
        path = self.directory / name
        if not path.exists():
            return []
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            path.write_bytes(whole)
        return [_decoded(line, path) for line in whole.decode("utf-8").splitlines()]


def _decoded(text: str, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error}); delete it, and it is made again") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected objects; delete it, and it is made again")
    return content


def _hearing(row: dict[str, Any], path: Path) -> Hearing:
    _check(row, Hearing, path)
    failures = [(measure, reason) for measure, reason in row["failures"]]
    return Hearing(**row | {"spoken": _spoken(row["spoken"], path), "failures": failures})


def _round(row: dict[str, Any], path: Path) -> Round:
    _check(row, Round, path)
    spoken = {label: _spoken(one, path) for label, one in row["spoken"].items()}
    return Round(row["number"], row["machine"], spoken)


def _spoken(row: dict[str, Any], path: Path) -> Spoken:
    _check(row, Spoken, path)
    return Spoken(**row)


def _check(row: dict[str, Any], kind: type[Hearing | Round | Spoken], path: Path) -> None:
    expected = {field.name for field in fields(kind)}
    if row.keys() != expected:
        raise DataError(
            f"{path}: a line has {', '.join(sorted(row))}; expected {', '.join(sorted(expected))}."
            " Another version wrote it: delete it, and it is made again"
        )
