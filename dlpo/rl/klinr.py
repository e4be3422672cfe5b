"""KLinR: the policy gradient with the divergence inside the return, as in classical RLHF.

    minimize  -mean_b sum_k A_k log p_theta(x_{k+1} | x_k, c)
    A_k from  R_k = r - w sum_{j >= k} log(p_old / p_ref)(x_{j+1} | x_j, c)

    symbol   here               meaning
    log p    log_probs (S, B)   log-density of the actions taken
    R_k      returns (S, B)     the log-ratios of the actions taken are an unbiased estimate of the
                                divergence; those before step k do not depend on its action and
                                would only add variance. They are sums over a sentence's samples
    w        kl_weight          as in DPOK

Without a ratio, the gradient is that of the policy that acted: one pass over each rollout.

It needs: a chain with noisy steps, rewards of two or more seeds of a sentence, the untuned policy.

Reference: the KLinR baseline of the DLPO paper; Ouyang et al. 2022, eq. 2; Fan et al. 2023 (DPOK),
"KL in the reward".
"""

from __future__ import annotations

from torch import Tensor

from dlpo.rl.method import RolloutMethod, Sample
from dlpo.rl.objective import Objective
from dlpo.rl.policy_gradient import expected
from dlpo.rl.rollout import TYPICAL_SAMPLES, Replay, Rollout


def klinr_returns(rollout: Rollout, before: Replay, rewards: Tensor, kl_weight: float) -> Tensor:
    """(S, B): R_k; `before` is the untuned policy's replay."""
    log_ratios = (rollout.log_probs - before.log_probs) * (rollout.lengths * TYPICAL_SAMPLES)
    return (rewards - kl_weight * log_ratios.flip(0).cumsum(0).flip(0)).detach()


def klinr_loss(rollout: Rollout, now: Replay, advantages: Tensor) -> Tensor:
    """() -A log p."""
    return -expected(rollout, advantages * now.log_probs)


class KLinR(RolloutMethod):
    """The policy gradient of a reward less the divergence from the untuned policy."""

    scores_noise = True

    @classmethod
    def needs_one_pass(cls, objective: Objective, steps: int) -> bool:
        return True

    def weigh(self, rollout: Rollout, rewards: Tensor) -> Tensor:
        before = self.untuned_replay(rollout)
        return self.advantage(klinr_returns(rollout, before, rewards, self.objective.kl_weight))

    def loss(self, sample: Sample) -> Tensor:
        return klinr_loss(sample.rollout, self.policy.replay(sample.rollout), sample.weights)
