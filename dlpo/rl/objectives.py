"""The score-function objectives, each a pure function to minimise.

    symbol   here                         meaning
    r        rewards (B,)                 reward of each output
    A        advantage(returns)           advantage, constant for the gradient
    p        replay.log_probs (S, B)      density of the policy that learns, log
    p_old    rollout.log_probs            of the policy that acted
    p_ref    reference.log_probs          of the frozen one that learning began from
    rho      p / p_old                    importance ratio
    DL       guide (S, B)                 diffusion loss of the re-noised output
    sigma    rollout.stds                 standard deviation of a step's noise

All add up over the S scored steps and average over the B chains. Log-densities and divergences are
means over samples, not sums: with 10^5 samples, ratios of sums are 0 or infinite. So the gradient
is that of the expected return divided by the number of samples, which Adam doesn't see.

With `advantage` the identity, and the policy that acted, each gradient is an unbiased estimate
(see docs/tuning.md for what it leaves out: the deterministic last step).
"""

from __future__ import annotations

import torch
from torch import Tensor

from dlpo.rl.advantages import Advantage, kl_returns, shaped_returns
from dlpo.rl.conditions import inside_mean
from dlpo.rl.rollout import Replay, Rollout

CLIP_RANGE = 1e-3  # log-densities are means over samples, so that ratios lie this close to 1


def rwr_loss(rollout: Rollout, replay: Replay, rewards: Tensor, advantage: Advantage) -> Tensor:
    """Reward-weighted regression: -A log p.

    Reference: Lee et al. 2023 (arXiv 2302.12192) as the DLPO paper uses it; with advantages, as
    raw rewards that are all positive imitate bad samples as well.
    """
    return -_expected(advantage(rewards) * replay.log_probs)


def ddpo_loss(
    rollout: Rollout,
    replay: Replay,
    rewards: Tensor,
    advantage: Advantage,
    clip_range: float = CLIP_RANGE,
) -> Tensor:
    """Denoising diffusion policy optimisation: -min(rho A, clip(rho) A).

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
    """-A rho + w KL(p, p_ref), the divergence of each step differentiated.

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
    """-A log p with the divergence inside the return, r - w KL, as classical RLHF has it.

    Reference: the KLinR baseline of the DLPO paper; Ouyang et al. 2022, eq. 2.
    """
    returns = kl_returns(rewards, rollout.log_probs - reference.log_probs, kl_weight)
    return -_expected(advantage(returns) * replay.log_probs)


def onlydl_loss(
    rollout: Rollout,
    replay: Replay,
    guide: Tensor,
    advantage: Advantage,
    clip_range: float = CLIP_RANGE,
) -> Tensor:
    """DLPO without its reward: the return is -DL.

    The paper prints -(-DL) log p; at the policy that acted, the gradient of rho is that of log p.
    """
    return _surrogate(rollout, replay, advantage(-guide.detach()), clip_range)


def dlpo_loss(
    rollout: Rollout,
    replay: Replay,
    guide: Tensor,
    rewards: Tensor,
    advantage: Advantage,
    alpha: float = 1.0,
    beta: float = 1.0,
    clip_range: float = CLIP_RANGE,
    on_recordings: Tensor | None = None,
) -> Tensor:
    """Diffusion-loss guided policy optimisation: the return is alpha r - beta DL.

    The published gradient multiplies the score by another gradient, which is no expression. The
    loss may guide as a return (`guide`), by its own gradient on recordings, or as both:

        -E[ min(rho A, clip(rho) A) ] + beta E[DL_real],   A from alpha r - beta DL

    Args:
        guide: (S, B), `guide.renoised_loss`; zeros where only recordings guide.
        on_recordings: (), `guide.diffusion_loss` with its gradient; None for none.

    Reference: Chen et al. 2024, 2025 (arXiv 2405.14632, 2508.03123), eq. 10 and 11 as mended in
    docs/tuning.md. beta = 0 is DDPO, alpha = 0 is OnlyDL.
    """
    returns = shaped_returns(rewards, guide, alpha, beta)
    loss = _surrogate(rollout, replay, advantage(returns), clip_range)
    return loss if on_recordings is None else loss + beta * on_recordings


def kl_divergence(rollout: Rollout, replay: Replay, reference: Replay) -> Tensor:
    """(S, B): KL(p, p_ref) of each scored step, averaged over the sentence's samples.

        (mu - mu_ref)^2 / (2 sigma^2), both Gaussians having the same sigma

    Reference: Fan et al. 2023, lemma 4.2.
    """
    stds = rollout.stds[list(rollout.scored)][:, None, None]
    distance = (replay.means - reference.means) / stds
    return inside_mean(0.5 * distance.square(), rollout.conditions.inside)


def ratio_figures(rollout: Rollout, replay: Replay, clip_range: float) -> dict[str, float]:
    """How far the policy has moved since it acted, for the log.

    `ratio_deviation` is the mean of |rho - 1|, `ratio_largest` its maximum, `clipped` the share
    beyond `clip_range`.
    """
    with torch.no_grad():
        deviation = (_ratio(rollout, replay) - 1).abs()
        return {
            "ratio_deviation": deviation.mean().item(),
            "ratio_largest": deviation.max().item(),
            "clipped": (deviation > clip_range).to(deviation).mean().item(),
        }


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
