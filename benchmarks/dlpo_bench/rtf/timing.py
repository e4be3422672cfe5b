"""Warming up, planning within a budget, and timing in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dlpo.errors import DlpoError, EngineError
from dlpo.noise_schedule import MAX_STEPS
from dlpo_bench.rtf.cases import SPEECH, Case
from dlpo_bench.rtf.contestants import Contestant, Field
from dlpo_serving.engine import Floats

SLICE = 50  # of the 1000 steps, where all don't fit the budget
LEAST_SLICE = 10  # fewer say too little of the rest

Tell = Callable[[str], None]


@dataclass(slots=True)
class Timing:
    """One contestant on one case."""

    audio_s: float
    """length of what it made"""
    first_s: float
    """of the first run, with all that is made ready in it"""
    timed_steps: int | None = None
    """where it leaves steps out: how many of the 1000 were computed, the others extrapolated"""
    runs_s: list[float] = field(default_factory=list)
    """of each round"""


@dataclass(slots=True)
class Timings:
    """All that was timed."""

    of: dict[tuple[str, str], dict[str, Timing]] = field(default_factory=dict)
    """what and size of the case -> contestant -> its times"""
    audio: dict[str, dict[str, Floats]] = field(default_factory=dict)
    """size of the text -> contestant -> (T,) samples of its first run"""


class BeyondBudgetError(Exception):
    """A case takes a contestant longer than its budget allows; says how long."""


def time_in_turns(
    field: Field,
    cases: Sequence[Case],
    sample_rate_hz: int,
    rounds: int,
    budget_s: float,
    tell: Tell = lambda line: None,
) -> Timings:
    """Let every contestant do every case, in turns, round after round.

    Args:
        field: gets a reason for each case that a contestant has to leave out; one that fails is
            taken out altogether.
        cases: those of a kind from the shortest to the longest.
        rounds: after the first run of each.
        budget_s: what all rounds of one contestant on one case may take.
        tell: takes lines on the progress.

    Raises:
        EngineError: none is left.
    """
    timings = Timings({(case.what, case.label): {} for case in cases})
    for name in list(field.present):
        tell(f"warming up {name}")
        try:
            _warm_up(field, name, cases, timings, sample_rate_hz, budget_s / rounds)
        except DlpoError as error:
            del field.present[name]
            for found in timings.of.values():
                found.pop(name, None)
            field.skipped[name] = str(error)
            tell(f"skipped {name}: {error}")
    if not any(timings.of.values()):
        raise EngineError(
            "nothing could be timed; see the reasons above, raise the budget or choose others"
        )
    for number in range(rounds):
        tell(f"round {number + 1} of {rounds}")
        for case in cases:
            found = timings.of[case.what, case.label]
            names = list(found)
            first = number % max(1, len(names))  # so that nobody always follows the same
            for name in [*names[first:], *names[:first]]:
                elapsed_s, _ = run_once(field.present[name], case, found[name].timed_steps)
                found[name].runs_s.append(elapsed_s)
    return timings


def run_once(
    contestant: Contestant, case: Case, timed_steps: int | None = None
) -> tuple[float, Floats]:
    """Seconds that it takes, with those of steps left out; and what it makes.

    Args:
        timed_steps: of the paper's sampler, how many steps to compute.
    """
    paper = contestant.paper
    if paper and timed_steps:
        paper.timed_steps, paper.left_out_s = timed_steps, 0.0
    start = time.perf_counter()
    made = case.run(contestant)
    elapsed_s = time.perf_counter() - start
    return elapsed_s + (paper.left_out_s if paper else 0.0), made


def planned_steps(slice_s: float, whole_s: float, share_s: float) -> int:
    """How many of the 1000 steps a round computes.

    Args:
        slice_s: what a run with LEAST_SLICE steps takes.
        whole_s: what one with all takes, extrapolated from it.
        share_s: what a run may take, at least `slice_s`.

    Returns:
        1000 where that fits, else as many as fit, up to SLICE.
    """
    if whole_s <= share_s:
        return MAX_STEPS
    step_s = (whole_s - slice_s) / (MAX_STEPS - LEAST_SLICE)
    return min(SLICE, LEAST_SLICE + int((share_s - slice_s) / step_s))


def _warm_up(
    field: Field,
    name: str,
    cases: Sequence[Case],
    timings: Timings,
    sample_rate_hz: int,
    share_s: float,
) -> None:
    """Run one contestant on every case, until one of its kind is beyond the budget."""
    contestant = field.present[name]
    beyond: set[str] = set()  # kinds
    for case in cases:
        if contestant.variant and case.what != SPEECH:
            continue
        if case.what in beyond:
            reason = "a shorter one was beyond the budget already"
        else:
            try:
                timing, made = _first_run(contestant, case, sample_rate_hz, share_s)
            except BeyondBudgetError as error:
                beyond.add(case.what)
                reason = str(error)
            else:
                timings.of[case.what, case.label][name] = timing
                if case.what == SPEECH and not contestant.paper:
                    timings.audio.setdefault(case.label, {})[name] = made
                continue
        field.skipped[f"{name}, {case.what} {case.label}"] = reason


def _first_run(
    contestant: Contestant, case: Case, sample_rate_hz: int, share_s: float
) -> tuple[Timing, Floats]:
    least = LEAST_SLICE if contestant.paper else None

    def run() -> tuple[float, float, Floats]:
        start = time.perf_counter()
        whole_s, made = run_once(contestant, case, least)
        return time.perf_counter() - start, whole_s, made

    spent_s, first_s, made = run()
    whole_s = first_s
    if spent_s > share_s:  # what is made ready once doesn't count
        spent_s, whole_s, made = run()
    if spent_s > share_s:
        steps = f" with {least} of {MAX_STEPS} steps" if least else ""
        raise BeyondBudgetError(
            f"a run{steps} takes {spent_s:.3g} s, the budget leaves {share_s:.3g} s a round"
        )
    timing = Timing(made.size / sample_rate_hz, first_s)
    if contestant.paper:
        timing.timed_steps = planned_steps(spent_s, whole_s, share_s)
    return timing, made
