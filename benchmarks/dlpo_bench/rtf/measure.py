"""Times contestants in turns, on pinned cores and within a budget."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import median_abs_deviation

from dlpo.errors import DlpoError, EngineError, InputError
from dlpo.noise_schedule import MAX_STEPS
from dlpo_bench.machine import Interference, watch_machine
from dlpo_bench.rtf.cases import SPEECH, Case, denoiser_cases, speech_cases
from dlpo_bench.rtf.contestants import (
    COMPILED,
    CONTESTANTS,
    EAGER,
    EAGER_IN_CHUNKS,
    PAPER,
    PAPER_CHAIN,
    REFERENCE,
    SERVED,
    Contestant,
    Field,
    MeasuredModel,
    check_names,
    describe,
    open_field,
    open_model,
)
from dlpo_bench.statistics import Estimate, bootstrap
from dlpo_export.parity.log_spectral_distance import log_spectral_distance
from dlpo_serving.engine import Floats
from dlpo_serving.voices import DEFAULT_VOICE

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_WAIT_POLICY")
PACKAGES = ("openvino", "onnxruntime-gpu", "tensorrt-cu13")  # beside those of every record


@contextmanager
def pinned(threads: int, core: int | None) -> Iterator[list[int] | None]:
    """Hold PyTorch to so many threads, and this process to as many cores.

    Args:
        core: the first of them; None takes the last that there are.

    Yields:
        The cores; None where the system can't hold a process to cores.

    Raises:
        InputError: there are not so many cores from this one on.
    """
    before = torch.get_num_threads()
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else None
    cores = None if allowed is None else _choose(allowed, threads, core)
    try:
        torch.set_num_threads(threads)
        if cores is not None:
            os.sched_setaffinity(0, cores)
        yield cores
    finally:
        torch.set_num_threads(before)
        if allowed is not None:
            os.sched_setaffinity(0, allowed)


def _choose(allowed: list[int], threads: int, core: int | None) -> list[int]:
    chosen = allowed[-threads:] if core is None else [c for c in allowed if c >= core][:threads]
    if len(chosen) < threads or core not in (None, chosen[0]):
        place = "" if core is None else f" from core {core} on"
        raise InputError(
            f"{threads} threads need as many cores{place}; this process may use"
            f" {', '.join(map(str, allowed))}"
        )
    return chosen


def environment(cores: list[int] | None) -> dict[str, Any]:
    """What else decides on speed, for the figures of a record."""
    packages = {}
    for package in PACKAGES:
        try:
            packages[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "torch_parallel": _parallel_info(),
        "governor": _governor(cores),
        "packages": packages,
    }


def _parallel_info() -> list[str]:
    """The lines of PyTorch's report that name a library or a number of threads."""
    words = ("OpenMP", "MKL", "threads", "backend")
    lines = (line.strip() for line in torch.__config__.parallel_info().splitlines())
    return [line for line in lines if any(word in line for word in words)]


def _governor(cores: list[int] | None) -> str:
    core = cores[0] if cores else 0
    path = Path(f"/sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor")
    try:
        return path.read_text("ascii").strip()
    except OSError:
        return "not readable"


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


BASELINES = (PAPER, EAGER, EAGER_IN_CHUNKS, REFERENCE)
SAME_DB = -400.0  # of equal audio

Values = NDArray[np.float64]


def figures_of(timings: Timings) -> dict[str, dict[str, Any]]:
    """Kind of case -> size -> `audio_s`, and for each contestant its figures.

    These are `rtf_min`, `rtf_median`, `rtf_spread` (median absolute deviation), `first_rtf` of the
    first run; `speedup` over each baseline with its interval; of speech `error_db` and
    `log_spectral_db` against the reference; and `timed_steps` where a slice was extrapolated.
    """
    found: dict[str, dict[str, Any]] = {}
    for (what, label), timed in timings.of.items():
        if not timed:
            continue
        rtf = {name: _rtf(timing) for name, timing in timed.items()}
        rows: dict[str, dict[str, Any]] = {}
        for name, timing in timed.items():
            rows[name] = {
                "rtf_min": float(rtf[name].min()),
                "rtf_median": float(np.median(rtf[name])),
                "rtf_spread": float(median_abs_deviation(rtf[name])),
                "first_rtf": timing.first_s / timing.audio_s,
                "speedup": {
                    baseline: speedup(rtf[baseline], rtf[name]).figure
                    for baseline in BASELINES
                    if baseline in rtf and name not in (baseline, PAPER)
                },
            }
            if timing.timed_steps not in (None, MAX_STEPS):
                rows[name]["timed_steps"] = timing.timed_steps
        if what == SPEECH:
            for name, apart in _deviations(timings.audio.get(label, {})):
                rows[name] |= apart
        audio_s = [timing.audio_s for timing in timed.values()]
        found.setdefault(what, {})[label] = {
            "audio_s": float(np.median(audio_s)),
            "contestants": rows,
        }
    return found


