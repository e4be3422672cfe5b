"""AWM, advantage-weighted matching: the training loss on own samples, weighted by advantages.

    minimize  alpha mean_g A_g e(x^g)  +  beta DL  +  kl |v - v_start|^2

    symbol   here             meaning
    x^g      drawn            G samples of a prompt, drawn by the policy that acts
    A_g      advantages       how much better x^g was than the others of its prompt; signed
    e        matching_losses  the policy's own training loss on x^g: of the noise that a denoiser
                              predicts, or of a flow's velocity; mean over K draws of noise and
                              level (or time), which the G samples share, so that what they have in
                              common cancels
    DL       recorded_loss    the same loss on recordings: DLPO's diffusion loss, the anchor
    v        divergence       squared distance of the predictions from those before tuning

Lowering e of a sample makes it likelier, so the gradient is a policy gradient with -e in place of
log p, which needs neither a density nor a chain of states, and reaches the noiseless last step too.
On a flow it is DLPO (`dlpo.rl.dlpo`). RWR is the same with weights exp(r / tau) / Z.

Where A is negative only `error_bound` bounds e (`bounded`). No ratio corrects
further steps on the same samples, so that these need an anchor: beta > 0 or kl > 0.

It needs: a policy that draws, rewards of two or more draws of a prompt, recordings if beta > 0.

Reference: Xue et al. 2025 (arXiv 2509.25050).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dlpo.rl.core.method import RolloutMethod, Sample
from dlpo.rl.core.objective import Objective


def bounded(losses: Tensor, before: Tensor, advantages: Tensor, times: float) -> Tensor:
    """Losses whose gradient is 0 where a sample of negative advantage has been pushed far enough.

    Nothing else bounds e from above there, so that without anchors the loss has no minimum.

    Args:
        losses: (K, B), e of each draw of noise.
        before: (K, B), the same before tuning.
        advantages: (B,), of the samples.
        times: bound of e, in units of `before`.

    Returns:
        (K, B).
    """
    return torch.where(advantages < 0, torch.minimum(losses, times * before), losses)


def weighted_matching(losses: Tensor, advantages: Tensor) -> Tensor:
    """(): mean over samples of advantage times e, itself a mean over the draws of noise.

    Args:
        losses: (K, B), e of each draw of noise.
        advantages: (B,), constant for the gradient.
    """
    return (losses.mean(0) * advantages.detach()).mean()


def matching_terms(
    policy: Any,
    before: Any,
    drawn: Any,
    advantages: Tensor,
    objective: Objective,
    weight: float,
) -> dict[str, Tensor]:
    """The terms of advantage-weighted matching, without that of recordings.

    Args:
        policy: what learns.
        before: the policy before tuning.
        drawn: by the policy that acted.
        advantages: (B,).
        weight: of the matching loss.
    """
    draws, terms = objective.matching_draws, dict[str, Tensor]()
    if weight:
        losses = policy.matching_losses(drawn, draws)
        if objective.error_bound is not None:
            with torch.no_grad():
                start = before.matching_losses(drawn, draws)
            losses = bounded(losses, start, advantages, objective.error_bound)
        terms["matching"] = weight * weighted_matching(losses, advantages)
    if objective.matching_kl or objective.kl_outside:
        anchors = objective.matching_kl, objective.kl_outside
        terms["kl"] = policy.divergence(drawn, draws, before, *anchors)
    return terms


class AWM(RolloutMethod):
    """AWM of a chain's output or a flow's sample."""

    @classmethod
    def needs_recordings(cls, objective: Objective) -> bool:
        return objective.beta > 0

    @classmethod
    def needs_one_pass(cls, objective: Objective, steps: int) -> bool:
        return objective.beta == objective.matching_kl == 0

    def terms(self, sample: Sample) -> dict[str, Tensor]:
        objective = self.objective
        return matching_terms(
            self.policy, self.setup.reference, sample.drawn, sample.advantages, objective,
            objective.alpha,
        )  # fmt: skip
