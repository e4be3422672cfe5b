"""Quality against reverse steps and against cost: judges score points, rounds time them.

Everything is kept in a work directory as soon as it is measured, so that a run can end at any time
and go on later. A point is a `System` whose `about` has `series` and `steps`.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dlpo.bundle import Bundle
from dlpo.errors import DataError, InputError
from dlpo_bench.clips import SAMPLE_RATE, Clip, Waveform
from dlpo_bench.compare import MEASURES, compare_medians
from dlpo_bench.eval import figures as quality_figures
from dlpo_bench.eval import samples as quality_samples
from dlpo_bench.interleave import Spread
from dlpo_bench.judging import Failure, JudgePanel, Quality, SystemScores, Take, evaluate
from dlpo_bench.machine import watch_machine
from dlpo_bench.record import Measured
from dlpo_bench.systems import RECORDED, RECORDINGS, SpeakingOptions, System, open_systems
from dlpo_serving.voices import find_voice

UNTUNED, TUNED, SERVED = "untuned", "tuned", "tuned int8"
"""Series: checkpoints in eager PyTorch, and the bundle as it is served."""
PRECISION = "int8"  # of the bundle: the one that is served
STEPS = (*range(1, 9), 16, 50, 1000)
FEWER = {1000: 2}  # clips; one of 6 s takes two minutes
WARM_UP_STEPS = 16  # more are the same network again: its first call was made by then
RESULTS = "results.sqlite3"  # in the work directory
PANEL, ROUNDS, MAKING = "panel", "rounds", "making"

Wanted = tuple[System, Clip]
"""A clip that a point has to say."""


@dataclass(frozen=True, slots=True)
class Points:
    """All systems of the comparison."""

    points: Sequence[System]
    """by steps, so that the most expensive come last"""
    baseline: str
    """label of the one that others are compared with: the bundle at its own N where it exists"""
    skipped: Mapping[str, str]
    """label, or series -> why it is missing"""

    @property
    def bundle_sha256(self) -> str | None:
        """Of the bundle; None where it is skipped."""
        found = (p.about["sha256"] for p in self.points if p.about["series"] == SERVED)
        return next(found, None)


def open_points(
    untuned: Path, tuned: Path, voice: str, steps: Sequence[int] = STEPS,
    schedule: str | None = None, eta: float | None = None,
) -> Points:  # fmt: skip
    """Open both checkpoints, and the bundle where it is that of the tuned one.

    Args:
        voice: name or path of the bundle.
        steps: every N; the bundle speaks with those that it has graphs for.
        schedule, eta: of checkpoints; their own if None, see `SpeakingOptions`.

    Raises:
        InputError: no checkpoint, or no number of steps.
        CheckpointError, BundleError, EngineError: something can't be opened.
        ConfigError: an unknown schedule, eta or number of steps.
        MissingExtraError: torch is not installed.
    """
    chosen = tuple(sorted(set(steps)))
    if not chosen:
        raise InputError("got no number of steps; expected some, such as --steps 3")
    speaking = SpeakingOptions(chosen, (), schedule, eta)
    found = []
    for series, path in ((UNTUNED, untuned), (TUNED, tuned)):
        found += series_of(series, str(path), speaking)
        if found[-1].about["kind"] != "checkpoint":
            raise InputError(f"{path} is no checkpoint; expected a directory with checkpoint.json")
    bundle = Bundle.load(find_voice(voice))
    manifest, checkpoint = bundle.manifest, found[-1].about["sha256"]
    skipped = {}
    if manifest.checkpoint.sha256 != checkpoint:
        skipped[SERVED] = (
            f"bundle {voice} was exported from checkpoint {manifest.checkpoint.sha256[:12]}, the"
            f" tuned one is {checkpoint[:12]}; export it, or name its own checkpoint"
        )
    else:
        graphs = {n: manifest.graphs.get(f"denoiser_{n}") for n in chosen}
        offered = tuple(n for n, graph in graphs.items() if graph and PRECISION in graph.files)
        if absent := ", ".join(str(n) for n in chosen if n not in offered):
            why = f"bundle {voice} has no {PRECISION} graph of them"
            skipped[f"{SERVED}, {absent} steps"] = why
        if offered:
            found += series_of(SERVED, voice, SpeakingOptions(offered, (PRECISION,)))
    found.sort(key=lambda point: point.about["steps"])
    tuned_ones = [point.about for point in found if point.about["series"] != UNTUNED]
    best = min(tuned_ones, key=lambda a: (a["steps"] != manifest.steps, a["series"] != SERVED))
    return Points(found, label_of(best["series"], best["steps"]), skipped)


def series_of(series: str, place: str, speaking: SpeakingOptions) -> list[System]:
    return [
        replace(one, label=label_of(series, one.about["steps"]),
                about={**one.about, "series": series})
        for one in open_systems([f"{series}={place}"], speaking)
    ]  # fmt: skip


def label_of(series: str, steps: int) -> str:
    """How records and tables call a point."""
    return f"{series}, {steps} steps"


def clips_at(steps: int, clips: int, fewer: Mapping[int, int]) -> int:
    """How many clips a point says, of so many: the `fewer` of the largest N up to its own."""
    return min([clips, *(most for n, most in fewer.items() if n <= steps)])


def voice_of(point: System) -> str:
    """Weights and chain of a point: results of others under its label are not reused."""
    return " ".join(str(point.about[k]) for k in ("sha256", "schedule", "eta") if k in point.about)


@dataclass(frozen=True, slots=True)
class ClipResult:
    """Scores of a clip by one system, and what it took to speak it."""

    system: str
    voice: str
    """see `voice_of`"""
    clip_id: str
    text: str
    audio_s: float
    cpu_s: float
    """processor time of all threads, of speaking"""
    values: Mapping[str, float | None]
    """judge or signal measure -> value; None where the judge failed, as below"""
    transcripts: Mapping[str, str | None]
    errors: Mapping[str, float | None]
    failures: Sequence[Sequence[str]]
    """measure, reason"""
    silent: bool


class WorkDirectory:
    """Results by key, in SQLite: each is on disk when `put` returns.

    Raises:
        InputError: the directory can't be made, or its database can't be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path / RESULTS
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self.path)
            self._database.execute("CREATE TABLE IF NOT EXISTS results (key PRIMARY KEY, value)")
        except (OSError, sqlite3.Error) as error:
            raise InputError(f"can't use {self.path} ({error}); name another --work") from error

    def get(self, *key: str) -> Any:
        """The value of a key; None without one."""
        chosen = "SELECT value FROM results WHERE key = ?"
        row = self._database.execute(chosen, (json.dumps(key),)).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, value: Any, *key: str) -> None:
        """Keep a value; raises InputError where the disk takes no more."""
        row = json.dumps(key), json.dumps(value, allow_nan=False)
        try:
            with self._database:
                self._database.execute("INSERT OR REPLACE INTO results VALUES (?, ?)", row)
        except sqlite3.Error as error:
            raise InputError(
                f"can't write {self.path} ({error}); results before this one are kept: make room,"
                " and run it again"
            ) from error

    def judge_with(self, panel: JudgePanel) -> None:
        """Check that these judges scored what the directory has; raises InputError otherwise."""
        facts = {
            "judges": [judge.name for judge in panel.judges],
            "recognisers": {measure: one.name for measure, one in panel.recognizers.items()},
            "left_out": dict(panel.left_out),
        }
        known = self.get(PANEL)
        if known is None:
            self.put(facts, PANEL)
        elif changed := sorted(key for key in facts if facts[key] != known.get(key)):
            raise InputError(
                f"{self.path} was scored with another panel ({', '.join(changed)} differ); name"
                " another --work, or delete it"
            )

    def find(self, point: System, clip: Clip) -> ClipResult | None:
        """The result of this very voice with this very text; None without one."""
        row = self.get(point.label, voice_of(point), clip.clip_id, clip.text)
        return ClipResult(**row) if row else None

    def add(self, result: ClipResult) -> None:
        self.put(asdict(result), result.system, result.voice, result.clip_id, result.text)

    @property
    def rounds(self) -> list[dict[str, Any]]:
        """Of the last timing: `number`; `machine`, what disturbed it; `rtf`, label -> voice ->
        real-time factor."""
        return self.get(ROUNDS) or []


