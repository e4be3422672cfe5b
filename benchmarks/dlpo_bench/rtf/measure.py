"""The whole measurement, and the figures of its record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlpo.errors import InputError
from dlpo.noise_schedule import MAX_STEPS
from dlpo_bench.machine import Interference, watch_machine
from dlpo_bench.rtf.cases import Case, denoiser_cases, speech_cases
from dlpo_bench.rtf.contestants import (
    COMPILED,
    CONTESTANTS,
    REFERENCE,
    SERVED,
    Contestant,
    Field,
    check_names,
    describe,
    open_field,
)
from dlpo_bench.rtf.figures import figures_of, length_costs, samples_of
from dlpo_bench.rtf.models import MeasuredModel, open_model
from dlpo_bench.rtf.pinning import environment, pinned
from dlpo_bench.rtf.timing import time_in_turns
from dlpo_bench.rtf.torch_chains import PAPER_CHAIN
from dlpo_serving.voices import DEFAULT_VOICE

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
