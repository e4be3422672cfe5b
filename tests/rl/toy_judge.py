"""Does DLPO learn? On a toy judge whose best score is known, with the clock running.

    python -m research.toy_judge --data D --record

The judge wants each sentence one decibel per octave brighter than the untuned voice speaks it, and
reveals only how far off it is. The possible gain is therefore that decibel. Progress is measured on
validation sentences, which are never prompts. The run ends when two consecutive measurements reach
the goal: a single one could be an overshoot.
"""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, cast

import numpy as np
import torch
import typer

from dlpo.checkpoint import load_checkpoint
from dlpo.config.training import TuningConfig
from dlpo.data.dataset import Corpora
from dlpo.errors import DlpoError
from dlpo.judges.judge import Scores, Waveform, check_waveforms
from dlpo.model.build import Model
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.chain import ChainPolicy
from dlpo.rl.collector import run_chains
from dlpo.rl.conditions import reach_of
from dlpo.rl.methods import Plan
from dlpo.rl.objective import Explore, MethodName, Objective
from dlpo.rl.prompts import Prompt, Prompts, validation_prompts
from dlpo.rl.reward_models import RewardModels
from dlpo.rl.rewards import ClipBatch, MeasuredReward, WeightedSum
from dlpo.rl.tuner import Tuner
from dlpo_bench.record import Measured, write_record
from research import RECORDS

KEY = (7, 0)  # of the noise for measuring the untuned voice
ROWS = 8  # concurrent chains outside of training
HELD_OUT, LONGEST_HELD_OUT_S = 8, 6.0
LOWEST_HZ, HIGHEST_HZ = 250.0, 8_000.0  # the five octaves that speech occupies
BANDS_PER_OCTAVE = 3
POWER_FLOOR = 1e-12  # gives silence a tilt: 0


def spectral_tilt_db(waveform: Waveform, sample_rate_hz: int) -> float:
    """Slope of the long-term spectrum in dB per octave: the line fitted to its third-octave bands.

    White noise has +3, as third-octave bands double in width every octave; speech about -3.
    """
    power = np.abs(np.fft.rfft(waveform.astype(np.float64))) ** 2
    hertz = np.fft.rfftfreq(len(waveform), 1 / sample_rate_hz)
    octaves = np.log2(np.maximum(hertz, 1.0) / LOWEST_HZ)
    bands = round(np.log2(HIGHEST_HZ / LOWEST_HZ)) * BANDS_PER_OCTAVE
    band = np.floor(octaves * BANDS_PER_OCTAVE).astype(int)
    within = (band >= 0) & (band < bands)
    levels_db = 10 * np.log10(np.bincount(band[within], power[within], bands) + POWER_FLOOR)
    slope, _ = np.polyfit((np.arange(bands) + 0.5) / BANDS_PER_OCTAVE, levels_db, 1)
    return float(slope)


def spectral_tilt(target_db: Callable[[str], float]) -> MeasuredReward:
    """Minus the distance of the tilt from its target, in dB per octave; 0 is the optimum.

    Sentences differ in tilt with their content, so each has its own target: the optimum is then
    reachable by a voice that is slightly brighter throughout.

    Args:
        target_db: text -> desired tilt.
    """

    def score(clips: ClipBatch) -> Scores:
        check_waveforms(clips.waveforms, clips.sample_rate_hz)
        distances = [
            abs(spectral_tilt_db(waveform, clips.sample_rate_hz) - target_db(text))
            for waveform, text in zip(clips.waveforms, clips.texts, strict=True)
        ]
        return -np.array(distances)

    return MeasuredReward("spectral_tilt", score)


@dataclass(frozen=True, slots=True)
class Point:
    """State of a run."""

    update: int
    distance_db: float
    """distance of held-out sentences from their targets, mean, dB per octave"""
    gain: float
    """share of the possible gain: 0 = untuned, 1 = the optimum"""
    brighter_db: float
    """how much brighter than untuned, mean; the run has overshot if above the target"""
    seconds: float
    """since the first update began, excluding these measurements"""
    cpu_seconds: float
    """CPU time of this process over the same period"""


class Targets:
    """Text -> the tilt of the untuned voice plus a fixed number of decibels.

    Args:
        model: the untuned voice, in eval mode.
        prompts: every text that will be spoken.
        chain: chain that speaks them.
        more_db: dB per octave to add.
        seeds: number of seeds averaged for the voice's own tilt.
    """

    def __init__(
        self,
        model: Model,
        prompts: Iterable[Prompt],
        chain: NoiseSchedule,
        more_db: float,
        seeds: int = 4,
    ) -> None:
        self.model = model
        self.chain = chain
        self.more_db = more_db
        self.seeds = seeds
        self.prompts = {prompt.text: prompt for prompt in prompts}
        self.known: dict[str, float] = {}

    def __call__(self, text: str) -> float:
        """dB per octave."""
        if text not in self.known:
            own = tilts(self.model, [self.prompts[text]], self.chain, self.seeds)
            self.known[text] = float(np.mean(own)) + self.more_db
        return self.known[text]


def tilts(
    model: Model, prompts: Sequence[Prompt], chain: NoiseSchedule, seeds: int = 1
) -> list[float]:
    """dB per octave of each sentence and seed, always with the same noise."""
    policy = ChainPolicy(model, chain, reach_of(model, prompts[0]))
    parts = run_chains(policy, prompts, KEY, seeds, ROWS).parts
    return [
        spectral_tilt_db(w, model.config.grid.sample_rate_hz)
        for part in parts
        for w in part.waveforms(model)
    ]


