"""Puts a plan's method together with what it works with."""

from __future__ import annotations

from typing import Any

from dlpo.config.training import TuningConfig
from dlpo.data.dataset import Corpora
from dlpo.rl.chain import ChainPolicy
from dlpo.rl.collector import RolloutCollector
from dlpo.rl.method import Method, TuningSetup
from dlpo.rl.methods import Plan
from dlpo.rl.prompts import Prompts
from dlpo.rl.recordings import Recordings
from dlpo.rl.reward_models import RewardModels
from dlpo.rl.rollout import scored_steps
from dlpo.rl.timer import StageTimer
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
    data: Corpora,
    models: RewardModels,
) -> Method[Any]:
    """The method of a plan.

    Args:
        collector: knows the policy and the settings.
        reference: the policy before tuning.
        data: recordings, for methods that learn from them.
        models: the reward's gradient, for the direct method.
    """
    policy = collector.policy
    settings = collector.settings
    recordings = None
    if plan.method.needs_recordings(plan.objective):
        batches = Batches(data, "train", settings.seed, 0, policy.model.config.rows)
        frozen = settings.part == "denoiser"
        recordings = Recordings(policy, batches, settings, collector.processes, frozen)
    return plan.method(
        TuningSetup(
            plan.objective,
            settings,
            policy,
            reference,
            collector,
            recordings=recordings,
            judge=models.differentiable,
        )
    )
