"""Direct gradient: backpropagation through the chain's last steps and a differentiable judge.

    minimize  -alpha E[r(x_0)],   x_{k+1} = mu_theta(x_k) + sigma_k z_k,   k = N - K .. N - 1

    symbol   here             meaning
    r        judge            a reward with a gradient
    z_k      from `states`    the noise of the rollout, as it was drawn
    K        last_steps       with K = N the gradient of the expected reward is exact; fewer steps
                              save memory but ignore what earlier ones could do

With `guide` recordings or both, beta times the control's loss is minimized as well.

It learns fastest and is the easiest to hack: a policy that learns from a judge exploits whatever
it attends to. `augment` varies what the judge hears (`dlpo.rl.augmentation`).

With K < N the states that it starts from are those of the policy that acted, and nothing corrects
for its having moved: one pass over each rollout.

It needs: a judge with a gradient, recordings if guided.

Reference: Clark et al. 2024 (arXiv 2309.17400), DRaFT-K (eq. 3); Chen et al. 2022 (InferGrad).
"""

from __future__ import annotations

import torch
from torch import Tensor

from dlpo.errors import InputError
from dlpo.rl.chain import ChainPolicy
from dlpo.rl.control import control_loss
from dlpo.rl.differentiable import DifferentiableReward
from dlpo.rl.method import RolloutMethod, Sample
from dlpo.rl.objective import Objective
from dlpo.rl.recordings import RecordedPart
from dlpo.rl.rollout import Rollout


def direct_loss(
    policy: ChainPolicy,
    rollout: Rollout,
    reward: DifferentiableReward,
    last_steps: int = 1,
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
    samples = conditions.frames * conditions.samples_per_frame
    waveforms = policy.model.to_waveform(x) * conditions.inside
    return -reward(waveforms, samples, rollout.sentence_keys, rollout.texts).mean()


class Direct(RolloutMethod):
    """Learns from the judge's own gradient."""

    compares_seeds = False

    @classmethod
    def needs_rewards(cls, objective: Objective) -> bool:
        return False

    @classmethod
    def needs_recordings(cls, objective: Objective) -> bool:
        return objective.learns_recordings

    @classmethod
    def supervised(cls, objective: Objective) -> bool:
        return objective.learns_recordings

    @classmethod
    def needs_one_pass(cls, objective: Objective, steps: int) -> bool:
        return objective.last_steps < steps

    def weigh(self, rollout: Rollout, rewards: Tensor) -> Tensor:
        """All chains count alike."""
        return torch.ones_like(rewards)

    def loss(self, sample: Sample) -> Tensor:
        judge = self.setup.judge
        assert judge is not None
        last_steps = self.objective.last_steps
        return self.objective.alpha * direct_loss(self.policy, sample.rollout, judge, last_steps)

    def recorded_loss(self, part: RecordedPart) -> Tensor:
        assert self.setup.recordings is not None
        guide = control_loss(self.policy, part, self.setup.recordings.adversary)
        return self.objective.beta * guide
