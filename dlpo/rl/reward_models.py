"""The judges of a run: its reward, built from the names in `--reward`, and the held-out ones."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from dlpo.config.tuning import TuningConfig
from dlpo.data.dataset import Corpora
from dlpo.errors import CheckpointError, ConfigError, DataError, MissingExtraError
from dlpo.judges.distillmos import DistillMOS
from dlpo.judges.dnsmos import Dnsmos
from dlpo.judges.judge import GradientJudge, Recognizer, high_band_db
from dlpo.judges.nisqa import Nisqa
from dlpo.judges.pocketsphinx import PocketSphinx
from dlpo.judges.utmos import Utmos
from dlpo.judges.whisper import Whisper
from dlpo.rl.core.conditions import Key
from dlpo.rl.differentiable import DifferentiableJudge, DifferentiableReward
from dlpo.rl.options import RewardSources
from dlpo.rl.plan import Plan
from dlpo.rl.rewards import (
    Reward,
    WeightedSum,
    high_band_reward,
    judge_reward,
    text_reward,
    word_reward,
)

log = logging.getLogger(__name__)
T = TypeVar("T")
JUDGES = ("distillmos", "nisqa", "nisqa_tts", "dnsmos")  # may be held out; keys of REWARDS
WITNESSES = ("p835", "plcmos")  # judges that took part in nothing, to measure its result
RECORDINGS = 32  # or up to twice as many, set the guard's target above 4 kHz


SCORING_JUDGES: dict[str, Callable[[RewardSources], DistillMOS | Nisqa | Utmos]] = {
    "distillmos": lambda sources: DistillMOS(),
    "nisqa": lambda sources: Nisqa(_file(sources, "nisqa", "nisqa.tar")),
    "nisqa_tts": lambda sources: Nisqa(_file(sources, "nisqa_tts", "nisqa_tts.tar")),
    "utmos": lambda sources: Utmos(_given(sources.utmos, "utmos", "the path of its weights")),
}
"""Judges that score waveforms, with a gradient and without."""
GRADIENT_JUDGES: dict[str, Callable[[RewardSources], GradientJudge]] = {
    **SCORING_JUDGES,
    "whisper": lambda sources: _whisper(sources),
}
"""Judges with a gradient, by the names of `REWARDS`."""


def _scored_by(name: str, sources: RewardSources) -> Reward:
    return judge_reward(SCORING_JUDGES[name](sources))


REWARDS: dict[str, Callable[[RewardSources], Reward]] = {
    **{name: partial(_scored_by, name) for name in SCORING_JUDGES},
    "dnsmos": lambda sources: judge_reward(Dnsmos()),
    "words": lambda sources: word_reward(PocketSphinx()),
    "whisper": lambda sources: text_reward(_whisper(sources)),
    "high_band": lambda sources: high_band_reward(
        _given(sources.high_band_db, "high_band", "a target")
    ),
}


def _whisper(sources: RewardSources) -> Whisper:
    return Whisper(_given(sources.whisper, "whisper", "the directory of a Whisper checkpoint"))


def _file(sources: RewardSources, name: str, file: str) -> Path:
    return _given(sources.models, name, f"the directory of {file}") / file


def parse_weights(text: str) -> dict[str, float]:
    """`distillmos` or `distillmos=1,words=0.5` -> name -> weight, 1 by default.

    Raises:
        ConfigError: an unknown or repeated name, a judge that only measures, or a weight that is
            not a number.
    """
    weights: dict[str, float] = {}
    for item in text.split(","):
        name, separator, number = (part.strip() for part in item.partition("="))
        if name in WITNESSES:
            raise ConfigError(
                f"{name} can't be a reward: P.835 and PLCMOS take no part in any tuning, so that"
                f" `dlpo eval` can measure its result by them; choose from {', '.join(REWARDS)}"
            )
        if name not in REWARDS or name in weights:
            problem = "given twice" if name in weights else "unknown"
            raise ConfigError(f"reward {name!r} is {problem}; choose from {', '.join(REWARDS)}")
        try:
            weights[name] = float(number) if separator else 1.0
        except ValueError as error:
            raise ConfigError(f"weight of {name} is {number!r}; expected a number") from error
    return weights


def build_reward(weights: Mapping[str, float], sources: RewardSources) -> WeightedSum:
    """The weighted sum of named rewards.

    Raises:
        ConfigError: an unusable weight, or a reward whose source is missing.
        CheckpointError: weights of a judge are missing or damaged.
        MissingExtraError: a judge's package is not installed.
    """
    built = {name: REWARDS[name](sources) for name in weights}
    of_names = {reward.name: weights[name] for name, reward in built.items()}
    return WeightedSum(list(built.values()), of_names)


def _given(value: T | None, name: str, what: str) -> T:
    if value is None:
        raise ConfigError(f"reward {name} needs {what}; none was given")
    return value


@dataclass(frozen=True, slots=True)
class RewardModels:
    """The judges of a run."""

    reward: WeightedSum
    judges: Sequence[Reward]
    """held out from the reward"""
    recognizer: Recognizer | None = None
    """for word errors"""
    differentiable: DifferentiableReward | None = None
    """the reward with a gradient, for the direct method"""


def load_reward_models(
    data: Corpora, plan: Plan, settings: TuningConfig, sources: RewardSources
) -> RewardModels:
    """Load the judges that a plan names.

    Args:
        data: datasets; the high_band guard holds the brightness of their recordings.
        plan: names the rewards.
        settings: whether clips are augmented.
        sources: paths of weights; the guard's target is measured here.

    Raises:
        ConfigError: an unknown reward, or a direct method whose reward has no gradient.
        CheckpointError, DataError: a reward's weights or data can't be used.
        MissingExtraError: a judge's package is not installed.
    """
    differentiable = None
    if plan.objective.method == "direct":
        rate_hz = data.grid.sample_rate_hz
        differentiable = differentiable_reward(plan.rewards, sources, settings.augment, rate_hz)
    if "high_band" in plan.rewards:
        sources = replace(sources, high_band_db=recorded_high_band_db(data))
    return RewardModels(
        build_reward(plan.rewards, sources),
        held_out_judges(tuple(plan.rewards), sources),
        _recognizer(),
        differentiable,
    )


def _recognizer() -> Recognizer | None:
    try:
        return PocketSphinx()
    except MissingExtraError as error:
        log.warning("word errors are not measured: %s", error)
        return None


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
            log.warning("held-out judge %s is unavailable: %s", name, error)
    if not judges:
        log.warning("no judge is held out, so the reward itself selects the best checkpoint")
    return judges


def differentiable_reward(
    weights: dict[str, float], sources: RewardSources, augment: bool, rate_hz: int
) -> DifferentiableReward:
    """The weighted sum of rewards with a gradient, each on its own scale.

    Args:
        weights: name -> weight.
        sources: where their weights are.
        augment: whether it receives augmented clips.
        rate_hz: sample rate of the clips.

    Raises:
        ConfigError: a reward that has no gradient.
    """
    unusable = sorted(set(weights) - set(GRADIENT_JUDGES))
    if unusable:
        raise ConfigError(
            f"the direct method needs a differentiable reward, and {', '.join(unusable)} is not;"
            f" choose from {', '.join(GRADIENT_JUDGES)}"
        )
    judges = [
        (weight, DifferentiableJudge(GRADIENT_JUDGES[name](sources), rate_hz, augment))
        for name, weight in weights.items()
    ]

    def total(
        waveforms: Tensor, samples: Tensor, keys: Sequence[Key], texts: Sequence[str]
    ) -> Tensor:
        scores = [weight * judge(waveforms, samples, keys, texts) for weight, judge in judges]
        return torch.stack(scores).sum(0)

    return total


def recorded_high_band_db(data: Corpora) -> float:
    """Mean energy above 4 kHz of training recordings, over all energy: high_band's target.

    Raises:
        DataError: there are none.
    """
    recorded = data.split("train", with_audio=True)
    recorded = recorded[:: max(1, len(recorded) // RECORDINGS)]  # of all corpora
    if not recorded:
        raise DataError(
            f"{data.path}: no recordings in the train split, so the high_band reward has no"
            " target; drop it or prepare a corpus with audio"
        )
    rate_hz = data.grid.sample_rate_hz
    return float(np.mean([high_band_db(data[i].waveform, rate_hz) for i in recorded]))
