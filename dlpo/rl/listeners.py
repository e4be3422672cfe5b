"""Everybody who listens to a run: the reward, and those who are held out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dlpo.audio import SAMPLE_RATE
from dlpo.checkpoint import load_checkpoint
from dlpo.config import TuningConfig
from dlpo.data.dataset import Dataset
from dlpo.errors import ConfigError, DataError
from dlpo.judges.distillmos import DistillMOS
from dlpo.judges.judge import Recogniser
from dlpo.judges.levels import active_level_db, high_band_db
from dlpo.judges.pocketsphinx import PocketSphinx
from dlpo.rl.conditions import reach_of
from dlpo.rl.direct import DifferentiableReward
from dlpo.rl.held_out import KEY, held_out_judges, validation_prompts
from dlpo.rl.plan import Plan
from dlpo.rl.rewards.differentiable import DifferentiableJudge
from dlpo.rl.rewards.hardened import HardenedJudge
from dlpo.rl.rewards.named import RewardSources, build_reward
from dlpo.rl.rewards.reward import Reward
from dlpo.rl.rewards.utmos import Utmos
from dlpo.rl.rewards.weighted import WeightedSum
from dlpo.rl.rollout import Key
from dlpo.rl.rollouts import say

RECORDINGS = 32  # whose energy above 4 kHz the guard keeps


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who listens."""

    reward: WeightedSum
    judges: Sequence[Reward]
    """held out: no part of the reward"""
    recogniser: Recogniser | None = None
    """of the word errors"""
    differentiable: DifferentiableReward | None = None
    """the reward with a gradient, for the direct method"""


def open_listeners(
    start: Path, data: Path, plan: Plan, settings: TuningConfig, sources: RewardSources
) -> Listeners:
    """Load judges by the names in a plan.

    Args:
        start: checkpoint that is tuned; guards keep its level.
        data: dataset; guards keep the brightness of its recordings.
        plan: names the rewards.
        settings: how they hear.
        sources: where weights are; what guards keep is measured if it is not given.

    Raises:
        ConfigError: an unknown reward, or a direct method whose reward has no gradient.
        CheckpointError, DataError: what a reward is made from can't be used.
        MissingExtraError: a judge's package is not installed.
    """
    differentiable = None
    if plan.objective.method == "direct":
        differentiable = differentiable_reward(plan.rewards, sources, settings.augment)
    if "loudness" in plan.rewards and sources.level_db is None:
        sources = replace(sources, level_db=spoken_level_db(start, data, plan, settings))
    if "high_band" in plan.rewards and sources.high_band_db is None:
        sources = replace(sources, high_band_db=recorded_high_band_db(data))
    return Listeners(
        build_reward(plan.rewards, sources, settings.standardisation),
        held_out_judges(tuple(plan.rewards), sources),
        PocketSphinx(),
        differentiable,
    )


def differentiable_reward(
    weights: dict[str, float], sources: RewardSources, hardened: bool
) -> DifferentiableReward:
    """The weighted sum of rewards with a gradient, each in its own scale.

    Args:
        weights: name -> weight.
        sources: where UTMOS is.
        hardened: whether it hears its clips changed a little.

    Raises:
        ConfigError: a reward that has no gradient.
    """
    known: dict[str, Callable[[], DistillMOS | Utmos]] = {"distillmos": DistillMOS}
    utmos = sources.utmos
    if utmos is not None:
        known["utmos"] = lambda: Utmos(utmos)
    unusable = sorted(set(weights) - set(known))
    if unusable:
        raise ConfigError(
            f"the direct method goes back through its reward, and {', '.join(unusable)} can't be"
            f" gone through here; expected some of distillmos, and utmos with --utmos FILE"
        )
    judges: list[tuple[float, DifferentiableReward]] = []
    for name, weight in weights.items():
        judge: DifferentiableReward = DifferentiableJudge(known[name]())
        judges.append((weight, HardenedJudge(judge) if hardened else judge))

    def total(waveforms: Tensor, samples: Tensor, keys: Sequence[Key]) -> Tensor:
        scores = [weight * judge(waveforms, samples, keys) for weight, judge in judges]
        return torch.stack(scores).sum(0)

    return total


def spoken_level_db(start: Path, data: Path, plan: Plan, settings: TuningConfig) -> float:
    """Mean active level of a checkpoint on the validation sentences: what loudness keeps."""
    model = load_checkpoint(start).model
    prompts = validation_prompts(
        Dataset(data), settings.validation_sentences, settings.validation_longest_s
    )
    said = say(model, prompts, plan.chain, KEY, 1, settings.rows, reach_of(model, prompts[0]))
    waveforms = [waveform for part in said.parts for waveform in part.waveforms(model)]
    return float(np.mean([active_level_db(waveform, SAMPLE_RATE) for waveform in waveforms]))


def recorded_high_band_db(data: Path) -> float:
    """Mean energy above 4 kHz of training recordings, over all energy: what high_band keeps.

    Raises:
        DataError: there are none.
    """
    dataset = Dataset(data)
    recorded = dataset.split("train", with_audio=True)[:RECORDINGS]
    if not recorded:
        raise DataError(
            f"{data}: no recordings in the train split, so the high_band reward has nothing to"
            " keep; leave it out, or prepare a corpus with audio"
        )
    return float(np.mean([high_band_db(dataset[i].waveform, SAMPLE_RATE) for i in recorded]))