def wanted(
    points: Sequence[System], clips: Sequence[Clip], fewer: Mapping[int, int]
) -> Iterator[Wanted]:
    """All that is to be judged, clip by clip, so that whenever it ends all points are about level.

    Args:
        points: by steps.
        fewer: see `clips_at`.
    """
    for i, clip in enumerate(clips):
        if clip.recording is not None:
            yield RECORDED, clip
        for point in points:
            if i < clips_at(point.about["steps"], len(clips), fewer):
                yield point, clip


def judge_all(
    todo: Sequence[Wanted], panel: JudgePanel, work: WorkDirectory,
    on_clip: Callable[[], object] = lambda: None,
) -> None:  # fmt: skip
    """Judge what isn't kept yet; `on_clip` is called after each clip, for a progress bar.

    Raises:
        InputError: a waveform that can't be judged, see `evaluate`.
    """
    for one in todo:
        if work.find(*one) is None:
            work.add(_judge(*one, panel))
        on_clip()


def _judge(point: System, clip: Clip, panel: JudgePanel) -> ClipResult:
    spoken: list[tuple[float, float]] = []

    def say(clip: Clip) -> Waveform:
        before = time.process_time()
        waveform = point.takes[0](clip)
        spoken.append((len(waveform) / SAMPLE_RATE, time.process_time() - before))
        return waveform

    quality = evaluate({point.label: say}, [clip], panel)
    take = quality.scores[point.label].takes[0]
    return ClipResult(
        point.label, voice_of(point), clip.clip_id, clip.text, *spoken[0],
        {measure: _known(values[0]) for measure, values in take.values.items()},
        {measure: transcripts[0] for measure, transcripts in take.transcripts.items()},
        {measure: _known(errors[0]) for measure, errors in take.errors.items()},
        [[failure.measure, failure.reason] for failure in quality.failures],
        bool(quality.silent),
    )  # fmt: skip


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def time_rounds(
    points: Sequence[System], clips: Sequence[Clip], rounds: int, fewer: Mapping[int, int],
    work: WorkDirectory, on_clip: Callable[[], object] = lambda: None,
) -> None:  # fmt: skip
    """Time every point; the timing before is forgotten, each round is kept when it ends.

    Args:
        points: of one thread each; torch's has to be set before.
        clips: round r speaks the r-th, from the first again when they end.
        fewer: steps -> rounds that points with so many take part in, see `clips_at`.
        on_clip: called after each clip, for a progress bar.

    Raises:
        InputError, EngineError: a point can't speak.
    """
    for point in points:
        if point.about["steps"] <= WARM_UP_STEPS:
            point.takes[0](clips[0])
    timed: list[dict[str, Any]] = []
    work.put(timed, ROUNDS)
    for number in range(rounds):
        rtf = {}
        with watch_machine() as watch:
            for point in points:  # not rotated: those of few steps come before those of many
                if number < clips_at(point.about["steps"], rounds, fewer):
                    before = time.perf_counter()
                    waveform = point.takes[0](clips[number % len(clips)])
                    spent_s = time.perf_counter() - before
                    rtf[point.label] = {voice_of(point): spent_s * SAMPLE_RATE / len(waveform)}
                    on_clip()
        timed.append({"number": number, "machine": watch.interference.figures(), "rtf": rtf})
        work.put(timed, ROUNDS)


