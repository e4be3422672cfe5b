"""Puts a plan's method together with what it works with."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from dlpo.data.dataset import Corpora
from dlpo.rl.collector import RolloutCollector
from dlpo.rl.core.method import Method, TuningSetup
from dlpo.rl.core.rollout import Rollout
from dlpo.rl.differentiable import DifferentiableReward
from dlpo.rl.plan import Plan
from dlpo.rl.recordings import Recordings
from dlpo.rl.reward_models import RewardModels
from dlpo.rl.spoken_chain import SpokenChain
from dlpo.training.batches import Batches


def method_of(
    plan: Plan,
    collector: RolloutCollector,
    reference: SpokenChain,
    data: Corpora,
    models: RewardModels,
) -> Method:
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
        batches = Batches(data, "train", settings.seed, 0, policy.model.config)
        frozen = settings.part == "denoiser"
        recordings = Recordings(policy, batches, settings, collector.processes, frozen)
    heard = None if models.differentiable is None else hearing(policy, models.differentiable)
    return plan.method(
        TuningSetup(
            plan.objective,
            policy,
            reference,
            collector,
            settings.group,
            settings.passes,
            recordings=recordings,
            judge=heard,
            supervised=None if recordings is None else recordings.supervised_loss,
            stage=collector.timer.stage,
        )
    )


def hearing(
    policy: SpokenChain, reward: DifferentiableReward
) -> Callable[[Tensor, Rollout], Tensor]:
    """A judge of waveforms as one of a chain's outputs (B, T), with their gradient."""

    def judge(outputs: Tensor, rollout: Rollout) -> Tensor:
        waveforms = policy.model.to_waveform(outputs) * rollout.conditions.inside
        texts = [prompt.text for prompt in rollout.prompts]
        return reward(waveforms, rollout.conditions.samples, rollout.prompt_keys, texts)

    return judge
