"""The direct gradient: back through the last steps of the chain and a reward that has one.

An upper bound for the other methods, and the easiest to hack: it sees every weakness of its judge.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from dlpo.errors import InputError
from dlpo.rl.conditions import Policy
from dlpo.rl.rollout import Rollout, mean_of_step


class DifferentiableReward(Protocol):
    """A judge that can be differentiated."""

    def __call__(self, waveforms: Tensor, samples: Tensor) -> Tensor:
        """(B, T) waveforms, 0 past their (B,) own lengths -> (B,) scores, higher is better."""
        ...


def direct_loss(
    policy: Policy, rollout: Rollout, reward: DifferentiableReward, last_steps: int
) -> Tensor:
    """-E[r(x_0)], differentiated through the last K steps with the rollout's own noise.

        x_{k+1} = mu_theta(x_k) + sigma_k z_k,   z_k as it was drawn,   k = N - K .. N - 1

    With K = N it is the exact gradient of the expected reward; fewer steps save memory, and leave
    out what earlier ones could do.

    Args:
        last_steps: K.

    Returns:
        ().

    Raises:
        InputError: K is not in 1..N.

    Reference: Clark et al. 2024 (DRaFT-K, arXiv 2309.17400), eq. 3; Chen et al. 2022 (InferGrad).
    """
    schedule, conditions = rollout.schedule, rollout.conditions
    if not 1 <= last_steps <= schedule.steps:
        raise InputError(f"last_steps is {last_steps}; expected 1 to {schedule.steps}")
    first = schedule.steps - last_steps
    x = rollout.states[first]
    for k in range(first, schedule.steps):
        drawn = rollout.states[k + 1] - rollout.means[k]  # sigma_k z_k
        x = mean_of_step(policy, conditions, x, schedule, k) + drawn
    waveforms = policy.to_waveform(x) * conditions.inside
    return -reward(waveforms, conditions.frames * conditions.samples_per_frame).mean()
