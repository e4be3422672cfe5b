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


class DPOK(RolloutMethod):
    """The reward's policy gradient, held back by the divergence from the untuned policy."""

    scores_noise = True

    def terms(self, sample: Sample) -> dict[str, Tensor]:
        drawn, kl_weight = sample.drawn, self.objective.kl_weight
        before = self.untuned_replay(drawn)
        now = self.policy.replay(drawn)
        weighted = sample.advantages * importance_ratio(drawn, now)
        divergence = kl_divergence(drawn, now, before)
        return {"surrogate": expected(drawn, kl_weight * divergence - weighted)}
