"""A tuning run as a command line asks for it: what a `TuneOptions` leaves open has its default."""

from __future__ import annotations

from typing import Any

from dlpo.config.strict import from_dict
from dlpo.config.tuning import EndingsTuning, PitchPairsTuning, TuningConfig
from dlpo.errors import InputError
from dlpo.rl.core.objective import Objective
from dlpo.rl.endings_tuner import EndingsTuner, endings_objective
from dlpo.rl.methods import METHODS
from dlpo.rl.options import TuneOptions
from dlpo.rl.pitch_preferences import PitchPairsTuner
from dlpo.rl.plan import Plan
from dlpo.rl.preferences import pairs_sha256
from dlpo.rl.reward_models import RewardModels, load_reward_models, parse_weights
from dlpo.rl.tuner import Tuner

PITCH = "pitch"
TAKEN = ("method", "matching_draws")  # of the objective of pitch: no settings


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
    chosen: dict[str, Any] = {"method": options.method, "guide": options.guide} | options.weights
    of_objective, settings = options.split([*chosen])
    objective = from_dict(Objective, of_objective | chosen)
    own, steps, own_eta = options.base.provenance.chain
    schedule, eta = options.chain.of(own, own_eta)
    usual_steps = max(steps, 2 if METHODS[objective.method].scores_noise else 1)
    plan = Plan(
        objective,
        parse_weights(options.reward),
        schedule,
        usual_steps if options.steps is None else options.steps,
        eta,
    )
    config = from_dict(TuningConfig, {"guard": options.guard == "on"} | settings)
    return plan, config, load_reward_models(options.corpora, plan, config, options.sources)


def _endings_tuner(options: TuneOptions) -> EndingsTuner:
    of_objective, settings = options.split(TAKEN)
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
    of_objective, settings = options.split(TAKEN)
    settings.pop("part", None)
    objective = from_dict(Objective, of_objective | options.weights)
    training = from_dict(PitchPairsTuning, settings)
    sha256 = pairs_sha256(options.pairs, options.preferences)
    return PitchPairsTuner(
        options.checkpoint,
        options.corpora,
        options.preferences,
        sha256,
        options.out,
        objective,
        training,
    )