def samples_of(timings: Timings) -> dict[str, dict[str, dict[str, dict[str, list[float]]]]]:
    """Kind -> size -> contestant -> the real-time factor of each round, under its measure."""
    found: dict[str, dict[str, dict[str, dict[str, list[float]]]]] = {}
    for (what, label), timed in timings.of.items():
        for name, timing in timed.items():
            rows = found.setdefault(what, {}).setdefault(label, {})
            rows[name] = {f"{what}_rtf": _rtf(timing).tolist()}
    return found


def length_costs(timings: Timings) -> dict[str, dict[str, Any]]:
    """Contestant -> time per second of audio of the longest text / that of the other lengths."""
    labels = [label for what, label in timings.of if what == SPEECH]
    found: dict[str, dict[str, Any]] = {}
    for shorter in labels[:-1]:
        longest, before = (timings.of[SPEECH, label] for label in (labels[-1], shorter))
        for name in longest:
            if name in before:
                ratio = speedup(_rtf(longest[name]), _rtf(before[name]))
                found.setdefault(name, {})[f"{labels[-1]} / {shorter}"] = ratio.figure
    return found


def speedup(slow: Values, quick: Values, seed: int = 0) -> Estimate:
    """Ratio of medians with its interval; whole rounds are resampled, both have the same luck.

    Args:
        slow, quick: (rounds,) of the same rounds.
    """

    def ratios(rounds: NDArray[np.intp]) -> Values:
        found: Values = np.median(slow[rounds], axis=1) / np.median(quick[rounds], axis=1)
        return found

    return bootstrap(ratios, len(slow), seed)


def error_db(made: Floats, expected: Floats) -> float:
    """Energy of the difference of two (T,) waveforms / energy of the second, in dB."""
    error = float(np.sum((made.astype(np.float64) - expected) ** 2))
    energy = float(np.sum(expected.astype(np.float64) ** 2))
    if error == 0:
        return SAME_DB
    return max(SAME_DB, 10 * float(np.log10(error / energy))) if energy else -SAME_DB


def _deviations(audio: Mapping[str, Floats]) -> Iterator[tuple[str, dict[str, float]]]:
    expected = audio.get(REFERENCE)
    if expected is None:
        return
    for name, made in audio.items():
        if made.shape == expected.shape:  # else a duration was rounded the other way
            yield (
                name,
                {
                    "error_db": error_db(made, expected),
                    "log_spectral_db": log_spectral_distance(made, expected),
                },
            )


def _rtf(timing: Timing) -> Values:
    return np.array(timing.runs_s) / timing.audio_s


LONGEST_S = 600.0  # of a text or window
LARGEST_BATCH = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class RtfOptions:
    """What to measure."""

    model: str = "lite"
    """lite, base or large."""
    voice: str = DEFAULT_VOICE
    """Name or path of a bundle; of the others their dictionary and prosody."""
    checkpoint: Path = Path("voices/lj/tuned")
    """That the voice was exported from."""
    steps: int | None = None
    """N; None is the voice's own."""
    contestants: tuple[str, ...] = CONTESTANTS
    """Of `CONTESTANTS`; who can't run here is skipped."""
    seconds: tuple[float, ...] = (1, 5, 20, 60)
    """Lengths of texts, in audio; none leaves speech out."""
    windows: tuple[float, ...] = (0.2, 1, 5)
    """Lengths of the denoiser's windows, seconds."""
    batch: tuple[int, ...] = (1, 4, 8, 16, 32)
    """Windows that the denoiser takes at once, each `batch_window` long."""
    batch_window: float = 1.0
    """Seconds."""
    rounds: int = 9
    """Runs of each contestant on each case, after the first."""
    budget_s: float = 180.0
    """What all rounds of one contestant on one case may take."""
    threads: int = 1
    """Of PyTorch. Engines compute on one, as they serve."""
    core: int | None = None
    """The first that the process is held to; None is the last."""

    def __post_init__(self) -> None:
        """Raises InputError where something can't be measured."""
        check_names(self.contestants)
        for name, lengths in (("seconds", self.seconds), ("windows", self.windows),
                              ("batch_window", (self.batch_window,))):  # fmt: skip
            for length in lengths:
                if not 0.01 <= length <= LONGEST_S:
                    raise InputError(f"{name} has {length:g}; expected 0.01 to {LONGEST_S:g}")
        for batch in self.batch:
            if not 1 <= batch <= LARGEST_BATCH:
                raise InputError(f"batch has {batch}; expected 1 to {LARGEST_BATCH}")
        if not (self.seconds or self.windows or self.batch):
            raise InputError("nothing to time; give --seconds, --windows or --batch")
        if self.rounds < 3:
            raise InputError(f"rounds is {self.rounds}; a spread wants at least 3")
        if not self.budget_s > 0 or self.threads < 1:
            raise InputError(
                f"budget is {self.budget_s:g} s and threads {self.threads}; expected more than 0"
            )


