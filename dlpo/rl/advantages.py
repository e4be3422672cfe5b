"""From rewards to returns and advantages."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dlpo.errors import InputError, TrainingError

BOUND = 5.0  # standard deviations; ddpo-pytorch's
SAME = 1e-6  # of a group's largest return: a spread below it is rounding
Advantage = Callable[[Tensor], Tensor]
"""Returns (..., B) -> advantages of the same shape."""


def group_advantages(returns: Tensor, group: int, bound: float = BOUND) -> Tensor:
    """How much better each chain did than the other seeds of its sentence.

        A = clip((R - mean_G) / std_G, -bound, bound)

    A constant added to all returns of a sentence, or a positive factor, changes nothing; seeds
    that did equally well get 0.

    Args:
        returns: (..., B), R; the G seeds of a sentence side by side.
        group: G.
        bound: largest |A|.

    Returns:
        (..., B), detached.

    Raises:
        InputError: G < 2 (there is nobody to compare with), or B is no multiple of it.
        TrainingError: a return is not finite.

    Reference: Shao et al. 2024 (GRPO), section 4.1.2; Flow-GRPO for the bound.
    """
    if group < 2 or returns.shape[-1] % group:
        raise InputError(
            f"{returns.shape[-1]} returns in groups of {group}; expected whole groups of 2 or more"
            " seeds a sentence"
        )
    returns = returns.detach()
    if not bool(torch.isfinite(returns).all()):
        raise TrainingError(
            "a return is NaN or infinite; see which reward or which sentence it came from"
        )
    grouped = returns.reshape(*returns.shape[:-1], -1, group)
    centred = grouped - grouped.mean(-1, keepdim=True)
    spread = centred.square().mean(-1, keepdim=True).sqrt()
    same = spread <= SAME * grouped.abs().amax(-1, keepdim=True)
    scaled = centred / spread.where(~same, torch.ones_like(spread))
    advantages = scaled.where(~same, torch.zeros_like(scaled)).clamp(-bound, bound)
    return advantages.view(returns.shape)


def shaped_returns(rewards: Tensor, guide: Tensor, alpha: float, beta: float) -> Tensor:
    """(B,) rewards r, (S, B) diffusion losses DL -> (S, B) returns alpha r - beta DL, detached.

    Reference: DLPO (arXiv 2405.14632), eq. 10, with the sign that its text means.
    """
    return (alpha * rewards - beta * guide).detach()


def kl_returns(rewards: Tensor, log_ratios: Tensor, weight: float) -> Tensor:
    """The reward less what is still to be paid for leaving the reference.

        R_k = r - w sum_{j >= k} log(p_theta / p_ref)(x_{j+1} | x_j)

    The log-ratios of the actions taken are an unbiased estimate of the divergence; those before
    step k do not depend on its action, so that they only add variance and are left out.

    Args:
        rewards: (B,), r.
        log_ratios: (S, B), policy that acted over the reference.
        weight: w.

    Returns:
        (S, B), detached. Reference: Fan et al. 2023 (DPOK), "KL in the reward".
    """
    to_go = log_ratios.flip(0).cumsum(0).flip(0)
    return (rewards - weight * to_go).detach()
