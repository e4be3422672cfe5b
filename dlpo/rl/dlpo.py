"""DLPO, diffusion-loss guided policy optimization: a policy gradient anchored by the training loss.

    minimize  -mean_b sum_k min(rho A_k, clip(rho) A_k)  +  beta DL
    rho = p_theta / p_old (x_{k+1} | x_k, c)

    `guide`      A_k                         DL
    recordings   alpha A(r)                  of recordings: the default
    return       alpha A(r) - beta A(DL_k)   none; A(alpha r - beta DL_k) with `unit_spread` false,
                                             in which what spreads less hardly counts
    both         as for return               of recordings

    symbol       here              meaning
    r            rewards (B,)      judge's score of the output, the same for all steps
    DL           recorded_loss     diffusion loss of recordings: its gradient keeps the policy near
                                   speech while it follows the reward
    DL_k         guide (S, B)      diffusion loss of the output, re-noised to the level of step k:
                                   || eps - eps_theta(alpha_k x_0 + sigma_k eps, c, k) ||^2, a mean
                                   over `guide_draws` draws that the seeds of a sentence share, in
                                   pairs of opposite sign
    A            advantage         among the seeds of a sentence, see `group_advantages`
    alpha, beta  objective         beta = 0 is DDPO (`dlpo.rl.ddpo`); alpha = 0 with `guide` return
                                   is OnlyDL

With the loss in the return, at equal weights, a run of WaveGrad 2 in small got worse by every judge
of docs/tuning.md.

It needs: a chain with noisy steps, two or more seeds of a sentence, rewards unless alpha = 0,
recordings unless beta = 0 or `guide` is return.

We know the paper from digests, not its full text. Its gradient is printed with grad DL, a vector,
where a scalar belongs: here it is the gradient of the loss on recordings, or, in the return, a
scalar DL that is credited to step k alone. docs/tuning.md says what the authors' code computes.

Reference: Chen et al. 2024 and 2025 (arXiv 2405.14632, 2508.03123).
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from dlpo.rl.method import RolloutMethod, Sample, TuningSetup
from dlpo.rl.objective import Objective
from dlpo.rl.policy_gradient import clipped_surrogate
from dlpo.rl.rollout import Rollout


class DLPO(RolloutMethod):
    """The reward's policy gradient, guided by the diffusion loss."""

    scores_noise = True

    @classmethod
    def needs_rewards(cls, objective: Objective) -> bool:
        return objective.alpha > 0

    @classmethod
    def needs_recordings(cls, objective: Objective) -> bool:
        return objective.learns_recordings

    def weigh(self, rollout: Rollout, rewards: Tensor) -> Tensor:
        """(S, B) or (B,): A_k."""
        objective = self.objective
        alpha, beta = objective.alpha, objective.beta
        if not objective.loss_in_return:
            return alpha * self.advantage(rewards)
        guide = self.policy.own_loss(rollout, objective.guide_draws)
        if objective.at_unit_spread:
            return alpha * self.advantage(rewards) - beta * self.advantage(guide)
        return self.advantage(alpha * rewards - beta * guide)

    def loss(self, sample: Sample) -> Tensor:
        now = self.policy.replay(sample.rollout)
        return clipped_surrogate(sample.rollout, now, sample.weights, self.objective.clip_range)


class OnlyDL(DLPO):
    """DLPO with alpha = 0: guided by the diffusion loss alone. A baseline of the paper."""

    def __init__(self, setup: TuningSetup) -> None:
        only = replace(setup.objective, alpha=0.0, beta=1.0, guide="return")
        super().__init__(replace(setup, objective=only))

    @classmethod
    def needs_rewards(cls, objective: Objective) -> bool:
        return False

    @classmethod
    def needs_recordings(cls, objective: Objective) -> bool:
        return False