def turns(points: Sequence[System], rounds: int, fewer: Mapping[int, int]) -> int:
    """How many clips are spoken in so many rounds."""
    return sum(clips_at(point.about["steps"], rounds, fewer) for point in points)


def outcome(points: Points, clips: Sequence[Clip], work: WorkDirectory) -> Measured:
    """Put together what was judged and timed so far.

    A point that spoke fewer clips than others is compared on those clips alone.

    Raises:
        DataError: the point that others are compared with was not judged.
    """
    results = {
        point.label: [work.find(point, clip) for clip in clips]
        for point in (RECORDED, *points.points)
    }
    results = {label: rows for label, rows in results.items() if any(rows)}
    if points.baseline not in results:
        raise DataError(
            f"{work.path}: no scores of {points.baseline!r}, which others are compared with;"
            " run it without --no-hear"
        )
    quality = _quality(points.baseline, clips, results, work)
    judged = quality_figures(quality)
    of, speed = _speed([p for p in points.points if p.label in results], results, work)
    found = {
        point.label: {
            "series": point.about["series"],
            "steps": point.about["steps"],
            "clips": sum(row is not None for row in results[point.label]),
            **_rtf_figures(speed[point.label], speed[points.baseline]),
            "heights": heights(judged[point.label], judged[points.baseline]),
        }
        for point in points.points
        if point.label in results
    }
    for label, measures in optimal(found).items():
        found[label]["optimal"] = measures
    unscored = {p.label: "not judged yet" for p in points.points if p.label not in results}
    if RECORDINGS not in judged:
        unscored[RECORDINGS] = "none of these clips on this machine"
    recorded = heights(judged.get(RECORDINGS, {}), judged[points.baseline])
    rounds = work.rounds if of == ROUNDS else []
    figures = {
        "baseline": points.baseline,
        "rtf_from": of,
        "machine": _worst([one["machine"] for one in rounds]),
        "skipped": {**points.skipped, **unscored},
        "points": found,
        "recordings": {measure: height["value"] for measure, height in recorded.items()},
        "judged": judged,
    }
    about = {point.label: point.about for point in points.points}
    raw = quality_samples(quality, about) | {
        "recognisers": (work.get(PANEL) or {}).get("recognisers", {}),
        "rtf": speed,
        "rounds": [{"number": one["number"], "machine": one["machine"]} for one in rounds],
    }
    return Measured(figures, raw, bundle_sha256=points.bundle_sha256)


