"""The judges of a run: its reward, and those held out from it."""

from __future__ import annotations

import logging
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
from dlpo.errors import CheckpointError, ConfigError, DataError, MissingExtraError
from dlpo.judges.distillmos import DistillMOS
from dlpo.judges.judge import Recogniser
from dlpo.judges.levels import active_level_db, high_band_db
from dlpo.judges.pocketsphinx import PocketSphinx
from dlpo.rl.collector import VALIDATION_KEY, run_chains
from dlpo.rl.conditions import reach_of
from dlpo.rl.direct import DifferentiableReward
from dlpo.rl.methods import Plan
from dlpo.rl.prompts import validation_prompts
from dlpo.rl.rewards.augmentation import AugmentedJudge
from dlpo.rl.rewards.differentiable import DifferentiableJudge
from dlpo.rl.rewards.named import REWARDS, RewardSources, build_reward
from dlpo.rl.rewards.reward import Reward
from dlpo.rl.rewards.utmos import Utmos
from dlpo.rl.rewards.weighted import WeightedSum
from dlpo.rl.rollout import Key

log = logging.getLogger(__name__)
JUDGES = ("distillmos", "nisqa", "nisqa_tts", "dnsmos")  # that may be held out, keys of REWARDS
RECORDINGS = 32  # whose energy above 4 kHz the guard keeps


@dataclass(frozen=True, slots=True)
class RewardModels:
    """The judges of a run."""

    reward: WeightedSum
    judges: Sequence[Reward]
    """held out from the reward"""
    recogniser: Recogniser | None = None
    """of the word errors"""
    differentiable: DifferentiableReward | None = None
    """the reward with a gradient, for the direct method"""


def load_reward_models(
    start: Path, data: Path, plan: Plan, settings: TuningConfig, sources: RewardSources
) -> RewardModels:
    """Load judges by the names in a plan.

    Args:
        start: checkpoint to tune; the loudness guard keeps its level.
        data: dataset; the high_band guard keeps the brightness of its recordings.
        plan: names the rewards.
        settings: standardisation and augmentation.
        sources: paths of weights; targets of guards are measured unless given.

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
    return RewardModels(
        build_reward(plan.rewards, sources, settings.standardisation),
        held_out_judges(tuple(plan.rewards), sources),
        PocketSphinx(),
        differentiable,
    )


def held_out_judges(rewards: Sequence[str], sources: RewardSources) -> list[Reward]:
    """Every available judge that is not part of the reward.

    Args:
        rewards: names of the reward's parts, keys of `REWARDS`.
        sources: where the weights are.
    """
    judges = []
    for name in JUDGES:
        if name in rewards:
            continue
        try:
            judges.append(REWARDS[name](sources))
        except (CheckpointError, ConfigError, MissingExtraError) as error:
            log.warning("%s is not available as a held-out judge: %s", name, error)
    if not judges:
        log.warning("no judge is held out; the reward itself selects the best checkpoint")
    return judges


def differentiable_reward(
    weights: dict[str, float], sources: RewardSources, augment: bool
) -> DifferentiableReward:
    """The weighted sum of rewards with a gradient, each in its own scale.

    Args:
        weights: name -> weight.
        sources: where UTMOS is.
        augment: whether it receives augmented clips.

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
            f"the direct method needs a differentiable reward, and {', '.join(unusable)} is not;"
            f" expected some of distillmos, and utmos with --utmos FILE"
        )
    judges: list[tuple[float, DifferentiableReward]] = []
    for name, weight in weights.items():
        judge: DifferentiableReward = DifferentiableJudge(known[name]())
        judges.append((weight, AugmentedJudge(judge) if augment else judge))

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
    reach = reach_of(model, prompts[0])
    batch = run_chains(model, prompts, plan.chain, VALIDATION_KEY, 1, settings.rows, reach)
    waveforms = batch.clips(model).waveforms
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
            f"{data}: no recordings in the train split, so the high_band reward has no"
            " target; leave it out, or prepare a corpus with audio"
        )
    return float(np.mean([high_band_db(dataset[i].waveform, SAMPLE_RATE) for i in recorded]))
