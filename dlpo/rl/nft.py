"""DiffusionNFT: mixtures of the learning and the acting policy match the good and the bad draws.

    minimize  mean_g r |(1 - b) f_old + b f - y|^2 + (1 - r) |(1 + b) f_old - b f - y|^2
    r = (1 + A) / 2,  A clipped to +-1

    symbol   here             meaning
    f        policy           what it predicts of noised draws; y is what it should predict
    f_old    acted            the same by the policy that drew, constant
    e        matching_losses  |f - y|^2, as in `dlpo.rl.awm`
    m        matching_losses  |f - f_old|^2, the same with f_old for y
    b        alpha            how far the mixtures are from the policy that drew

Written out, it is b A e + (b^2 - b A) m and a constant: advantage-weighted matching held by the
distance from the policy that drew, so that what is unlearned is bounded. In the first step on a
batch m and its gradient are 0, and it is AWM; it differs where `passes` takes more. The paper's
policy that draws lags behind; here it is the one that learns.

It needs: a policy that draws, rewards of two or more draws of a prompt, recordings if beta > 0.

Reference: Zheng et al. 2025 (arXiv 2509.16117).
"""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor

from dlpo.rl.awm import AWM, weighted_matching
from dlpo.rl.core.method import Sample, UpdateBatch
from dlpo.rl.core.objective import Objective


class DiffusionNFT(AWM):
    """Matching along the forward process, without densities."""

    acted: tuple[Any, ...] = ()
    """the policy that drew, in a tuple: not a part that learns; empty before the first draw"""

    @classmethod
    def needs_one_pass(cls, objective: Objective, steps: int) -> bool:
        return False

    def collect(self, update: int, logged: bool) -> UpdateBatch:
        self.acted = (copy.deepcopy(self.policy),)
        return super().collect(update, logged)

    def compute_advantages(self, drawn: Any, rewards: Tensor) -> Tensor:
        return self.advantage(rewards).clamp(-1, 1)

    def terms(self, sample: Sample) -> dict[str, Tensor]:
        draws, b = self.objective.matching_draws, self.objective.alpha
        losses = self.policy.matching_losses(sample.drawn, draws)
        acted = self.acted[0] if self.acted else self.policy
        moved = self.policy.matching_losses(sample.drawn, draws, acted)
        return {
            "matching": b * weighted_matching(losses, sample.advantages),
            "kl": weighted_matching(moved, b**2 - b * sample.advantages),
        }
