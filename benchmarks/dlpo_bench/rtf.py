"""Real-time factors of every implementation that speaks with the same weights, in one run."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.stats import median_abs_deviation

from dlpo.bundle import Bundle
from dlpo.checkpoint import Checkpoint, load_checkpoint
from dlpo.errors import DlpoError, EngineError, InputError
from dlpo.noise_schedule import MAX_STEPS
from dlpo.repository import checkpoint_at
from dlpo.text import TextFrontEnd
from dlpo_bench.load.texts import text_of_length
from dlpo_bench.machine import pinned
from dlpo_bench.options import RtfOptions
from dlpo_bench.record import Measured
from dlpo_bench.statistics import Estimate, Tell, bootstrap, rotated, silent
from dlpo_bench.systems import WHOLE
from dlpo_bench.torch_engine import PAPER_CHAIN, PaperSampler, TorchEngine
from dlpo_serving.engine import Engine, Floats
from dlpo_serving.engines import PRECISIONS, EngineName, EnginePrecision, open_engine
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesis.chunks import STREAM_LADDER
from dlpo_serving.voices import find_voice
from dlpo_serving.voices.synthesizer import Synthesizer

Values = NDArray[np.float64]

PAPER, EAGER = f"eager-{MAX_STEPS}", "eager"
EAGER_IN_CHUNKS, IN_SENTENCES = f"{EAGER} streamed", "whole"
BASELINES = (PAPER, EAGER, EAGER_IN_CHUNKS, "cpu:fp32")
SERVED = tuple(f"{engine}:{p}" for engine, offered in PRECISIONS.items() for p in offered)
CONTESTANTS = (PAPER, EAGER, *SERVED)
SEED = 0  # of the noise
SLICE = 50  # of the 1000 steps, if all don't fit the budget
LEAST_SLICE = 10  # fewer say too little about the rest


def load_weights(checkpoint: Path, bundle: Bundle) -> Checkpoint:
    """Load the checkpoint that a bundle was exported from.

    Raises:
        InputError: the bundle was exported from another checkpoint.
        CheckpointError: it can't be loaded.
    """
    loaded, exported = load_checkpoint(checkpoint_at(checkpoint)), bundle.manifest.checkpoint.sha256
    if loaded.sha256 != exported:
        raise InputError(
            f"{checkpoint} has the weights {loaded.sha256[:12]}, voice {bundle.manifest.voice!r}"
            f" was exported from {exported[:12]}; only the same weights can be compared: give the"
            " checkpoint of the voice"
        )
    return loaded


@dataclass(frozen=True, slots=True)
class Contestant:
    """One loaded implementation."""

    engine: Engine
    synthesizer: Synthesizer
    ladder: Sequence[int]
    """chunk lengths in frames"""
    steps: int
    load_s: float
    paper: PaperSampler | None = None
    """the engine, if it can skip steps"""

    def speak(self, text: str) -> Floats:
        """(T,) audio of a text: front end, encoder, frames, every chunk."""
        request = SpeechRequest(text, seed=SEED, steps=self.steps)
        return self.synthesizer.speak(request, self.ladder)


@dataclass(slots=True)
class Field:
    """All contestants of a run."""

    present: dict[str, Contestant] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    """contestant, or contestant and text -> why it is not measured"""


def open_field(
    bundle: Bundle, checkpoint: Checkpoint, steps: int, names: Sequence[str], tell: Tell = silent
) -> Field:
    """Load every contestant in `names` that runs here; `steps` is for all but the paper's sampler.

    Raises:
        EngineError: none can.
    """
    found = Field()
    for name in names:
        try:
            found.present |= _open(name, bundle, checkpoint, steps)
        except DlpoError as error:
            found.skipped[name] = str(error)
            tell(f"skipped {name}: {error}")
    if not found.present:
        raise EngineError(
            "none of the contestants runs on this machine; see the reasons above, or choose others"
        )
    return found


def _open(name: str, bundle: Bundle, checkpoint: Checkpoint, steps: int) -> dict[str, Contestant]:
    """Load one; if it can do both, it appears in chunks as served and as whole sentences."""
    start, manifest = time.perf_counter(), bundle.manifest
    engine: Engine
    paper: PaperSampler | None = None
    if name in SERVED:
        runtime, _, precision = name.partition(":")
        engine = open_engine(bundle, cast(EngineName, runtime), cast(EnginePrecision, precision))
    elif name == PAPER:
        engine = paper = PaperSampler(checkpoint, manifest)
        steps = MAX_STEPS
    else:
        engine = in_torch = TorchEngine(checkpoint, manifest, manifest.noise_schedule, (steps,))
        # As measured at export, so that it computes no more than the others.
        in_torch.manifest = replace(in_torch.manifest, needed_context=manifest.needed_context)
    load_s = time.perf_counter() - start
    synthesizer = Synthesizer(engine, TextFrontEnd(manifest.dictionary))
    whole = Contestant(engine, synthesizer, WHOLE, steps, load_s, paper)
    chunked = replace(whole, ladder=STREAM_LADDER)
    if name in SERVED:
        return {name: chunked, f"{name} {IN_SENTENCES}": whole}
    more = {EAGER_IN_CHUNKS: chunked} if name == EAGER else {}
    return {name: whole, **more}


@dataclass(slots=True)
class CaseTimes:
    """Times of one contestant on one text."""

    audio_s: float
    """duration of its audio"""
    first_s: float
    """of the first run, including one-time preparation"""
    timed_steps: int | None = None
    """if it skips steps: how many of the 1000 were computed, the others being extrapolated"""
    runs_s: list[float] = field(default_factory=list)
    """one per round"""

    @property
    def rtf(self) -> Values:
        """(rounds,)"""
        return np.array(self.runs_s) / self.audio_s


Timings = dict[str, dict[str, CaseTimes]]
"""Length of the text, such as "5 s" -> contestant -> its times."""


def time_in_turns(
    field: Field, lengths_s: Sequence[float], sample_rate_hz: int, rounds: int, budget_s: float,
    tell: Tell = silent,
) -> Timings:  # fmt: skip
    """Let every contestant speak every text, in turns, round after round.

    Args:
        field: receives a reason for each text that a contestant has to skip; one that fails is
            removed altogether.
        lengths_s: approximate lengths of the texts, shortest to longest.
        rounds: after each contestant's first run.
        budget_s: limit for all rounds of one contestant on one text.

    Raises:
        EngineError: no contestant is left.
    """
    texts = {f"{seconds:g} s": text_of_length(seconds) for seconds in lengths_s}
    timings: Timings = {label: {} for label in texts}
    for name in list(field.present):
        tell(f"warming up {name}")
        try:
            _warm_up(field, name, texts, timings, sample_rate_hz, budget_s / rounds)
        except DlpoError as error:
            del field.present[name]
            for found in timings.values():
                found.pop(name, None)
            field.skipped[name] = str(error)
            tell(f"skipped {name}: {error}")
    if not any(timings.values()):
        raise EngineError(
            "nothing could be timed; see the reasons above, raise the budget or choose others"
        )
    for number in range(rounds):
        tell(f"round {number + 1} of {rounds}")
        for label, found in timings.items():
            for name in rotated(list(found), number):
                elapsed_s, _ = run_once(field.present[name], texts[label], found[name].timed_steps)
                found[name].runs_s.append(elapsed_s)
    return timings


def run_once(
    contestant: Contestant, text: str, timed_steps: int | None = None
) -> tuple[float, Floats]:
    """Seconds taken, extrapolated over steps that `timed_steps` skips; and the audio."""
    paper = contestant.paper
    if paper and timed_steps:
        paper.timed_steps, paper.left_out_s = timed_steps, 0.0
    start = time.perf_counter()
    made = contestant.speak(text)
    elapsed_s = time.perf_counter() - start
    return elapsed_s + (paper.left_out_s if paper else 0.0), made


def planned_steps(slice_s: float, whole_s: float, share_s: float) -> int:
    """How many of the 1000 steps to compute per round.

    Args:
        slice_s: time of a run with LEAST_SLICE steps.
        whole_s: time of a run with all steps, extrapolated from it.
        share_s: limit for one run, at least `slice_s`.

    Returns:
        1000 if that fits; otherwise as many as fit, up to SLICE.
    """
    if whole_s <= share_s:
        return MAX_STEPS
    step_s = (whole_s - slice_s) / (MAX_STEPS - LEAST_SLICE)
    return min(SLICE, LEAST_SLICE + int((share_s - slice_s) / step_s))


def _warm_up(
    field: Field, name: str, texts: Mapping[str, str], timings: Timings, sample_rate_hz: int,
    share_s: float,
) -> None:  # fmt: skip
    """Let one contestant speak every text, until one exceeds the budget."""
    found: CaseTimes | str | None = None
    for label, text in texts.items():
        if isinstance(found, str):
            found = "a shorter one was beyond the budget already"
        else:
            found = _first_run(field.present[name], text, sample_rate_hz, share_s)
        if isinstance(found, str):
            field.skipped[f"{name}, {label}"] = found
        else:
            timings[label][name] = found


def _first_run(
    contestant: Contestant, text: str, sample_rate_hz: int, share_s: float
) -> CaseTimes | str:
    """Its times so far; or, for a text that exceeds the budget, the estimated time."""
    least = LEAST_SLICE if contestant.paper else None

    def run() -> tuple[float, float, Floats]:
        start = time.perf_counter()
        whole_s, made = run_once(contestant, text, least)
        return time.perf_counter() - start, whole_s, made

    spent_s, first_s, made = run()
    whole_s = first_s
    if spent_s > share_s:  # one-time preparation doesn't count
        spent_s, whole_s, made = run()
    if spent_s > share_s:
        steps = f" with {least} of {MAX_STEPS} steps" if least else ""
        return f"a run{steps} takes {spent_s:.3g} s, the budget leaves {share_s:.3g} s a round"
    times = CaseTimes(made.size / sample_rate_hz, first_s)
    if contestant.paper:
        times.timed_steps = planned_steps(spent_s, whole_s, share_s)
    return times


def figures_of(timings: Timings) -> dict[str, Any]:
    """Length of the text -> `audio_s`, and the figures of each contestant.

    These are `rtf_min`, `rtf_median`, `rtf_spread` (median absolute deviation), `first_rtf` for the
    first run; `speedup` over each baseline with its interval; and `timed_steps` if a slice was
    extrapolated.
    """
    found: dict[str, Any] = {}
    for label, timed in timings.items():
        rows: dict[str, dict[str, Any]] = {}
        for name, times in timed.items():
            rows[name] = {
                "rtf_min": float(times.rtf.min()),
                "rtf_median": float(np.median(times.rtf)),
                "rtf_spread": float(median_abs_deviation(times.rtf)),
                "first_rtf": times.first_s / times.audio_s,
                "speedup": {
                    baseline: speedup(timed[baseline].rtf, times.rtf).figure
                    for baseline in BASELINES
                    if baseline in timed and name not in (baseline, PAPER)
                },
            }
            if times.timed_steps not in (None, MAX_STEPS):
                rows[name]["timed_steps"] = times.timed_steps
        if timed:
            audio_s = float(np.median([times.audio_s for times in timed.values()]))
            found[label] = {"audio_s": audio_s, "contestants": rows}
    return found


def speedup(slow: Values, quick: Values) -> Estimate:
    """Ratio of medians with interval; whole rounds are resampled, as both share conditions.

    Args:
        slow, quick: (rounds,) of the same rounds.
    """

    def ratios(rounds: NDArray[np.intp]) -> Values:
        found: Values = np.median(slow[rounds], axis=1) / np.median(quick[rounds], axis=1)
        return found

    return bootstrap(ratios, len(slow))


def measure_rtf(options: RtfOptions, tell: Tell = silent) -> Measured:
    """Time every contestant that runs here.

    Raises:
        InputError: see `load_weights` and `pinned`; or no such contestant or number of steps.
        CheckpointError, BundleError: the weights can't be loaded.
        EngineError: nothing can be timed here.
    """
    if unknown := [name for name in options.contestant if name not in CONTESTANTS]:
        raise InputError(f"contestant {unknown[0]!r} is unknown; expected {', '.join(CONTESTANTS)}")
    bundle = Bundle.load(find_voice(options.voice))
    manifest, steps = bundle.manifest, options.steps or bundle.manifest.steps
    if steps not in manifest.available_steps:
        offer = ", ".join(map(str, manifest.available_steps))
        raise InputError(f"steps is {steps}; voice {options.voice!r} has {offer}")
    assert options.rounds is not None  # the preset has filled them
    assert options.budget_s is not None
    checkpoint = load_weights(options.checkpoint, bundle)
    chain, paper = manifest.noise_schedule, PAPER_CHAIN
    with pinned(options.threads, options.core) as cores:
        field = open_field(bundle, checkpoint, steps, options.contestant or CONTESTANTS, tell)
        rate_hz, lengths_s = manifest.sample_rate_hz, sorted(options.seconds)
        timings = time_in_turns(field, lengths_s, rate_hz, options.rounds, options.budget_s, tell)
        figures = {
            "model": checkpoint.config.model,
            "weights": f"checkpoint {checkpoint.sha256}",
            "parameters": sum(p.numel() for p in checkpoint.model.parameters()),
            "chain": {"steps": steps, "schedule": chain.name, "eta": chain.eta},
            "paper_chain": {"steps": MAX_STEPS, "schedule": paper.name, "eta": paper.eta},
            "served": f"cpu:{manifest.precision}",
            "rounds": options.rounds,
            "budget_s": options.budget_s,
            "torch_threads": options.threads,
            "cores": cores,
            "contestants": {
                name: {
                    "load_s": one.load_s,
                    "speaks in": "whole sentences" if one.ladder == WHOLE else "chunks, as served",
                }
                for name, one in field.present.items()
            },
            "skipped": field.skipped,
            "speech": figures_of(timings),
        }
    samples = {
        label: {name: {"speech_rtf": times.rtf.tolist()} for name, times in timed.items()}
        for label, timed in timings.items()
    }
    return Measured(figures, {"speech": samples}, bundle_sha256=bundle.sha256)
