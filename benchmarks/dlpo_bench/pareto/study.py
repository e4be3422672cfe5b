"""Scores and times every point, and finds those that no other beats."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import median_abs_deviation

from dlpo.errors import DataError
from dlpo_bench.clips import SAMPLE_RATE, Clip, Waveform
from dlpo_bench.compare import MEASURES, compare_medians
from dlpo_bench.eval import figures as quality_figures
from dlpo_bench.eval import samples as quality_samples
from dlpo_bench.judging import Failure, Heard, Panel, Quality, Take, evaluate
from dlpo_bench.machine import watch_machine
from dlpo_bench.pareto.points import (
    RECORDED_POINT,
    Hearing,
    Kept,
    Point,
    Points,
    Round,
    Spoken,
    clips_at,
)
from dlpo_bench.record import Measured
from dlpo_bench.systems import RECORDINGS


class Wanted(NamedTuple):
    """A clip that a point has to say."""

    point: Point
    clip: Clip


def wanted(
    points: Sequence[Point], clips: Sequence[Clip], fewer: Mapping[int, int]
) -> Iterator[Wanted]:
    """All that is to be heard, clip by clip, so that whenever it ends all points are about level.

    Args:
        points: by steps.
        fewer: see `clips_at`.
    """
    for i, clip in enumerate(clips):
        if clip.recording is not None:
            yield Wanted(RECORDED_POINT, clip)
        for point in points:
            if i < clips_at(point.steps, len(clips), fewer):
                yield Wanted(point, clip)


def hear(
    all_wanted: Sequence[Wanted],
    panel: Panel,
    kept: Kept,
    budget_s: float | None = None,
    on_clip: Callable[[], object] = lambda: None,
) -> list[Wanted]:
    """Hear what isn't kept yet.

    Args:
        budget_s: what is expected to last longer than what is left of it is not begun.
        on_clip: called after each, for a progress bar.

    Returns:
        What is left for another run.

    Raises:
        InputError: a waveform that can't be judged, see `evaluate`.
    """
    begun, left = time.perf_counter(), []
    for one in all_wanted:
        if kept.heard(*one) is None:
            spent_s = time.perf_counter() - begun
            if budget_s is not None and spent_s + expected_s(one, all_wanted, kept) > budget_s:
                left.append(one)
                continue
            kept.add(_hear(*one, panel))
        on_clip()
    return left


def expected_s(one: Wanted, all_wanted: Sequence[Wanted], kept: Kept) -> float:
    """Seconds that saying and judging will take, by what other clips of its series took.

    Clips at as many steps; else those at the most steps that were heard, in proportion; else 0.
    """
    took: dict[int, list[float]] = {}
    for other, clip in all_wanted:
        if other.series == one.point.series and (hearing := kept.heard(other, clip)):
            took.setdefault(other.steps, []).append(hearing.took_s)
    if not took:
        return 0.0
    steps = one.point.steps
    nearest = steps if steps in took else max(took)
    return float(np.mean(took[nearest])) * max(1.0, steps / max(1, nearest))


def said(point: Point, clip: Clip) -> tuple[Waveform, Spoken]:
    """A clip, and what it took to say it."""
    wall, cpu = time.perf_counter(), time.process_time()
    waveform = point.system(clip)
    wall_s, cpu_s = time.perf_counter() - wall, time.process_time() - cpu
    audio_s = len(waveform) / SAMPLE_RATE
    return waveform, Spoken(point.voice, clip.clip_id, audio_s, wall_s, cpu_s)


def _hear(point: Point, clip: Clip, panel: Panel) -> Hearing:
    spoken: list[Spoken] = []

    def say(clip: Clip) -> Waveform:
        waveform, took = said(point, clip)
        spoken.append(took)
        return waveform

    begun = time.perf_counter()
    quality = evaluate({point.label: say}, [clip], panel)
    take = quality.heard[point.label].takes[0]
    return Hearing(
        point.label,
        clip.text,
        spoken[0],
        time.perf_counter() - begun,
        {measure: _known(values[0]) for measure, values in take.values.items()},
        {measure: transcripts[0] for measure, transcripts in take.transcripts.items()},
        {measure: _known(errors[0]) for measure, errors in take.errors.items()},
        [(failure.measure, failure.reason) for failure in quality.failures],
        bool(quality.silent),
    )


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


WARM_UP_STEPS = 16  # more are the same network again: its first call was made by then


def time_rounds(
    points: Sequence[Point],
    clips: Sequence[Clip],
    rounds: int,
    fewer: Mapping[int, int],
    kept: Kept,
    on_clip: Callable[[], object] = lambda: None,
) -> None:
    """Time every point; what was timed before is forgotten, each round is kept when it ends.

    Args:
        points: of one thread each; torch's has to be set before.
        clips: round r says the r-th, from the first again when they end.
        fewer: steps -> rounds that points with so many take part in, see `clips_at`.
        on_clip: called after each clip, for a progress bar.

    Raises:
        InputError, EngineError: a point can't speak.
    """
    for point in points:
        if point.steps <= WARM_UP_STEPS:
            point.system(clips[0])
    kept.begin_rounds()
    for number in range(rounds):
        spoken = {}
        with watch_machine() as watch:
            for point in points:
                if number < clips_at(point.steps, rounds, fewer):
                    spoken[point.label] = said(point, clips[number % len(clips)])[1]
                    on_clip()
        kept.add_round(Round(number, watch.interference.figures(), spoken))


def turns(points: Sequence[Point], rounds: int, fewer: Mapping[int, int]) -> int:
    """How many clips are said in so many rounds."""
    return sum(clips_at(point.steps, rounds, fewer) for point in points)


ROUNDS, MAKING = "rounds", "making"


def outcome(points: Points, clips: Sequence[Clip], kept: Kept) -> Measured:
    """Put together what was heard and timed so far.

    A point that said fewer clips than others is compared on those clips alone.

    Raises:
        DataError: nobody heard the point that others are compared with.
    """
    quality = _quality(points, clips, kept)
    if points.baseline not in quality.heard:
        raise DataError(
            f"{kept.directory}: nobody heard {points.baseline!r}, which others are compared with;"
            " run it without --no-hear"
        )
    judged = quality_figures(quality)
    of, speed = _speed(points.points, clips, kept)
    found = {}
    for point in points.points:
        if point.label in judged:
            found[point.label] = {
                "series": point.series,
                "steps": point.steps,
                "clips": _count(quality, point.label),
                **_rtf_figures(speed[point.label], speed[points.baseline]),
                "heights": heights(judged[point.label], judged[points.baseline]),
            }
    for label, measures in optimal(found).items():
        found[label]["optimal"] = measures
    unheard = {p.label: "nobody heard it yet" for p in points.points if p.label not in judged}
    if RECORDINGS not in judged:
        unheard[RECORDINGS] = "none of these clips on this machine"
    recorded = heights(judged.get(RECORDINGS, {}), judged[points.baseline])
    rounds = kept.rounds if of == ROUNDS else []
    figures = {
        "baseline": points.baseline,
        "rtf_from": of,
        "machine": _worst([one.machine for one in rounds]),
        "skipped": {**points.skipped, **unheard},
        "points": found,
        "recordings": {measure: height["value"] for measure, height in recorded.items()},
        "judged": judged,
    }
    about = {point.label: point.about for point in points.points}
    raw = quality_samples(quality, about) | {
        "recognisers": kept.panel.get("recognisers", {}),
        "rtf": speed,
        "rounds": [{"number": one.number, "machine": one.machine} for one in rounds],
    }
    return Measured(figures, raw)


def heights(
    measures: Mapping[str, Mapping[str, Any]], baseline: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Measure -> value that is comparable between points that said different clips, and interval.

    The baseline's mean over all its clips plus the difference from it, clip by clip. For a point
    that said the same clips this is its own mean; one that said a few isn't higher because they
    were easy. The interval is that of the difference; without a clip in common there is no height.

    Args:
        measures, baseline: figures as `quality_report.figures` has them; of a point, and of that
            which all are compared with.
    """
    found = {}
    for measure, value in measures.items():
        if measure not in MEASURES or measure not in baseline:
            continue
        base = baseline[measure]["value"]
        difference = value.get("difference")
        if measures is baseline:
            found[measure] = {"value": base}
        elif difference is not None:
            found[measure] = {"value": base + difference["value"], "verdict": difference["verdict"]}
            if difference["sentences"] > 1:  # that of one sentence has no width, and says nothing
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


