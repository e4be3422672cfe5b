"""Losses on own samples that need no density: the training loss, weighted.

Lowering the training loss e of a sample makes it likelier, so a mean of A e has the gradient of a
policy with -e in place of log p, which needs neither a density nor a chain of states.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dlpo.rl.core.objective import Objective


def bounded(losses: Tensor, before: Tensor, advantages: Tensor, times: float) -> Tensor:
    """Losses whose gradient is 0 where a sample of negative advantage has been pushed far enough.

    Nothing bounds e from above there: a flow can predict the bad samples ever worse and go on
    drawing them, which ends in noise however the anchors are set.

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
    """The terms of advantage-weighted matching, see `dlpo.rl.awm`, without that of recordings.

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
