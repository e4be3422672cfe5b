"""Diffusion-DPO: learning from pairs of renderings of which one was preferred.

    L = -E_k log sigmoid(-beta (e(x_w) - e_ref(x_w) - e(x_l) + e_ref(x_l)))
    e(x) = |eps - eps_theta(alpha_k x + sigma_k eps, c, k)|^2 / samples

Symbols: x_w and x_l winner and loser; eps the same for both, one draw a level; k over the
N levels of the chain that is served; e_ref the policy before tuning; c the text's conditioning. The
paper's weights T w(lambda_k) are one constant in beta, which is large because e is a mean over
samples. Unlike the policy gradient it also reaches the last, noiseless step.

Reference: Wallace et al. 2024 (arXiv 2311.12908), eq. 14.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from dlpo.errors import InputError, TrainingError
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.conditions import Conditions, Policy
from dlpo.rl.diffusion_loss import noise_error
from dlpo.rl.rollout import Key, Rollout, padded_noise

PREFERENCE = 4  # last element of the keys of the noise for pairs
BETA = 2000.0  # of the paper's Stable Diffusion 1.5, whose errors are means as well


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """A batch of decided comparisons, two renderings of each sentence."""

    conditions: Conditions
    """of B sentences"""
    winners: Tensor
    """(B, T) x_0 in the model's scale; 0 past the end of a sentence"""
    losers: Tensor
    """(B, T)"""
    keys: tuple[Key, ...]
    """B keys that the noise is drawn from"""

    def __len__(self) -> int:
        return len(self.keys)


def pairs_of(rollout: Rollout, rewards: Tensor) -> Pairs:
    """The best and the worst seed of each sentence, by a judge's scores.

    Equal rewards pair a rendering with itself, whose gradient is 0.

    Args:
        rewards: (B,).

    Raises:
        InputError: one seed a sentence, or another number of rewards.
        TrainingError: a reward is not finite.
    """
    group = rollout.group
    if group < 2 or rewards.shape != (len(rollout),):
        raise InputError(
            f"rewards of shape {tuple(rewards.shape)} for {len(rollout)} chains in groups of"
            f" {group}; expected one a chain, and 2 seeds a sentence or more"
        )
    if not bool(torch.isfinite(rewards).all()):
        raise TrainingError("a reward is NaN or infinite; see which sentence it came from")
    grouped = rewards.view(-1, group)
    first = torch.arange(0, len(rollout), group, device=rewards.device)
    best, worst = first + grouped.argmax(1), first + grouped.argmin(1)
    return Pairs(
        rollout.conditions.rows(slice(0, None, group)),
        rollout.output[best],
        rollout.output[worst],
        rollout.sentence_keys[::group],
    )


def dpo_margins(policy: Policy, reference: Policy, pairs: Pairs, schedule: NoiseSchedule) -> Tensor:
    """How much more the policy's denoising of the winner has improved than that of the loser.

    Returns:
        (N, B): e_ref(x_w) - e(x_w) - e_ref(x_l) + e(x_l), see above; 0 at the reference, above 0
        where the preferred rendering gained.
    """
    margins = []
    keys = [(*key, PREFERENCE) for key in pairs.keys]
    noises = padded_noise(pairs.conditions, keys, schedule.steps)
    for eps, alpha in zip(noises, schedule.noise_levels[:-1], strict=True):
        level = eps.new_tensor([float(alpha)])
        gains = []
        for clean in (pairs.winners, pairs.losers):
            with torch.no_grad():
                before = noise_error(reference, pairs.conditions, clean, level, eps)
            gains.append(before - noise_error(policy, pairs.conditions, clean, level, eps))
        margins.append(gains[0] - gains[1])
    return torch.stack(margins)


def dpo_loss(
    policy: Policy,
    reference: Policy,
    pairs: Pairs,
    schedule: NoiseSchedule,
    beta: float = BETA,
) -> Tensor:
    """-log sigmoid(beta margin), averaged over levels and pairs; log 2 at the reference.

    Args:
        reference: the policy before tuning.
        schedule: the one that is served.
        beta: inverse scale: the loss flattens once a margin exceeds 1 / beta.

    Returns:
        (), its gradient reaches the policy.
    """
    return -functional.logsigmoid(beta * dpo_margins(policy, reference, pairs, schedule)).mean()
