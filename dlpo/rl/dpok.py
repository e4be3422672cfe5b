"""DPOK: the policy gradient with the divergence from the untuned policy as a loss of its own.

    minimize  mean_b sum_k ( -rho A + w KL(p_theta, p_ref) ),   KL = (mu - mu_ref)^2 / (2 sigma_k^2)

    symbol   here                   meaning
    A        advantages (B,)        of the reward among the seeds of a sentence
    rho      importance_ratio       p_theta / p_old; not clipped, since the divergence holds it back
    KL       kl_divergence (S, B)   of step k, exact for two Gaussians, and differentiated
    w        kl_weight              advantage that a nat of KL costs, summed over the samples of a
                                    sentence: the same in KLinR

It needs: a chain with noisy steps, rewards of two or more seeds of a sentence, the untuned policy.

Reference: Fan et al. 2023 (arXiv 2305.16381), eq. 8 and lemma 4.2, with an importance ratio.
"""

from __future__ import annotations

from torch import Tensor

from dlpo.rl.core.method import RolloutMethod, Sample
from dlpo.rl.core.policy_gradient import expected, importance_ratio, kl_divergence
from dlpo.rl.core.rollout import Replay, Rollout


def dpok_loss(
    rollout: Rollout, now: Replay, before: Replay, advantages: Tensor, kl_weight: float
) -> Tensor:
    """() -rho A + w KL(p, p_ref); `before` is the untuned policy's replay."""
    weighted = advantages * importance_ratio(rollout, now)
    return expected(rollout, kl_weight * kl_divergence(rollout, now, before) - weighted)


class DPOK(RolloutMethod):
    """The reward's policy gradient, held back by the divergence from the untuned policy."""

    scores_noise = True

    def terms(self, sample: Sample) -> dict[str, Tensor]:
        drawn, weight = sample.drawn, self.objective.kl_weight
        before = self.untuned_replay(drawn)
        loss = dpok_loss(drawn, self.policy.replay(drawn), before, sample.advantages, weight)
        return {"surrogate": loss}
