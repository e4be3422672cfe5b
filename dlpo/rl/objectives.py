"""Advantages and the score-function objectives, each a pure function to minimize.

    symbol   here                         meaning
    r        rewards (B,)                 reward of each output
    A        advantage(returns)           advantage, constant for the gradient
    p        replay.log_probs (S, B)      log-density of the policy that learns
    p_old    rollout.log_probs            of the policy that acted
    p_ref    reference.log_probs          of the policy before tuning
    rho      p / p_old                    importance ratio
    DL       guide (S, B)                 diffusion loss of the re-noised output
    sigma    rollout.stds                 standard deviation of a step's noise

All sum over the S scored steps and average over the B chains. Log-densities and divergences are
means over samples, not sums: with 10^5 samples, ratios of sums are 0 or infinite. So a
sentence's gradient is that of its expected return divided by its number of samples: short sentences
weigh more than their share of a batch.

With the identity as `advantage`, and at the policy that acted, each sentence's gradient is
unbiased up to that factor (see docs/tuning.md for what it leaves out: the deterministic last step).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dlpo.errors import InputError, TrainingError
from dlpo.rl.conditions import inside_mean
from dlpo.rl.rollout import Replay, Rollout

CLIP_RANGE = 1e-3  # log-densities are means over samples, so ratios are this close to 1
BOUND = 5.0  # largest advantage in standard deviations; ddpo-pytorch's
SAME = 1e-6  # relative to a group's largest return; a smaller spread is rounding
Advantage = Callable[[Tensor], Tensor]
"""Returns (..., B) -> advantages of the same shape."""


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


def ddpo_loss(
    rollout: Rollout,
    replay: Replay,
    rewards: Tensor,
    advantage: Advantage,
    clip_range: float = CLIP_RANGE,
) -> Tensor:
    """Denoising diffusion policy optimization: -min(rho A, clip(rho) A).

    Reference: Black et al. 2024 (arXiv 2305.13301), eq. DDPO-IS with PPO's clipping.
    """
    return _surrogate(rollout, replay, advantage(rewards), clip_range)


def dpok_loss(
    rollout: Rollout,
    replay: Replay,
    reference: Replay,
    rewards: Tensor,
    advantage: Advantage,
    kl_weight: float,
) -> Tensor:
    """-A rho + w KL(p, p_ref), with the divergence of each step differentiated.

    Reference: Fan et al. 2023 (arXiv 2305.16381), eq. 8 and lemma 4.2, with an importance ratio.
    """
    weighted = advantage(rewards) * _ratio(rollout, replay)
    return _expected(kl_weight * kl_divergence(rollout, replay, reference) - weighted)


def klinr_loss(
    rollout: Rollout,
    replay: Replay,
    reference: Replay,
    rewards: Tensor,
    advantage: Advantage,
    kl_weight: float,
) -> Tensor:
    """-A log p with the divergence inside the return, as in classical RLHF.

        R_k = r - w sum_{j >= k} log(p_theta / p_ref)(x_{j+1} | x_j)

    The log-ratios of the actions taken are an unbiased estimate of the divergence; those before
    step k do not depend on its action and would only add variance.

    Reference: the KLinR baseline of the DLPO paper; Ouyang et al. 2022, eq. 2; Fan et al. 2023
    (DPOK), "KL in the reward".
    """
    log_ratios = rollout.log_probs - reference.log_probs
    returns = rewards - kl_weight * log_ratios.flip(0).cumsum(0).flip(0)
    return -_expected(advantage(returns.detach()) * replay.log_probs)


def dlpo_loss(
    rollout: Rollout,
    replay: Replay,
    guide: Tensor,
    rewards: Tensor,
    advantage: Advantage,
    alpha: float = 1.0,
    beta: float = 1.0,
    clip_range: float = CLIP_RANGE,
) -> Tensor:
    """Diffusion-loss guided policy optimization: the return is alpha r - beta DL.

        -min(rho A, clip(rho) A),   A from alpha r - beta DL

    beta = 0 is DDPO; alpha = 0 is OnlyDL. docs/tuning.md has the derivation.

    Args:
        guide: (S, B), `renoised_loss`.

    Reference: Chen et al. 2024, 2025 (arXiv 2405.14632, 2508.03123), read in digests, not in full.
    """
    returns = (alpha * rewards - beta * guide).detach()
    return _surrogate(rollout, replay, advantage(returns), clip_range)


def kl_divergence(rollout: Rollout, replay: Replay, reference: Replay) -> Tensor:
    """(S, B): KL(p, p_ref) of each scored step, averaged over the sentence's samples.

        (mu - mu_ref)^2 / (2 sigma^2), both Gaussians having the same sigma

    Reference: Fan et al. 2023, lemma 4.2.
    """
    stds = rollout.stds[list(rollout.scored)][:, None, None]
    distance = (replay.means - reference.means) / stds
    return inside_mean(0.5 * distance.square(), rollout.conditions.inside)


def _surrogate(rollout: Rollout, replay: Replay, advantages: Tensor, clip_range: float) -> Tensor:
    """PPO's pessimistic bound, -min(rho A, clip(rho) A)."""
    ratio = _ratio(rollout, replay)
    clipped = ratio.clamp(1 - clip_range, 1 + clip_range)
    return -_expected(torch.minimum(ratio * advantages, clipped * advantages))


def _ratio(rollout: Rollout, replay: Replay) -> Tensor:
    return (replay.log_probs - rollout.log_probs).exp()


def _expected(per_step: Tensor) -> Tensor:
    """(S, B) -> (): summed over steps, averaged over chains."""
    return per_step.sum(0).mean()
