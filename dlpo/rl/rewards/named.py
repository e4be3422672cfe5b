"""Rewards by name, as `--reward` gives them."""

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
from dlpo.rl.rewards.reward import (
    JudgeReward,
    Reward,
    WordErrorReward,
    high_band_guard,
    loudness_guard,
)
from dlpo.rl.rewards.utmos import Utmos
from dlpo.rl.rewards.weighted import Standardisation, WeightedSum

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RewardSources:
    """Weights and targets that rewards are built from."""

    models: Path | None = None
    """directory of the weights of NISQA and DNSMOS, which no package contains"""
    utmos: Path | None = None
    """file of UTMOS's weights"""
    level_db: float | None = None
    """active level that the loudness guard keeps: measure the voice before tuning"""
    high_band_db: float | None = None
    """energy above 4 kHz that the high-band guard keeps: measure recordings"""


REWARDS: dict[str, Callable[[RewardSources], Reward]] = {
    "distillmos": lambda sources: JudgeReward(DistillMOS()),
    "dnsmos": lambda sources: JudgeReward(Dnsmos(_file(sources, "dnsmos", "dnsmos_model_v8.onnx"))),
    "nisqa": lambda sources: JudgeReward(Nisqa(_file(sources, "nisqa", "nisqa.tar"))),
    "nisqa_tts": lambda sources: JudgeReward(Nisqa(_file(sources, "nisqa_tts", "nisqa_tts.tar"))),
    "words": lambda sources: WordErrorReward(PocketSphinx()),
    "utmos": lambda sources: JudgeReward(
        Utmos(_given(sources.utmos, "utmos", "the path of its weights"))
    ),
    "loudness": lambda sources: loudness_guard(
        _given(sources.level_db, "loudness", "the level to keep, in dB")
    ),
    "high_band": lambda sources: high_band_guard(
        _given(sources.high_band_db, "high_band", "the energy to keep, in dB")
    ),
}


def _file(sources: RewardSources, name: str, file: str) -> Path:
    return _given(sources.models, name, f"the directory of {file}") / file


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
    built = {name: REWARDS[name](sources) for name in weights}
    return WeightedSum(
        list(built.values()),
        {reward.name: weights[name] for name, reward in built.items()},
        standardisation,
    )


def _given(value: T | None, name: str, what: str) -> T:
    if value is None:
        raise ConfigError(f"reward {name} needs {what}; none is given")
    return value
