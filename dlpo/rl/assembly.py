"""Puts a plan's method together with what it works with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from dlpo.config.training import TuningConfig
from dlpo.data.dataset import Corpora
from dlpo.data.preferences import PreferencePair
from dlpo.rl.chain import ChainPolicy
from dlpo.rl.collector import RolloutCollector
from dlpo.rl.method import Method, TuningSetup
from dlpo.rl.methods import Plan
from dlpo.rl.preferences import ListeningPairs
from dlpo.rl.prompts import Prompts
from dlpo.rl.prosody_moves import prosody_moves
from dlpo.rl.recordings import Recordings
from dlpo.rl.reward_models import RewardModels
from dlpo.rl.rollout import scored_steps
from dlpo.rl.timer import StageTimer
from dlpo.rl.weight_space import WeightSpace
from dlpo.training.batches import Batches
from dlpo.training.processes import Processes


def collector_of(
    plan: Plan,
    policy: ChainPolicy,
    data: Corpora,
    models: RewardModels,
    processes: Processes,
    timer: StageTimer,
    settings: TuningConfig,
) -> RolloutCollector:
    """What runs the chains of a plan and has them judged."""
    prompts = Prompts(data, settings.seed, settings.longest_s, plan.language)
    explored = scored_steps(plan.chain) if plan.objective.explore == "step" else ()
    return RolloutCollector(policy, prompts, models.reward, processes, timer, settings, explored)


def method_of(
    plan: Plan,
    collector: RolloutCollector,
    reference: ChainPolicy,
    learning: Sequence[Tensor],
    data: Corpora,
    models: RewardModels,
    pairs: Sequence[PreferencePair],
) -> Method[Any]:
    """The method of a plan.

    Args:
        collector: knows the policy and the settings.
        reference: the policy before tuning.
        learning: weights that learn.
        data: recordings, for methods that learn from them.
        models: the reward's gradient, for the direct method.
        pairs: of listeners, or none.
    """
    policy = collector.policy
    settings = collector.settings
    space = None
    if plan.objective.explore == "weights":
        prosody, momentum = prosody_moves(policy.model), settings.explore_momentum
        space = WeightSpace(learning, settings.subspace, momentum, prosody)
    recordings = listened = None
    if plan.method.needs_recordings(plan.objective):
        batches = Batches(data, "train", settings.seed, 0, policy.model.config.rows)
        moves_prosody = space is not None and "prosody" in space.blocks
        frozen = settings.part == "denoiser" and not moves_prosody
        recordings = Recordings(policy, batches, settings, collector.processes, frozen)
    if pairs:
        listened = ListeningPairs(pairs, reference, settings.seed)
    return plan.method(
        TuningSetup(
            plan.objective,
            settings,
            policy,
            reference,
            collector,
            recordings=recordings,
            judge=models.differentiable,
            pairs=listened,
            space=space,
        )
    )