def _quality(points: Points, clips: Sequence[Clip], kept: Kept) -> Quality:
    """Everything that was heard, over all clips; NaN where a point didn't say one."""
    by_system: dict[str, list[Hearing | None]] = {}
    for point in (RECORDED_POINT, *points.points):
        rows = [kept.heard(point, clip) for clip in clips]
        if any(rows):
            by_system[point.label] = rows
    hearings = [one for rows in by_system.values() for one in rows if one]
    panel = Panel([], {}, kept.panel.get("left_out", {}))
    return Quality(
        clips,
        {system: Heard([_take(rows)]) for system, rows in by_system.items()},
        panel,
        points.baseline,
        [Failure(h.system, h.spoken.clip_id, 0, m, why) for h in hearings for m, why in h.failures],
        [f"{h.system}, {h.spoken.clip_id}" for h in hearings if h.silent],
        matched=True,
    )


def _take(rows: Sequence[Hearing | None]) -> Take:
    one = next(row for row in rows if row)
    return Take(
        {m: np.array([_float(row.values[m] if row else None) for row in rows]) for m in one.values},
        {m: [row.transcripts[m] if row else None for row in rows] for m in one.transcripts},
        {m: np.array([_float(row.errors[m] if row else None) for row in rows]) for m in one.errors},
    )


