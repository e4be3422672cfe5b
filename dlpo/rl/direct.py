"""The direct gradient: back through the last steps of the chain and a reward that has one.

It learns fastest, and is the easiest to hack: it sees every weakness of its judge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from dlpo.errors import InputError
from dlpo.rl.conditions import Policy
from dlpo.rl.rollout import Key, Rollout, padded_noise, policy_step_mean

RENOISED = 3  # last element of the keys of the noise for re-noised outputs


class DifferentiableReward(Protocol):
    """A judge that can be differentiated."""

    def __call__(self, waveforms: Tensor, samples: Tensor, keys: Sequence[Key]) -> Tensor:
        """Score clips.

        Args:
            waveforms: (B, T), 0 past their own lengths.
            samples: (B,) those lengths.
            keys: B keys of anything drawn at random; the seeds of a sentence share one.

        Returns:
            (B,) scores, higher is better.
        """
        ...


def direct_loss(
    policy: Policy,
    rollout: Rollout,
    reward: DifferentiableReward,
    last_steps: int = 1,
    renoised: int = 0,
) -> Tensor:
    """-E[r(x_0)], differentiated through the last K steps with the rollout's own noise.

        x_{k+1} = mu_theta(x_k) + sigma_k z_k,   z_k as it was drawn,   k = N - K .. N - 1

    With K = N it is the exact gradient of the expected reward; fewer steps save memory, and leave
    out what earlier ones could do. Re-noised outputs show the last step more of the inputs that it
    may meet, without another rollout (see `renoised_output`); their rewards are averaged with the
    chain's own, so that the gradient varies less.

    Args:
        last_steps: K.
        renoised: n, last steps from re-noised outputs; 0 for none.

    Returns:
        ().

    Raises:
        InputError: K is not in 1..N, or n is negative.

    Reference: Clark et al. 2024 (arXiv 2309.17400), DRaFT-K (eq. 3) and DRaFT-LV (algorithm 1,
    there with K = 1 and n = 2); Chen et al. 2022 (InferGrad).
    """
    schedule, conditions = rollout.schedule, rollout.conditions
    if not 1 <= last_steps <= schedule.steps:
        raise InputError(f"last_steps is {last_steps}; expected 1 to {schedule.steps}")
    if renoised < 0:
        raise InputError(f"renoised is {renoised}; expected 0 or more")
    first = schedule.steps - last_steps
    x = rollout.states[first]
    for k in range(first, schedule.steps):
        drawn = rollout.states[k + 1] - rollout.means[k]  # sigma_k z_k
        x = policy_step_mean(policy, conditions, x, schedule, k) + drawn
    samples = conditions.frames * conditions.samples_per_frame
    waveforms = policy.to_waveform(x) * conditions.inside
    total = reward(waveforms, samples, rollout.sentence_keys).mean()
    for i in range(renoised):
        waveforms = policy.to_waveform(renoised_output(policy, rollout, i)) * conditions.inside
        keys = tuple((*key, RENOISED, i) for key in rollout.sentence_keys)
        total = total + reward(waveforms, samples, keys).mean()
    return -total / (1 + renoised)


def renoised_output(policy: Policy, rollout: Rollout, i: int) -> Tensor:
    """(B, T): the output, taken back to the last noisy level with fresh noise, and one step on.

        x = a x_0 + sqrt(1 - a^2) z,   a = alpha_{N-1} / alpha_N;   mu_theta(x) + sigma_{N-1} z'

    x_0 is the rollout's, a constant. The step's inputs have the distribution that the chain gives
    them if the model's outputs are distributed as its own forward process supposes.

    Args:
        i: which draw.
    """
    schedule, conditions = rollout.schedule, rollout.conditions
    last = schedule.steps - 1
    keys = [(*key, RENOISED, i) for key in rollout.keys]
    noise, step_noise = padded_noise(conditions, keys, 2)
    a = float(schedule.alpha[last] / schedule.alpha[last + 1])
    noisy = a * rollout.output + math.sqrt(1 - a * a) * noise
    std = float(schedule.posterior_std[last])
    output: Tensor = policy_step_mean(policy, conditions, noisy, schedule, last) + std * step_noise
    return output
