"""From what was kept to figures: means, differences, real-time factors, and what nothing beats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import median_abs_deviation

from dlpo.errors import DataError
from dlpo_bench.clips import Clip
from dlpo_bench.compare import compare_medians
from dlpo_bench.heard import Failure, Heard, Quality, Take
from dlpo_bench.judging import Panel
from dlpo_bench.measures import MEASURES
from dlpo_bench.pareto.kept import Hearing, Kept
from dlpo_bench.pareto.points import RECORDED_POINT, Point, Points
from dlpo_bench.quality_report import figures as quality_figures
from dlpo_bench.quality_report import samples as quality_samples
from dlpo_bench.record import Measured
from dlpo_bench.systems import RECORDINGS

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