def _float(value: float | None) -> float:
    return np.nan if value is None else value


def _count(quality: Quality, system: str) -> int:
    """Clips that a system said: all have a length."""
    return int(np.isfinite(quality.heard[system].values["seconds"]).sum())


def _speed(
    points: Sequence[Point], clips: Sequence[Clip], kept: Kept
) -> tuple[str, dict[str, list[float]]]:
    """Where real-time factors come from, and those of each point that was heard.

    Of rounds on the wall's clock if all of them were timed; else of processor time while clips
    were made, which other processes disturb less.
    """
    timed, made = {}, {}
    for point in points:
        hearings = [hearing for clip in clips if (hearing := kept.heard(point, clip))]
        if hearings:
            spoken = [one.spoken.get(point.label) for one in kept.rounds]
            timed[point.label] = [
                one.wall_s / one.audio_s for one in spoken if one and one.voice == point.voice
            ]
            made[point.label] = [one.spoken.cpu_s / one.spoken.audio_s for one in hearings]
    return (ROUNDS, timed) if all(timed.values()) else (MAKING, made)


def _rtf_figures(rtf: Sequence[float], baseline: Sequence[float]) -> dict[str, Any]:
    """Median, least, median absolute deviation; and how many times the baseline's median."""
    found: dict[str, Any] = {
        "rtf": float(np.median(rtf)),
        "rtf_least": min(rtf),
        "rtf_mad": float(median_abs_deviation(rtf)),
        "rtf_samples": len(rtf),
    }
    if len(rtf) > 1 and len(baseline) > 1:
        ratio = compare_medians("", np.array(baseline), np.array(rtf)).ratio
        found["times_baseline"] = [ratio.value, ratio.low, ratio.high]
    return found


def _worst(machines: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The most that disturbed any round."""
    names = dict.fromkeys(name for machine in machines for name in machine)
    return {name: max((m[name] for m in machines if name in m), key=abs) for name in names}
