"""From a plan's method to the step that the tuner takes."""

from __future__ import annotations

from collections.abc import Sequence

from dlpo.config import TuningConfig
from dlpo.data.dataset import Dataset
from dlpo.data.preferences import PreferencePair
from dlpo.errors import ConfigError
from dlpo.model.build import Model
from dlpo.rl.heard_pairs import HeardPairs
from dlpo.rl.listeners import Listeners
from dlpo.rl.pair_step import PairStep
from dlpo.rl.plan import Plan
from dlpo.rl.rollouts import Rollouts
from dlpo.rl.updates import RecordedStep, Recordings, RolloutStep, Step
from dlpo.training.batches import Batches


def method_step(
    plan: Plan,
    settings: TuningConfig,
    dataset: Dataset,
    rollouts: Rollouts,
    reference: Model,
    listeners: Listeners,
    pairs: Sequence[PreferencePair] = (),
) -> Step:
    """The plan's method.

    Args:
        plan: method and chain.
        settings: sizes.
        dataset: whose recordings are learnt from, where they are.
        rollouts: what the policy says.
        reference: the policy before tuning.
        listeners: the reward with a gradient is theirs.
        pairs: the preference pairs of the plan.

    Raises:
        ConfigError: a group without anybody to compare with; see also `Recordings`.
        DataError: see `HeardPairs`.
    """
    objective, passes = plan.objective, settings.passes
    if pairs:
        return PairStep(
            HeardPairs(pairs, reference, plan.chain, rollouts.reach, settings.seed),
            reference,
            plan.chain,
            objective.preference_beta,
            rollouts,
            rollouts.processes,
            size=settings.sentences,
            rows=settings.rows,
            passes=passes,
        )
    if objective.needs_group and settings.group < 2:
        raise ConfigError(
            f"{objective.method} compares the seeds of a sentence, and group is {settings.group};"
            " expected 2 or more"
        )
    recordings = None
    if objective.needs_recordings:
        recordings = Recordings(
            rollouts.model,
            Batches(dataset, "train", settings.seed),
            objective,
            plan.chain,
            rollouts.processes,
            settings.window_batch,
            settings.window,
        )
        if not objective.needs_rollout:
            return RecordedStep(recordings, rollouts, passes)
    return RolloutStep(
        objective,
        rollouts,
        reference=reference if objective.needs_reference else None,
        reward=listeners.differentiable,
        recordings=recordings,
        passes=passes,
    )
