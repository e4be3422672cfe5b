"""Real-time factors: all points in turn, round by round, so that what disturbs one disturbs all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from dlpo_bench.clips import Clip
from dlpo_bench.machine import watch_machine
from dlpo_bench.pareto.hearing import said
from dlpo_bench.pareto.kept import Kept, Round
from dlpo_bench.pareto.points import Point, clips_at

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