def heights(
    measures: Mapping[str, Mapping[str, Any]], baseline: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Measure -> value that is comparable between points that spoke different clips, and interval.

    The baseline's mean over all its clips plus the difference from it, clip by clip. For a point
    that spoke the same clips this is its own mean; one that spoke a few isn't higher because they
    were easy. The interval is that of the difference; without a clip in common there is no height.

    Args:
        measures, baseline: figures as `eval.figures` has them; of a point, and of the baseline.
    """
    found = {}
    for measure, value in measures.items():
        if measure not in MEASURES or measure not in baseline:
            continue
        base, difference = baseline[measure]["value"], value.get("difference")
        if measures is baseline:
            found[measure] = {"value": base}
        elif difference is not None:
            found[measure] = {"value": base + difference["value"], "verdict": difference["verdict"]}
            if difference["sentences"] > 1:  # the interval of one sentence has no width
                ends = [base + end for end in difference["interval_95"]]
                found[measure]["interval_95"] = ends
    return found


def optimal(points: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Label -> measures by which no other point is as good for less, or better for as much."""
    found: dict[str, list[str]] = {label: [] for label in points}
    for measure in MEASURES:
        judged = {k: p["heights"][measure] for k, p in points.items() if measure in p["heights"]}
        sign = -1 if MEASURES[measure].more_is_worse else 1
        costs = [points[label]["rtf"] for label in judged]
        scores = [sign * height["value"] for height in judged.values()]
        for label, best in zip(judged, unbeaten(costs, scores), strict=True):
            if best:
                found[label].append(measure)
    return found


def unbeaten(costs: Sequence[float], scores: Sequence[float]) -> list[bool]:
    """Which of some points are Pareto-optimal: costs as low, scores as high as can be."""

    def beats(i: int, j: int) -> bool:
        at_least = costs[i] <= costs[j] and scores[i] >= scores[j]
        return at_least and (costs[i] < costs[j] or scores[i] > scores[j])

    every = range(len(costs))
    return [not any(beats(i, j) for i in every) for j in every]


Rows = Sequence[ClipResult | None]


def _quality(
    baseline: str, clips: Sequence[Clip], results: Mapping[str, Rows], work: WorkDirectory
) -> Quality:
    """All results, over all clips; NaN where a point didn't say one."""
    every = [one for rows in results.values() for one in rows if one]
    return Quality(
        clips,
        {system: SystemScores([_take(rows)]) for system, rows in results.items()},
        JudgePanel([], {}, (work.get(PANEL) or {}).get("left_out", {})),
        baseline,
        [Failure(r.system, r.clip_id, 0, m, why) for r in every for m, why in r.failures],
        [f"{r.system}, {r.clip_id}" for r in every if r.silent],
        matched=True,
    )


def _take(rows: Rows) -> Take:
    one = next(row for row in rows if row)

    def column(name: str, measure: str) -> list[Any]:
        return [getattr(row, name)[measure] if row else None for row in rows]

    return Take(
        {m: np.array(column("values", m), float) for m in one.values},  # None becomes NaN
        {m: column("transcripts", m) for m in one.transcripts},
        {m: np.array(column("errors", m), float) for m in one.errors},
    )


def _speed(
    points: Sequence[System], results: Mapping[str, Rows], work: WorkDirectory
) -> tuple[str, dict[str, list[float]]]:
    """Where real-time factors come from, and those of each point.

    Of rounds on the wall's clock if all points were timed; otherwise of processor time while clips
    were made, which other processes disturb less.
    """
    timed = {
        p.label: [
            one["rtf"][p.label][voice_of(p)]
            for one in work.rounds
            if voice_of(p) in one["rtf"].get(p.label, {})
        ]
        for p in points
    }
    if all(timed.values()):
        return ROUNDS, timed
    made = {p.label: [r.cpu_s / r.audio_s for r in results[p.label] if r] for p in points}
    return MAKING, made


def _rtf_figures(rtf: Sequence[float], baseline: Sequence[float]) -> dict[str, Any]:
    """Median, least, median absolute deviation; and how many times the baseline's median."""
    spread = Spread(tuple(rtf))
    found: dict[str, Any] = {
        "rtf": spread.median, "rtf_least": spread.least, "rtf_mad": spread.deviation,
        "rtf_samples": len(rtf),
    }  # fmt: skip
    if len(rtf) > 1 and len(baseline) > 1:
        ratio = compare_medians("", np.array(baseline), np.array(rtf)).ratio
        found["times_baseline"] = [ratio.value, ratio.low, ratio.high]
    return found


def _worst(machines: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The most that disturbed any round."""
    names = dict.fromkeys(name for machine in machines for name in machine)
    return {name: max((m[name] for m in machines if name in m), key=abs) for name in names}
