"""The control: continued supervised training, without a reward.

    minimize  DL  (+ spectral distance + adversary)         on recordings, at the chain's levels

For `spectral` these are the losses that its training ended with, adversary included unless
`adversary` is false; for the published WaveGrad 2, the diffusion loss alone. The control takes as
many updates at the same rate as a method and sees the same levels: no method may claim what the
control also gains. Weighted by beta, the same loss guides `direct`.

It needs: recordings. Rollouts are drawn for the log only.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.rl.chain import ChainPolicy
from dlpo.rl.diffusion_loss import denoise_recorded
from dlpo.rl.method import LossPart, Method
from dlpo.rl.objective import Objective
from dlpo.rl.recordings import RecordedPart
from dlpo.training.adversary import AdversarialTrainer
from dlpo.training.losses import denoiser_losses


def control_loss(
    policy: ChainPolicy, part: RecordedPart, adversary: AdversarialTrainer | None = None
) -> Tensor:
    """(): the losses that training ended with, at the levels of the chain.

    Args:
        adversary: takes its own step first, then adds its losses; None for no adversary. Not
            for the published model.
    """
    model = policy.model
    if not isinstance(model, SpectralWaveGrad2):
        return policy.diffusion_loss(part.windows, part.generator)
    denoised = denoise_recorded(model, part.windows, policy.schedule, part.generator)
    loss = torch.stack(list(denoiser_losses(denoised).values())).sum()
    if adversary is None:
        return loss
    adversary.discriminator_step(denoised)
    weight = model.spectrum_out.weight
    last = weight if weight.requires_grad else denoised.x0
    against = adversary.generator_losses(denoised, loss, last)
    return loss + torch.stack(list(against.values())).sum()


class Control(Method[LossPart]):
    """Learns from recordings alone."""

    @classmethod
    def needs_recordings(cls, objective: Objective) -> bool:
        return True

    @classmethod
    def supervised(cls, objective: Objective) -> bool:
        return True

    def recorded_loss(self, part: RecordedPart) -> Tensor:
        assert self.setup.recordings is not None
        return control_loss(self.policy, part, self.setup.recordings.adversary)
