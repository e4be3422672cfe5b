"""The contest of denoiser and adversary in the last part of training."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.optim import AdamW

from dlpo.training.adversary import (
    FEATURE_WEIGHT,
    Adversary,
    adversary_loss,
    balanced_weight,
    deception_loss,
    feature_loss,
    heard,
)
from dlpo.training.losses import Denoised


def descend(
    accelerator: Accelerator,
    optimizer: torch.optim.Optimizer,
    parameters: Iterable[Tensor],
    loss: Tensor,
    clip: float,
) -> float:
    """One step of an optimiser; returns the gradient's norm before it was clipped."""
    optimizer.zero_grad()
    accelerator.backward(loss)
    norm = accelerator.clip_grad_norm_(parameters, clip)
    optimizer.step()
    return float(norm)


class Contest:
    """The adversary, its optimiser, and both sides' losses."""

    def __init__(self, accelerator: Accelerator, learning_rate: float, clip: float) -> None:
        adversary = Adversary()
        optimizer = AdamW(adversary.parameters(), learning_rate, (0.8, 0.99))
        self.accelerator, self.clip = accelerator, clip
        self.adversary, self.optimizer = accelerator.prepare(adversary, optimizer)

    def deceive(self, denoised: Denoised, others: Tensor, last_layer: Tensor) -> dict[str, Tensor]:
        """What the denoiser loses for not passing as a recording.

        Args:
            denoised: its predictions and the recordings.
            others: its other losses, which deception must not drown.
            last_layer: its weights at which the two are compared.
        """
        adversary = self.accelerator.unwrap_model(self.adversary).requires_grad_(False)
        with torch.no_grad():
            recorded = adversary(heard(denoised.clean))
        made = adversary(heard(denoised.x0))
        adversary.requires_grad_(True)
        deception = deception_loss(made)
        return {
            "deception": balanced_weight(deception, others, last_layer) * deception,
            "features": FEATURE_WEIGHT * feature_loss(recorded, made),
        }

    def teach(self, denoised: Denoised, learning_rate: float) -> float:
        """One update of the adversary; returns its loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        with self.accelerator.autocast():
            recorded = self.adversary(heard(denoised.clean))
            loss = adversary_loss(recorded, self.adversary(heard(denoised.x0.detach())))
        descend(self.accelerator, self.optimizer, self.adversary.parameters(), loss, self.clip)
        return loss.item()
