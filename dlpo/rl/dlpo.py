"""DLPO, diffusion-loss guided policy optimization: a reward's gradient, anchored by the model's own
training loss.

    minimize  -mean_b sum_k min(rho A_k, clip(rho) A_k)  +  beta DL     a chain: it has a ratio
    minimize  alpha mean_g A_g e(x^g)                    +  beta DL     a flow: it has a loss
    rho = p_theta / p_old (x_{k+1} | x_k, c)

Advantages, guide and bounds are the same; only what makes a draw likelier differs. A chain's steps
have a density, so it is a policy gradient. A flow has none that could be had cheaply: lowering e,
its training loss on a draw, makes that likelier, which is advantage-weighted matching
(`dlpo.rl.awm`), with rho clipped there and e bounded here where a draw is unlearned.

    `guide`      A_k                         DL
    recordings   alpha A(r)                  of recordings: the default
    return       alpha A(r) - beta A(DL_k)   none

    symbol       here              meaning
    r            rewards (B,)      judge's score of the output, the same for all steps
    DL           recorded_loss     diffusion loss of recordings: its gradient keeps the policy near
                                   them while it follows the reward
    DL_k         own_loss (S, B)   diffusion loss of the output, re-noised to the level of step k:
                                   || eps - eps_theta(alpha_k x_0 + sigma_k eps, c, k) ||^2, a mean
                                   over `GUIDE_DRAWS` draws that the draws of a prompt share, in
                                   pairs of opposite sign; of a flow its loss e
    A            advantage         among the draws of a prompt, see `group_advantages`
    e            matching_losses   a flow's training loss on x^g, at most `error_bound` times what
                                   it was before tuning where A < 0
    alpha, beta  objective         beta = 0 is DDPO (`dlpo.rl.ddpo`); alpha = 0 with `guide` return
                                   is OnlyDL

On a flow the squared distance from the untuned predictions can be added as a further anchor
(`matching_kl`; `kl_outside` where no reward is). With the loss in the return, at equal weights, a
run of WaveGrad 2 in small got worse by every judge (benchmarks/records/studies,
tuning-comparison-20261127T004405Z).

It needs: a flow, or a chain with noisy steps; two or more draws of a prompt, rewards unless
alpha = 0, recordings unless beta = 0 or `guide` is return.

We know the paper from digests, not its full text. Its gradient is printed with grad DL, a vector,
where a scalar belongs: here it is the gradient of the loss on recordings, or, in the return, a
scalar DL that is credited to step k alone. docs/tuning.md says what the authors' code computes.

References: Chen et al. 2024 and 2025 (arXiv 2405.14632, 2508.03123); Xue et al. 2025 (arXiv
2509.25050) for the flow.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from torch import Tensor

from dlpo.rl.awm import matching_terms
from dlpo.rl.core.method import RolloutMethod, Sample
from dlpo.rl.core.objective import Objective
from dlpo.rl.core.policy_gradient import clipped_surrogate

GUIDE_DRAWS = 8  # of noise at each level, in pairs of opposite sign


class DLPO(RolloutMethod):
    """The reward's gradient, guided by the diffusion loss."""

    scores_noise = True

    @classmethod
    def needs_rewards(cls, objective: Objective) -> bool:
        return cls.settled(objective).alpha > 0

    @classmethod
    def needs_recordings(cls, objective: Objective) -> bool:
        return cls.settled(objective).learns_recordings

    def compute_advantages(self, drawn: Any, rewards: Tensor) -> Tensor:
        """(S, B) or (B,): A_k; of a flow without alpha where that weights the whole term."""
        objective = self.objective
        if not self._loss_in_return:
            return self.advantage(rewards) * (objective.alpha if self.has_density else 1.0)
        guide = self.policy.own_loss(drawn, GUIDE_DRAWS)
        return objective.alpha * self.advantage(rewards) - objective.beta * self.advantage(guide)

    @property
    def _loss_in_return(self) -> bool:
        return self.objective.beta > 0 and not self.objective.learns_recordings

    def terms(self, sample: Sample) -> dict[str, Tensor]:
        objective, advantages = self.objective, sample.advantages
        if self.has_density:
            now = self.policy.replay(sample.drawn)
            bound = objective.clip_range
            return {"surrogate": clipped_surrogate(sample.drawn, now, advantages, bound)}
        alpha = 1.0 if self._loss_in_return else objective.alpha
        before = self.setup.reference
        return matching_terms(self.policy, before, sample.drawn, advantages, objective, alpha)


class OnlyDL(DLPO):
    """DLPO with alpha = 0: guided by the diffusion loss alone. A baseline of the paper."""

    fixed = MappingProxyType({"alpha": 0.0, "beta": 1.0, "guide": "return"})
