"""A tuning run as a command line asks for it: what a `TuneOptions` leaves open has its default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from dlpo.checkpoint import Checkpoint, load_checkpoint
from dlpo.config.strict import from_dict
from dlpo.config.tuning import EndingsTuning, PitchPairsTuning, TuningConfig
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
class TuneOptions:
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
    def weights(self) -> dict[str, float]:
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


def open_tuning(options: TuneOptions) -> Tuner | EndingsTuner | PitchPairsTuner:
    """Open the run, or go on with the one in its directory.

    Raises:
        InputError: something is missing, or doesn't fit the method.
        ConfigError: an unknown setting, or a value out of range.
        Also what the tuners raise.
    """
    if options.tunes_endings:
        return _endings_tuner(options)
    if (
        options.method == "dpo"
        or options.pairs is not None
        or options.settings.get("part") == PITCH
    ):
        return _pairs_tuner(options)
    plan, config, models = ranked(options)
    return Tuner(options.checkpoint, options.corpora, options.out, plan, config, models)


def ranked(options: TuneOptions) -> tuple[Plan, TuningConfig, RewardModels]:
    """Method and chain, settings, and the judges of a run that is rewarded by them."""
    named = {"method": options.method, "explore": options.explore, "guide": options.guide}
    chosen: dict[str, Any] = named | options.weights
    of_objective, settings = options.split(Objective, [*chosen])
    objective = from_dict(Objective, of_objective | chosen)
    name, steps, eta = options.base.provenance.chain
    usual_steps = max(steps, 2 if explores_noise(objective) else 1)
    plan = Plan(
        objective,
        parse_weights(options.reward),
        name if options.schedule is None else options.schedule,
        usual_steps if options.steps is None else options.steps,
        eta if options.eta is None else options.eta,
    )
    config = from_dict(TuningConfig, {"guard": options.guard} | settings)
    return plan, config, load_reward_models(options.corpora, plan, config, options.sources)


def _endings_tuner(options: TuneOptions) -> EndingsTuner:
    of_objective, settings = options.split(Objective, ENDINGS_SETTINGS)
    objective = endings_objective(options.method, **options.weights, **of_objective)
    training = from_dict(EndingsTuning, settings)
    prompts = options.prompts()
    return EndingsTuner(
        options.checkpoint, options.corpora, prompts, options.out, objective, training
    )


def _pairs_tuner(options: TuneOptions) -> PitchPairsTuner:
    if options.method != "dpo" or options.pairs is None:
        raise InputError(
            "listeners' pairs teach the pitch by one method; give --method dpo --pairs FILE, or"
            " neither of them"
        )
    part = options.settings.get("part", PITCH)
    if part != PITCH:
        raise InputError(f"part is {part}; expected {PITCH}, all that listeners' pairs teach")
    settings = {key: value for key, value in options.settings.items() if key != "part"}
    training = from_dict(PitchPairsTuning, settings)
    sha256 = pairs_sha256(options.pairs, options.preferences)
    weight = PAIRS_BETA if options.beta is None else options.beta
    return PitchPairsTuner(
        options.checkpoint,
        options.corpora,
        options.preferences,
        sha256,
        options.out,
        weight,
        training,
    )
