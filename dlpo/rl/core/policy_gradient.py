"""What policy gradients share: advantages, importance ratios, clipping and divergence.

    symbol   here                         meaning
    R        returns (..., B)             what a chain is worth; r is the reward alone
    A        advantages (S, B) or (B,)    advantage, constant for the gradient
    p        replay.log_probs (S, B)      log-density of the policy that learns
    p_old    rollout.log_probs            of the policy that acted
    p_ref    reference.log_probs          of the policy before tuning
    rho      p / p_old                    importance ratio
    sigma    rollout.stds                 standard deviation of a step's noise
    T        rollout.lengths (B,)         samples of a sentence, over those of a typical one

All losses sum over the S scored steps and average over the B chains, each weighted by T. Log-
densities are means over a sentence's samples, since ratios of sums over 10^5 samples are 0 or
infinite; the weight T makes their gradient that of the sum again. So with A = R, at the policy that
acted, every gradient is that of the expected return divided by one constant, `TYPICAL_SAMPLES`,
which Adam is invariant to, in batches of mixed lengths too (see docs/tuning.md for what it leaves
out: the deterministic last step).
"""

from __future__ import annotations

import torch
from torch import Tensor

from dlpo.errors import InputError, TrainingError
from dlpo.rl.core.conditions import inside_mean
from dlpo.rl.core.objective import BOUND, CLIP_RANGE
from dlpo.rl.core.rollout import Replay, Rollout

SAME = 1e-6  # relative to a group's largest return; a smaller spread is rounding


def group_advantages(
    returns: Tensor, group: int, bound: float = BOUND, divided: bool = True
) -> Tensor:
    """How much better each chain did than the other seeds of its sentence.

        A = clip((R - mean_G) / std_G, -bound, bound), or if not divided R - the others' mean

    Shifting all returns of a sentence changes nothing, nor does scaling them by a positive factor
    if divided; seeds that did equally well get 0.

    Args:
        returns: (..., B), R; the G seeds of a sentence are adjacent rows.
        group: G.
        bound: largest |A|, if divided.
        divided: whether by the spread.

    Returns:
        (..., B), detached.

    Raises:
        InputError: G < 2 leaves no chain to compare with, or B is not a multiple of G.
        TrainingError: a return is not finite.

    Reference: Shao et al. 2024 (GRPO), section 4.1.2; Flow-GRPO for the bound; Kool et al. 2019 for
        the others' mean.
    """
    if group < 2 or returns.shape[-1] % group:
        raise InputError(
            f"{returns.shape[-1]} returns in groups of {group}; expected whole groups of 2 or more"
            " seeds per sentence"
        )
    returns = returns.detach()
    if not bool(torch.isfinite(returns).all()):
        raise TrainingError(
            "a return is NaN or infinite; find the reward or sentence that caused it"
        )
    grouped = returns.reshape(*returns.shape[:-1], -1, group)
    centred = grouped - grouped.mean(-1, keepdim=True)
    if not divided:
        return (centred * (group / (group - 1))).view(returns.shape)
    spread = centred.square().mean(-1, keepdim=True).sqrt()
    same = spread <= SAME * grouped.abs().amax(-1, keepdim=True)
    scaled = centred / spread.where(~same, torch.ones_like(spread))
    advantages = scaled.where(~same, torch.zeros_like(scaled)).clamp(-bound, bound)
    return advantages.view(returns.shape)


def clipped_surrogate(
    rollout: Rollout, replay: Replay, advantages: Tensor, clip_range: float = CLIP_RANGE
) -> Tensor:
    """PPO's pessimistic bound, -min(rho A, clip(rho, 1 - range, 1 + range) A)."""
    ratio = importance_ratio(rollout, replay)
    clipped = ratio.clamp(1 - clip_range, 1 + clip_range)
    return -expected(rollout, torch.minimum(ratio * advantages, clipped * advantages))


def importance_ratio(rollout: Rollout, replay: Replay) -> Tensor:
    """(S, B): rho."""
    return (replay.log_probs - rollout.log_probs).exp()


def expected(rollout: Rollout, per_step: Tensor) -> Tensor:
    """(S, B) -> (): summed over steps, averaged over chains that weigh as much as they are long."""
    return (per_step.sum(0) * rollout.lengths).mean()


def kl_divergence(rollout: Rollout, replay: Replay, reference: Replay) -> Tensor:
    """(S, B): KL(p, p_ref) of each scored step, averaged over the sentence's samples.

        (mu - mu_ref)^2 / (2 sigma^2), both Gaussians having the same sigma

    Reference: Fan et al. 2023 (DPOK, arXiv 2305.16381), lemma 4.2.
    """
    stds = rollout.stds[list(rollout.scored)][:, None, None]
    distance = (replay.means - reference.means) / stds
    return inside_mean(0.5 * distance.square(), rollout.conditions.inside)
