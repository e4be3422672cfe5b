"""A judge whose best score is known: it wants each sentence some decibels per octave brighter than
the untuned voice speaks it, and reveals only how far off it is. The possible gain is therefore
those decibels. Progress is measured on validation sentences, which are never prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import cast

import numpy as np

from dlpo.checkpoint import load_checkpoint
from dlpo.config.tuning import TuningConfig
from dlpo.data.dataset import Corpora
from dlpo.judges.judge import Scores, Waveform, check_waveforms
from dlpo.model.build import Model
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.collector import run_chains
from dlpo.rl.plan import Plan
from dlpo.rl.prompts import Prompt, Prompts, validation_prompts
from dlpo.rl.reward_models import RewardModels
from dlpo.rl.rewards import ClipBatch, MeasuredReward, WeightedSum
from dlpo.rl.spoken_chain import SpokenChain, reach_of
from dlpo.rl.tuner import Tuner

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
    policy = SpokenChain(model, chain, reach_of(model, prompts[0]))
    parts = run_chains(policy, prompts, KEY, seeds, ROWS).parts
    return [
        spectral_tilt_db(w, model.config.grid.sample_rate_hz)
        for part in parts
        for w in policy.waveforms(part)
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
) -> list[tuple[int, float]]:
    """Tune until two measurements in a row reach the goal (one could be an overshoot), or the
    updates are used up.

    Args:
        goal: share of the possible gain.
        every: updates between measurements.

    Returns:
        Updates and the share of the possible gain, 0 = untuned and 1 = the optimum.
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
    curve: list[tuple[int, float]] = []

    def report(update: int, figures: dict[str, float]) -> None:
        if update % every and update != settings.updates:
            return
        tuned = cast(Model, tuner.averaged.module.eval())
        distance = float(np.abs(np.array(tilts(tuned, held_out, plan.chain)) - wanted).mean())
        curve.append((update, 1 - distance / more_db))
        if len(curve) > 1 and min(gain for _, gain in curve[-2:]) >= goal:
            tuner.stopped = "most of the possible gain is reached"

    tuner.run(report)
    return curve