def run(
    checkpoint: Path,
    data: Path,
    out: Path,
    plan: Plan,
    settings: TuningConfig,
    more_db: float,
    goal: float,
    every: int,
) -> list[Point]:
    """Tune until the goal is reached or the updates are used up.

    Args:
        goal: share of the possible gain.
        every: updates between measurements.
    """
    dataset, untuned = Corpora([data], [1.0]), load_checkpoint(checkpoint).model.eval()
    prompts = Prompts(dataset, settings.seed, settings.longest_s)
    targets = Targets(untuned, (prompts[i] for i in range(len(prompts))), plan.chain, more_db)
    held_out = validation_prompts(dataset, HELD_OUT, LONGEST_HELD_OUT_S)
    everyone = validation_prompts(dataset, len(dataset))  # includes the tuner's own panel
    targets.prompts |= {prompt.text: prompt for prompt in everyone}
    wanted = np.array(tilts(untuned, held_out, plan.chain)) + more_db
    reward = WeightedSum([spectral_tilt(targets)], {"spectral_tilt": 1.0})
    tuner = Tuner(checkpoint, dataset, out, plan, settings, RewardModels(reward, []))
    curve: list[Point] = []
    began, began_cpu = time.perf_counter(), time.process_time()

    def report(update: int, figures: dict[str, float]) -> None:
        nonlocal began, began_cpu
        if update % every and update != settings.updates:
            return
        now, now_cpu = time.perf_counter(), time.process_time()
        tuned = cast(Model, tuner.averaged.module.eval())
        beyond = np.array(tilts(tuned, held_out, plan.chain)) - wanted
        distance = float(np.abs(beyond).mean())
        gain, brighter = 1 - distance / more_db, float(beyond.mean()) + more_db
        curve.append(Point(update, distance, gain, brighter, now - began, now_cpu - began_cpu))
        typer.echo(str(curve[-1]), err=True)
        if len(curve) > 1 and min(point.gain for point in curve[-2:]) >= goal:
            tuner.stopped = f"{gain:.0%} of the possible gain is reached"
        began += time.perf_counter() - now
        began_cpu += time.process_time() - now_cpu

    tuner.run(report)
    return curve


def main(
    data: Annotated[Path, typer.Option(exists=True, help="Dataset from `dlpo prepare`.")],
    checkpoint: Annotated[Path, typer.Option(exists=True)] = Path("voices/spectral/checkpoint"),
    out: Annotated[Path | None, typer.Option(help="Keeps the run; nothing is kept else.")] = None,
    method: Annotated[str, typer.Option(help="As `dlpo tune` takes it.")] = "dlpo",
    explore: Annotated[str, typer.Option(help="chain or weights.")] = "chain",
    beta: Annotated[float, typer.Option(min=0, help="Weight of the diffusion loss.")] = 1.0,
    explore_rate: Annotated[float, typer.Option(help="Of exploring weights.")] = 0.01,
    more_db: Annotated[float, typer.Option(help="What the judge wants, dB an octave.")] = 1.0,
    goal: Annotated[float, typer.Option(help="Share of the possible gain to end at.")] = 0.9,
    updates: Annotated[int, typer.Option(min=1)] = 150,
    learning_rate: Annotated[float, typer.Option()] = 8e-5,
    sentences: Annotated[int, typer.Option(min=1, help="Prompts an update.")] = 4,
    group: Annotated[int, typer.Option(min=2, help="Seeds of each.")] = 8,
    passes: Annotated[int, typer.Option(min=1, help="Steps on each rollout.")] = 1,
    longest_s: Annotated[float, typer.Option(help="Longest prompt.")] = 1.5,
    seed: Annotated[int, typer.Option()] = 0,
    every: Annotated[int, typer.Option(min=1, help="Updates between measurements.")] = 5,
    record: Annotated[bool, typer.Option(help="Write a benchmark record.")] = False,
) -> None:
    """Tune on the toy judge and report the share of the possible gain reached, with the seconds."""
    objective = Objective(
        cast(MethodName, method), cast(Explore, explore), beta=beta, guide="return"
    )
    plan = Plan(objective, {"spectral_tilt": 1.0})
    settings = TuningConfig(
        updates=updates, sentences=sentences, group=group, rows=8, passes=passes,
        learning_rate=learning_rate, explore_rate=explore_rate, warm_up=1, ema_decay=0.9,
        longest_s=longest_s, guard=False, validation_sentences=1,
        validation_longest_s=LONGEST_HELD_OUT_S, validate_every=updates, save_every=updates,
        seed=seed,
    )  # fmt: skip
    try:
        with tempfile.TemporaryDirectory() as scratch:
            curve = run(
                checkpoint, data, out or Path(scratch), plan, settings, more_db, goal, every
            )
        last = curve[-1]
        figures = {
            "method": method,
            "possible_gain_db_per_octave": more_db,
            "share_reached": last.gain,
            "updates": last.update,
            "chains": last.update * sentences * group,
            "seconds": last.seconds,
            "cpu_seconds": last.cpu_seconds,
            "threads": torch.get_num_threads(),
            "load_average": os.getloadavg()[0],
            "plan": asdict(plan),
            "settings": asdict(settings),
        }
        typer.echo(
            f"{last.gain:.0%} of the possible {more_db:g} dB an octave after {last.update} updates,"
            f" {last.seconds:.0f} s, {last.cpu_seconds:.0f} s of CPU"
        )
        if record:
            command = shlex.join(["python", "-m", "research.toy_judge", *sys.argv[1:]])
            samples = {"curve": [asdict(point) for point in curve]}
            typer.echo(write_record("toy-judge", Measured(figures, samples), command, RECORDS))
    except DlpoError as error:
        typer.echo(f"research.toy_judge: {error}", err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)
