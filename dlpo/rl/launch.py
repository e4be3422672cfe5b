"""A tuning run as a command line asks for it: what a `TuningOrder` leaves open has its default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from dlpo.checkpoint import Checkpoint, load_checkpoint
from dlpo.config.strict import from_dict
from dlpo.config.training import EndingsTuning, PitchPairsTuning, TuningConfig
from dlpo.data.dataset import Corpora
from dlpo.data.preferences import PreferencePair, read_pairs
from dlpo.errors import InputError
from dlpo.noise_schedule import NoiseSchedule, named_schedule
from dlpo.rl.core.objective import Objective
from dlpo.rl.ending_prompts import EndingPrompt, read_all_prompts
from dlpo.rl.endings_tuner import EndingsTuner, endings_objective
from dlpo.rl.pitch_preferences import PitchPairsTuner
from dlpo.rl.plan import Plan, explores_noise
from dlpo.rl.preferences import pairs_sha256
from dlpo.rl.reward_models import RewardModels, RewardSources, load_reward_models, parse_weights
from dlpo.rl.tuner import Tuner

ENDINGS, PITCH = "endings", "pitch"
PAIRS_BETA = 1.0  # weight of the diffusion loss beside listeners' pairs
ENDINGS_SETTINGS = ("method", "advantage_bound", "error_bound", "matching_draws", "reward_scale")
"""Fields of the objective that `EndingsTuning` has."""


@dataclass(frozen=True, kw_only=True)
class TuningOrder:
    """What is to be tuned, on what, by what; None is the method's own choice."""

    checkpoint: Path
    data: Mapping[Path, float]
    """dataset -> how much is drawn from it"""
    out: Path
    method: str
    explore: str
    guide: str | None
    reward: str
    """judges and weights, or `ENDINGS`"""
    alpha: float | None
    beta: float | None
    steps: int | None
    schedule: str | None
    eta: float | None
    pairs: Path | None
    """listeners' preference pairs"""
    texts: Sequence[str]
    """files of lines `id|text` for `ENDINGS`, each with =LANGUAGE if it isn't American English"""
    without: Path | None
    """ids of texts that are left out, one a line"""
    guard: bool
    sources: RewardSources
    settings: Mapping[str, Any] = field(default_factory=dict)
    """of the objective and of the run, by key"""

    @cached_property
    def base(self) -> Checkpoint:
        """The checkpoint that is tuned."""
        return load_checkpoint(self.checkpoint)

    @cached_property
    def corpora(self) -> Corpora:
        """The datasets."""
        return Corpora(list(self.data), list(self.data.values()))

    @cached_property
    def preferences(self) -> list[PreferencePair]:
        """The listeners' pairs, if they were given."""
        return [] if self.pairs is None else read_pairs(self.pairs)

    @property
    def tunes_endings(self) -> bool:
        """Whether the pitch learns how sentences end."""
        return self.reward == ENDINGS

    @property
    def own_chain(self) -> NoiseSchedule:
        """The chain that the checkpoint is spoken by."""
        return named_schedule(*self.base.provenance.chain)

    @property
    def weighed(self) -> dict[str, float]:
        """alpha and beta, where they were given."""
        both = {"alpha": self.alpha, "beta": self.beta}
        return {name: weight for name, weight in both.items() if weight is not None}

    def split(self, objective: type, taken: Sequence[str] = ()) -> tuple[dict[str, Any], ...]:
        """The settings that are the objective's, and the others.

        Args:
            taken: fields of the objective that are no settings.
        """
        own = {one.name for one in fields(objective)} - {*taken}
        of_objective = {key: value for key, value in self.settings.items() if key in own}
        rest = {key: value for key, value in self.settings.items() if key not in own}
        return of_objective, rest

    def prompts(self) -> list[EndingPrompt]:
        """The sentences of `texts`.

        Raises:
            InputError: there are no files, or a language that can't be read.
        """
        if not self.texts:
            raise InputError(
                "--reward endings draws sentences from texts; give --texts FILE (id|text)"
            )
        return read_all_prompts(self.texts, self.without)


def open_tuning(order: TuningOrder) -> Tuner | EndingsTuner | PitchPairsTuner:
    """Open the run, or go on with the one in its directory.

    Raises:
        InputError: something is missing, or doesn't fit the method.
        ConfigError: an unknown setting, or a value out of range.
        Also what the tuners raise.
    """
    if order.tunes_endings:
        return _endings_tuner(order)
    if order.method == "dpo" or order.pairs is not None or order.settings.get("part") == PITCH:
        return _pairs_tuner(order)
    plan, config, models = ranked(order)
    return Tuner(order.checkpoint, order.corpora, order.out, plan, config, models)


def ranked(order: TuningOrder) -> tuple[Plan, TuningConfig, RewardModels]:
    """Method and chain, settings, and the judges of a run that is rewarded by them."""
    named = {"method": order.method, "explore": order.explore, "guide": order.guide}
    options: dict[str, Any] = named | order.weighed
    of_objective, settings = order.split(Objective, [*options])
    objective = from_dict(Objective, of_objective | options)
    name, steps, eta = order.base.provenance.chain
    usual_steps = max(steps, 2 if explores_noise(objective) else 1)
    plan = Plan(
        objective,
        parse_weights(order.reward),
        name if order.schedule is None else order.schedule,
        usual_steps if order.steps is None else order.steps,
        eta if order.eta is None else order.eta,
    )
    config = from_dict(TuningConfig, {"guard": order.guard} | settings)
    return plan, config, load_reward_models(order.corpora, plan, config, order.sources)


def _endings_tuner(order: TuningOrder) -> EndingsTuner:
    of_objective, settings = order.split(Objective, ENDINGS_SETTINGS)
    objective = endings_objective(order.method, **order.weighed, **of_objective)
    training = from_dict(EndingsTuning, settings)
    prompts = order.prompts()
    return EndingsTuner(order.checkpoint, order.corpora, prompts, order.out, objective, training)


def _pairs_tuner(order: TuningOrder) -> PitchPairsTuner:
    if order.method != "dpo" or order.pairs is None:
        raise InputError(
            "listeners' pairs teach the pitch by one method; give --method dpo --pairs FILE, or"
            " neither of them"
        )
    part = order.settings.get("part", PITCH)
    if part != PITCH:
        raise InputError(f"part is {part}; expected {PITCH}, all that listeners' pairs teach")
    settings = {key: value for key, value in order.settings.items() if key != "part"}
    training = from_dict(PitchPairsTuning, settings)
    sha256 = pairs_sha256(order.pairs, order.preferences)
    weight = PAIRS_BETA if order.beta is None else order.beta
    return PitchPairsTuner(
        order.checkpoint, order.corpora, order.preferences, sha256, order.out, weight, training
    )
