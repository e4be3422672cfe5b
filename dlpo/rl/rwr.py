"""RWR, reward-weighted regression: imitate own samples, the better ones more.

    minimize  mean over prompts of sum_g w_g e(x^g),   w_g = exp(r_g / tau) / sum_G exp(r / tau)

    symbol   here               meaning
    x^g      drawn              G samples of a prompt
    e        errors             denoising loss of x^g at all N levels of the chain, on noise that
                                the G samples share; of a flow its own loss
    r        rewards            standardised
    tau      temperature        small values imitate only the best seed

It is `dlpo.rl.awm` with weights that are never negative, so nothing is pushed away.
Unlike a score function it also reaches the last, noiseless step. The regression of a batch is an
M-step, whose samples and weights stay fixed: several passes over it are sound.

It needs: rewards of two or more draws of a prompt.

Reference: Lee et al. 2023 (arXiv 2302.12192); Black et al. 2024 (arXiv 2305.13301), "RWR". The DLPO
paper describes it as -r log p on samples of a fixed policy.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor

from dlpo.rl.awm import matching_terms
from dlpo.rl.core.method import RolloutMethod, Sample


def rwr_weights(rewards: Tensor, group: int, temperature: float) -> Tensor:
    """(B,) G w_g: over the G draws of a prompt their mean is 1.

    Args:
        rewards: (B,), r; the draws of a prompt are adjacent.
    """
    shares = (rewards.detach().view(-1, group) / temperature).softmax(1)
    return group * shares.view(-1)


class RWR(RolloutMethod):
    """Reward-weighted regression on the policy's own samples."""

    def compute_advantages(self, drawn: Any, rewards: Tensor) -> Tensor:
        return rwr_weights(rewards, drawn.group, self.objective.temperature)

    def terms(self, sample: Sample) -> dict[str, Tensor]:
        objective = replace(self.objective, error_bound=None)  # nothing is unlearned
        return matching_terms(
            self.policy, self.setup.reference, sample.drawn, sample.advantages, objective, 1.0
        )
