"""Lets the panel hear every point say every clip that isn't heard yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dlpo_bench.clips import SAMPLE_RATE, Clip, Waveform
from dlpo_bench.comparison import evaluate
from dlpo_bench.judging import Panel
from dlpo_bench.pareto.kept import Hearing, Kept, Spoken
from dlpo_bench.pareto.points import RECORDED_POINT, Point, clips_at


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