QUICK: Mapping[str, Any] = {
    "contestants": tuple(name for name in CONTESTANTS if name != COMPILED),  # it compiles for long
    "seconds": (1.0, 5.0),
    "windows": (1.0,),
    "batch": (),
    "rounds": 5,
    "budget_s": 20.0,
}
"""Options that take a minute or so."""


@dataclass(frozen=True, slots=True)
class RtfRun:
    """What a run found."""

    figures: dict[str, Any]
    samples: dict[str, Any]
    interference: Interference
    bundle_sha256: str | None
    """of the voice; None with random weights"""


def measure_rtf(options: RtfOptions, tell: Callable[[str], None] = lambda line: None) -> RtfRun:
    """Time every contestant that runs here.

    Args:
        tell: takes lines on the progress, and who is skipped and why.

    Raises:
        InputError: see `open_model` and `pinned`.
        CheckpointError, BundleError: the weights can't be loaded.
        EngineError: nobody can be timed here.
    """
    needs_bundle = any(name in SERVED for name in options.contestants)
    with (
        pinned(options.threads, options.core) as cores,
        open_model(
            options.model, options.checkpoint, options.voice, options.steps, needs_bundle, tell
        ) as model,
    ):
        field = open_field(model, options.contestants, tell)
        cases = _cases(model, field, options)
        with watch_machine() as watch:
            timings = time_in_turns(
                field, cases, model.like.sample_rate_hz, options.rounds, options.budget_s, tell
            )
        figures = {
            **_about(options, model, cores),
            "machine": watch.interference.figures(),
            "contestants": describe(field),
            "skipped": field.skipped,
            **figures_of(timings),
            "length_costs": length_costs(timings),
        }
        sha256 = None if model.random or model.bundle is None else model.bundle.sha256
        return RtfRun(figures, samples_of(timings), watch.interference, sha256)


def _cases(model: MeasuredModel, field: Field, options: RtfOptions) -> list[Case]:
    by = _encoder(field)
    return [
        *speech_cases(model, by, options.seconds),
        *denoiser_cases(model, by, options.windows, options.batch, options.batch_window),
    ]


def _encoder(field: Field) -> Contestant:
    """Who reads the texts: the reference, else another that draws the noise of N steps."""
    others = (one for one in field.present.values() if one.paper is None)
    anybody = next(iter(field.present.values()))
    return field.present.get(REFERENCE) or next(others, anybody)


def _about(options: RtfOptions, model: MeasuredModel, cores: list[int] | None) -> dict[str, Any]:
    """What was measured, and under which conditions."""
    weights = (
        "random, which speed doesn't depend on; every symbol lasts equally long"
        if model.random
        else f"checkpoint {model.checkpoint.sha256}"
    )
    chains = {"steps": model.steps, "schedule": model.chain.name, "eta": model.chain.eta}
    paper = {"steps": MAX_STEPS, "schedule": PAPER_CHAIN.name, "eta": PAPER_CHAIN.eta}
    return {
        "model": model.name,
        "weights": weights,
        "parameters": sum(p.numel() for p in model.checkpoint.model.parameters()),
        "chain": chains,
        "paper_chain": paper,
        "served": None if model.random else f"cpu:{model.like.precision}",
        "rounds": options.rounds,
        "budget_s": options.budget_s,
        "torch_threads": options.threads,
        "cores": cores,
        "environment": environment(cores),
    }
