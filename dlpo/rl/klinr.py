"""KLinR: the policy gradient with the divergence inside the return, as in classical RLHF.

    minimize  -mean_b sum_k A_k log p_theta(x_{k+1} | x_k, c)
    A_k = A(r) - w (KL_k - the others' mean),  KL_k = sum_{j >= k} log(p_old / p_ref)(x_{j+1} | x_j)

    symbol   here               meaning
    log p    log_probs (S, B)   log-density of the actions taken
    A(r)     advantage (B,)     of the reward among the seeds of a sentence
    KL_k     log_ratios (S, B)  the log-ratios of the actions taken are an unbiased estimate of the
                                divergence; those before step k do not depend on its action and
                                would only add variance. They are sums over a sentence's samples
    w        kl_weight          as in DPOK: of an advantage, so both hold back alike

Without a ratio, the gradient is that of the policy that acted: one pass over each rollout.

It needs: a chain with noisy steps, rewards of two or more seeds of a sentence, the untuned policy.

Reference: the KLinR baseline of the DLPO paper; Ouyang et al. 2022, eq. 2; Fan et al. 2023 (DPOK),
"KL in the reward".
"""

from __future__ import annotations

from torch import Tensor

from dlpo.rl.core.method import RolloutMethod, Sample
from dlpo.rl.core.objective import Objective
from dlpo.rl.core.policy_gradient import expected, group_advantages
from dlpo.rl.core.rollout import Replay, Rollout


def log_ratios(rollout: Rollout, before: Replay) -> Tensor:
    """(S, B): KL_k, less its mean in the others of the sentence; `before` is the untuned replay."""
    of_steps = (rollout.log_probs - before.log_probs) * rollout.conditions.samples
    following = of_steps.flip(0).cumsum(0).flip(0).detach()
    if rollout.group == 1:
        return following
    return group_advantages(following, rollout.group, divided=False)


class KLinR(RolloutMethod):
    """The policy gradient of a reward less the divergence from the untuned policy."""

    scores_noise = True

    @classmethod
    def needs_one_pass(cls, objective: Objective, steps: int) -> bool:
        return True

    def compute_advantages(self, drawn: Rollout, rewards: Tensor) -> Tensor:
        divergence = log_ratios(drawn, self.untuned_replay(drawn))
        return self.advantage(rewards) - self.objective.kl_weight * divergence

    def terms(self, sample: Sample) -> dict[str, Tensor]:
        now: Replay = self.policy.replay(sample.drawn)
        return {"surrogate": -expected(sample.drawn, sample.advantages * now.log_probs)}
