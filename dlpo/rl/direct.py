"""Direct gradient: backpropagation through the draw and a differentiable judge.

    minimize  -alpha E[r(x_0)],   x_{k+1} = mu_theta(x_k) + sigma_k z_k,   k = N - K .. N - 1

    symbol   here             meaning
    r        judge            a reward with a gradient
    z_k      from `states`    the noise of the rollout, as it was drawn
    K        last_steps       with K = N the gradient of the expected reward is exact; fewer steps
                              save memory but ignore what earlier ones could do

Of a flow x is drawn again from the same noise, with the gradient of all its steps. With `guide`
recordings, beta times the control's loss is minimized as well.

A policy that learns from a judge exploits whatever it attends to. With K < N the states that it
starts from are those of the policy that acted, and nothing corrects for its having moved: one pass
over each rollout.

It needs: a judge with a gradient, recordings if guided.

Reference: Clark et al. 2024 (arXiv 2309.17400), DRaFT-K (eq. 3); Chen et al. 2022 (InferGrad).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from dlpo.errors import InputError
from dlpo.rl.awm import matching_terms
from dlpo.rl.core.chain import ChainPolicy
from dlpo.rl.core.flow import FlowDraws, FlowPolicy
from dlpo.rl.core.method import RolloutMethod, Sample
from dlpo.rl.core.objective import Objective
from dlpo.rl.core.rollout import Rollout

Judge = Callable[[Tensor, Any], Tensor]
"""outputs of what was drawn, with their gradient, and what was drawn -> scores"""


def direct_loss(
    policy: ChainPolicy, rollout: Rollout, reward: Judge, last_steps: int = 1
) -> Tensor:
    """() -E[r(x_0)], differentiated through the last `last_steps` steps.

    Raises:
        InputError: `last_steps` is not in 1..N.
    """
    schedule, conditions = policy.schedule, rollout.conditions
    if not 1 <= last_steps <= schedule.steps:
        raise InputError(f"last_steps is {last_steps}; expected 1 to {schedule.steps}")
    first = schedule.steps - last_steps
    x = rollout.states[first]
    for k in range(first, schedule.steps):
        drawn = rollout.states[k + 1] - rollout.means[k]  # sigma_k z_k
        x = policy.step_mean(conditions, x, k) + drawn
    return -reward(x, rollout).mean()


def flow_direct_loss(
    policy: FlowPolicy[Any], drawn: FlowDraws[Any], reward: Judge, group: int
) -> Tensor:
    """() -E[r(x)] of the first draws of each prompt.

    Args:
        drawn: as many of the draws as are learned from.
        group: that were drawn.
    """
    noise = policy.noise(drawn.conditions, drawn.keys, group)[:, : drawn.group]
    samples = policy.integrate(drawn.conditions, noise)
    return -reward(samples, replace(drawn, samples=samples)).mean()


class Direct(RolloutMethod):
    """Learns from the judge's own gradient."""

    compares_seeds = False
    supervised = True

    @classmethod
    def needs_rewards(cls, objective: Objective) -> bool:
        return False

    @classmethod
    def needs_recordings(cls, objective: Objective) -> bool:
        return objective.learns_recordings

    @classmethod
    def needs_one_pass(cls, objective: Objective, steps: int) -> bool:
        return objective.last_steps < steps

    def compute_advantages(self, drawn: Any, rewards: Tensor) -> Tensor:
        """All draws count alike."""
        return torch.ones_like(rewards)

    def selected(self, sample: Sample, rewards: Tensor) -> Sample:
        """As many draws of each prompt as are learned from, whatever they scored."""
        learned = self.setup.learned
        if learned is None:
            return sample
        drawn = sample.drawn.chosen(torch.arange(learned).expand(len(sample.drawn.samples), -1))
        return Sample(sample.share, drawn, sample.advantages)

    def terms(self, sample: Sample) -> dict[str, Tensor]:
        objective, judge = self.objective, self.setup.judge
        assert judge is not None
        if self.has_density:
            loss = direct_loss(self.policy, sample.drawn, judge, objective.last_steps)
            return {"reward": objective.alpha * loss}
        loss = flow_direct_loss(self.policy, sample.drawn, judge, self.setup.group)
        terms = {"reward": objective.alpha * loss / (objective.reward_scale or 1.0)}
        before, drawn = self.setup.reference, sample.drawn
        return terms | matching_terms(self.policy, before, drawn, drawn.samples, objective, 0.0)
