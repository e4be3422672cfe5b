"""Lets the panel hear every point say every clip that isn't heard yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dlpo_bench.clips import SAMPLE_RATE, Clip, Waveform
from dlpo_bench.comparison import evaluate
from dlpo_bench.judging import Panel
from dlpo_bench.pareto.kept import Hearing, Kept, Spoken
from dlpo_bench.pareto.points import Point, clips_at
from dlpo_bench.systems import RECORDINGS, System, recordings


@dataclass(frozen=True, slots=True)
class Wanted:
    """A clip that a system has to say."""

    system: str
    series: str
    steps: int
    """0 for recordings"""
    say: System
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
            yield Wanted(RECORDINGS, RECORDINGS, 0, recordings, clip)
        for point in points:
            if i < clips_at(point.steps, len(clips), fewer):
                yield Wanted(point.label, point.series, point.steps, point.system, clip)


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
        if not is_kept(kept, one):
            spent_s = time.perf_counter() - begun
            if budget_s is not None and spent_s + expected_s(one, all_wanted, kept) > budget_s:
                left.append(one)
                continue
            kept.add(_hear(one, panel))
        on_clip()
    return left


def is_kept(kept: Kept, one: Wanted) -> bool:
    """Whether it was heard, with the same words."""
    hearing = kept.hearings.get((one.system, one.clip.clip_id))
    return hearing is not None and hearing.text == one.clip.text


def expected_s(one: Wanted, all_wanted: Sequence[Wanted], kept: Kept) -> float:
    """Seconds that saying and judging will take, by what other clips of its series took.

    Clips at as many steps; else those at the most steps that were heard, in proportion; else 0.
    """
    took: dict[int, list[float]] = {}
    for other in all_wanted:
        if other.series == one.series and is_kept(kept, other):
            hearing = kept.hearings[other.system, other.clip.clip_id]
            took.setdefault(other.steps, []).append(hearing.took_s)
    if not took:
        return 0.0
    nearest = one.steps if one.steps in took else max(took)
    return float(np.mean(took[nearest])) * max(1.0, one.steps / max(1, nearest))


def said(say: System, clip: Clip) -> tuple[Waveform, Spoken]:
    """A clip, and what it took to say it."""
    wall, cpu = time.perf_counter(), time.process_time()
    waveform = say(clip)
    wall_s, cpu_s = time.perf_counter() - wall, time.process_time() - cpu
    return waveform, Spoken(clip.clip_id, len(waveform) / SAMPLE_RATE, wall_s, cpu_s)


def _hear(one: Wanted, panel: Panel) -> Hearing:
    spoken: list[Spoken] = []

    def say(clip: Clip) -> Waveform:
        waveform, took = said(one.say, clip)
        spoken.append(took)
        return waveform

    begun = time.perf_counter()
    quality = evaluate({one.system: say}, [one.clip], panel)
    take = quality.heard[one.system].takes[0]
    return Hearing(
        one.system,
        one.clip.text,
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
