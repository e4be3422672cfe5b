"""Quality against reverse steps and against cost: judges score voices of few and of many steps.

A point is a `System` whose `about` has `series` and `steps`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dlpo.bundle import Bundle
from dlpo.errors import InputError
from dlpo.rl.options import OWN_CHAIN, OwnChain
from dlpo_bench.clips import SAMPLE_RATE, Clip, Waveform
from dlpo_bench.compare import MEASURES, compare_medians
from dlpo_bench.eval import figures as quality_figures
from dlpo_bench.eval import samples as quality_samples
from dlpo_bench.judging import JudgePanel, evaluate
from dlpo_bench.options import SpeakingOptions
from dlpo_bench.record import Measured
from dlpo_bench.statistics import Spread
from dlpo_bench.systems import (
    RECORDED,
    RECORDINGS,
    Say,
    System,
    only_bundle,
    open_systems,
)
from dlpo_serving.voices import find_voice

UNTUNED = "untuned"
TUNED = "tuned"
SERVED = "tuned int8"
"""Series: checkpoints in eager PyTorch, and the bundle as it is served."""
PRECISION = "int8"  # of the bundle as served
STEPS = (*range(1, 9), 16, 50, 1000)
WARM_UP_STEPS = 16  # more steps only repeat the network, whose first call has happened by then


@dataclass(frozen=True, slots=True)
class Points:
    """All systems of the comparison."""

    points: Sequence[System]
    """ordered by steps, so that the most expensive come last"""
    baseline: str
    """label of the system that the others are compared with: the bundle at its own N, if present"""
    skipped: Mapping[str, str]
    """label or series -> why it is missing"""


def open_points(
    untuned: Path, tuned: Path, voice: str, steps: Sequence[int] = STEPS,
    chain: OwnChain = OWN_CHAIN,
) -> Points:  # fmt: skip
    """Open both checkpoints, and the bundle if it was exported from the tuned one.

    Args:
        voice: name or path of the bundle.
        steps: every N; the bundle speaks with those it has graphs for.
        chain: of checkpoints.

    Raises:
        InputError: no checkpoint, or no number of steps.
        CheckpointError, BundleError, EngineError: something can't be opened.
        ConfigError: an unknown schedule, eta or number of steps.
        MissingExtraError: torch is not installed.
    """
    chosen = tuple(sorted(set(steps)))
    if not chosen:
        raise InputError("got no number of steps; expected some, such as --steps 3")
    speaking = SpeakingOptions(chosen, (), chain)
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
    """The name of a point in records and tables."""
    return f"{series}, {steps} steps"


def measure_quality(
    points: Points, clips: Sequence[Clip], panel: JudgePanel,
    on_clip: Callable[[], object] = lambda: None,
) -> Measured:  # fmt: skip
    """Let the panel score every point on the same clips, and time how long each took to speak.

    Args:
        points: each on one thread; torch's thread count must be set beforehand.
        on_clip: called after each clip of each system, for a progress bar.

    Raises:
        InputError: a point can't speak, or a waveform can't be judged, see `evaluate`.
    """
    costs: dict[str, list[float]] = {point.label: [] for point in points.points}

    def timed(point: System) -> Say:
        def say(clip: Clip) -> Waveform:
            before = time.process_time()
            waveform = point.takes[0](clip)
            spent_s = time.process_time() - before
            costs[point.label].append(spent_s * SAMPLE_RATE / max(1, len(waveform)))
            return waveform

        return say

    systems = {point.label: timed(point) for point in points.points}
    skipped = dict(points.skipped)
    if all(clip.recording for clip in clips):
        systems = {RECORDINGS: RECORDED.takes[0], **systems}
    else:
        skipped[RECORDINGS] = "not of all clips on this machine"
    for point in points.points:
        if point.about["steps"] <= WARM_UP_STEPS:
            point.takes[0](clips[0])
    quality = evaluate(systems, clips, panel, on_clip, baseline=points.baseline)
    judged = quality_figures(quality)
    found = {
        point.label: {
            "series": point.about["series"],
            "steps": point.about["steps"],
            "clips": len(clips),
            **_rtf_figures(costs[point.label], costs[points.baseline]),
            "heights": heights(judged[point.label], judged[points.baseline]),
        }
        for point in points.points
    }
    for label, measures in optimal(found).items():
        found[label]["optimal"] = measures
    recorded = heights(judged.get(RECORDINGS, {}), judged[points.baseline])
    figures = {
        "baseline": points.baseline,
        "skipped": skipped,
        "points": found,
        "recordings": {measure: height["value"] for measure, height in recorded.items()},
        "judged": judged,
    }
    about = {point.label: point.about for point in points.points}
    raw = quality_samples(quality, about) | {"rtf": costs}
    return Measured(figures, raw, bundle_sha256=only_bundle(about.values()))


def heights(
    measures: Mapping[str, Mapping[str, Any]], baseline: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Measure -> mean, with the verdict and interval of its difference from the baseline.

    Args:
        measures, baseline: figures as in `eval.figures`, of a point and of the baseline.
    """
    found = {}
    for measure, value in measures.items():
        if measure not in MEASURES or measure not in baseline:
            continue
        found[measure] = {"value": value["value"]}
        if difference := value.get("difference"):
            ends = [baseline[measure]["value"] + end for end in difference["interval_95"]]
            found[measure] |= {"verdict": difference["verdict"], "interval_95": ends}
    return found


def optimal(points: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Label -> measures by which no other point is as good for less, or better at the same cost."""
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
    """Which points are Pareto-optimal: low costs, high scores."""

    def beats(i: int, j: int) -> bool:
        at_least = costs[i] <= costs[j] and scores[i] >= scores[j]
        return at_least and (costs[i] < costs[j] or scores[i] > scores[j])

    every = range(len(costs))
    return [not any(beats(i, j) for i in every) for j in every]


def _rtf_figures(rtf: Sequence[float], baseline: Sequence[float]) -> dict[str, Any]:
    """Median, minimum, median absolute deviation; and the ratio to the baseline's median."""
    spread = Spread(tuple(rtf))
    found: dict[str, Any] = {
        "rtf": spread.median, "rtf_least": spread.least, "rtf_mad": spread.deviation,
        "rtf_samples": len(rtf),
    }  # fmt: skip
    if len(rtf) > 1 and len(baseline) > 1:
        ratio = compare_medians("", np.array(baseline), np.array(rtf)).ratio
        found["times_baseline"] = [ratio.value, ratio.low, ratio.high]
    return found
