"""Rewards by the names that a command line gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dlpo.errors import ConfigError
from dlpo.judges.distillmos import DistillMOS
from dlpo.judges.dnsmos import Dnsmos
from dlpo.judges.nisqa import Nisqa
from dlpo.judges.pocketsphinx import PocketSphinx
from dlpo.rl.rewards.guards import high_band_guard, loudness_guard
from dlpo.rl.rewards.reward import JudgeReward, Reward, WordErrorReward
from dlpo.rl.rewards.utmos import Utmos
from dlpo.rl.rewards.weighted import Standardisation, WeightedSum

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RewardSources:
    """What rewards are made from."""

    models: Path | None = None
    """directory of the judges' weights that are in no wheel: NISQA and DNSMOS"""
    utmos: Path | None = None
    """file of UTMOS's weights"""
    level_db: float | None = None
    """active level that the loudness guard keeps: measure the voice before tuning"""
    high_band_db: float | None = None
    """energy above 4 kHz that the high-band guard keeps: measure recordings"""


def _distillmos(sources: RewardSources) -> Reward:
    return JudgeReward(DistillMOS())


def _dnsmos(sources: RewardSources) -> Reward:
    directory = _given(sources.models, "dnsmos", "the directory of dnsmos_model_v8.onnx")
    return JudgeReward(Dnsmos(directory / "dnsmos_model_v8.onnx"))


def _nisqa(sources: RewardSources) -> Reward:
    return JudgeReward(Nisqa(_given(sources.models, "nisqa", "its directory") / "nisqa.tar"))


def _nisqa_tts(sources: RewardSources) -> Reward:
    directory = _given(sources.models, "nisqa_tts", "the directory of nisqa_tts.tar")
    return JudgeReward(Nisqa(directory / "nisqa_tts.tar"))


def _words(sources: RewardSources) -> Reward:
    return WordErrorReward(PocketSphinx())


def _utmos(sources: RewardSources) -> Reward:
    return JudgeReward(Utmos(_given(sources.utmos, "utmos", "the path of its weights")))


def _loudness(sources: RewardSources) -> Reward:
    return loudness_guard(_given(sources.level_db, "loudness", "the level to keep, in dB"))


def _high_band(sources: RewardSources) -> Reward:
    return high_band_guard(_given(sources.high_band_db, "high_band", "the energy to keep, in dB"))


REWARDS: dict[str, Callable[[RewardSources], Reward]] = {
    "distillmos": _distillmos,
    "dnsmos": _dnsmos,
    "nisqa": _nisqa,
    "nisqa_tts": _nisqa_tts,
    "words": _words,
    "utmos": _utmos,
    "loudness": _loudness,
    "high_band": _high_band,
}


def parse_weights(text: str) -> dict[str, float]:
    """`distillmos` or `distillmos=1,words=0.5` -> name -> weight; 1 where none is given.

    Raises:
        ConfigError: an unknown or repeated name, or a weight that is no number.
    """
    weights: dict[str, float] = {}
    for item in text.split(","):
        name, separator, number = (part.strip() for part in item.partition("="))
        if name not in REWARDS or name in weights:
            problem = "given twice" if name in weights else "unknown"
            raise ConfigError(
                f"reward {name!r} is {problem}; expected some of {', '.join(REWARDS)}"
            )
        try:
            weights[name] = float(number) if separator else 1.0
        except ValueError as error:
            raise ConfigError(f"weight of {name} is {number!r}; expected a number") from error
    return weights


def build_reward(
    weights: Mapping[str, float],
    sources: RewardSources,
    standardisation: Standardisation = "running",
) -> WeightedSum:
    """The weighted sum of named rewards.

    Raises:
        ConfigError: an unknown name, an unusable weight, or a reward whose source is missing.
        CheckpointError: weights of a judge are missing or damaged.
        MissingExtraError: a judge's package is not installed.
    """
    unknown = sorted(set(weights) - set(REWARDS))
    if unknown or not weights:
        raise ConfigError(f"rewards {unknown} are unknown; expected some of {', '.join(REWARDS)}")
    made = {name: REWARDS[name](sources) for name in weights}
    return WeightedSum(
        list(made.values()),
        {reward.name: weights[name] for name, reward in made.items()},
        standardisation,
    )


def _given(value: T | None, name: str, what: str) -> T:
    if value is None:
        raise ConfigError(f"reward {name} needs {what}; none is given")
    return value
