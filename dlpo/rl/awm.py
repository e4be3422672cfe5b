"""AWM, advantage-weighted matching: the training loss on own samples, weighted by advantages.

    minimize  mean_g A_g e(x^g)  +  beta DL  +  kl |v - v_start|^2

    symbol   here          meaning
    x^g      a draw        G samples of a sentence, drawn by the policy that acts
    A_g      advantages    how much better x^g was than the others of its sentence; signed
    e        errors        the policy's own training loss on x^g: of the noise that a denoiser
                           predicts, or of a flow's velocity; mean over K draws of noise and level
                           (or time), which the G samples share, so that what they have in common
                           cancels
    DL       guide         the same loss on recordings: DLPO's diffusion loss, the anchor
    v        departures    squared distance of the predictions from those before tuning

Lowering e of a sample makes it likelier, so the gradient is a policy gradient with -e in place of
log p, which needs neither a density nor a chain of states, and reaches the noiseless last step too.
On a flow, with beta > 0 and kl = 0, it is DLPO. RWR is the same with weights exp(r / tau) / Z.

Nothing bounds e from above where A is negative: a flow can predict the bad samples ever worse and
go on drawing them, which ends in noise however the anchors are set. So `bounded` lets these count
only until their error is some times what it was before tuning. No ratio corrects further steps on
the same samples, so that these need an anchor: beta > 0 or kl > 0.

It needs: a policy that draws, rewards of two or more samples of a sentence, recordings if beta > 0.

Reference: Xue et al. 2025 (arXiv 2509.25050).
"""

from __future__ import annotations

import torch
from torch import Tensor

from dlpo.rl.method import RolloutMethod, Sample
from dlpo.rl.objective import Objective


def credited(squared: Tensor, credit: Tensor) -> Tensor:
    """(..., P) squared errors of a sample's points -> (...): their sum, weighted by `credit`.

    A reward that is about some of the points credits these alone; the guide covers all. Weights
    that add up to a sample's length make e a sum, as a log-density is; weights that add up to 1 a
    mean, in which short samples count more for each point.
    """
    return (squared * credit).sum(-1)


def bounded(errors: Tensor, before: Tensor, weights: Tensor, times: float) -> Tensor:
    """Errors whose gradient is 0 where a sample of negative weight has been pushed far enough.

    Args:
        errors: (K, B), e of each draw.
        before: (K, B), the same before tuning.
        weights: (B,), of the samples.
        times: bound of e, in units of `before`.

    Returns:
        (K, B).
    """
    return torch.where(weights < 0, torch.minimum(errors, times * before), errors)


def weighted_matching(errors: Tensor, weights: Tensor) -> Tensor:
    """(): mean over samples of weight times error, itself a mean over the draws.

    Args:
        errors: (K, B), e of each draw.
        weights: (B,), constant for the gradient.
    """
    return (errors.mean(0) * weights.detach()).mean()


def awm_loss(
    errors: Tensor,
    advantages: Tensor,
    *,
    guide: Tensor | None = None,
    beta: float = 0.0,
    departures: Tensor | None = None,
    kl: float = 0.0,
) -> Tensor:
    """Advantage-weighted matching with its two anchors; see the top of this page.

    Args:
        errors: (K, B), e of each draw.
        advantages: (B,), A.
        guide: (), DL.
        departures: (K, B), squared distance of the predictions from the untuned policy's.

    Returns:
        (), with its gradient.
    """
    loss = weighted_matching(errors, advantages)
    if guide is not None:
        loss = loss + beta * guide
    if departures is not None:
        loss = loss + kl * departures.mean()
    return loss


class AWM(RolloutMethod):
    """AWM on the chain; its diffusion loss on recordings is the part that every method can add."""

    @classmethod
    def needs_recordings(cls, objective: Objective) -> bool:
        return objective.beta > 0

    @classmethod
    def needs_one_pass(cls, objective: Objective, steps: int) -> bool:
        return objective.beta == objective.matching_kl == 0

    def loss(self, sample: Sample) -> Tensor:
        """Errors are sums over a sentence's samples, as its log-density is."""
        objective, rollout = self.objective, sample.rollout
        draws, before = objective.matching_draws, self.setup.reference
        errors = self.policy.matching_errors(rollout, draws) * rollout.lengths
        departures = None
        if objective.matching_kl > 0:
            departures = self.policy.departures(rollout, draws, before) * rollout.lengths
        return awm_loss(errors, sample.weights, departures=departures, kl=objective.matching_kl)
