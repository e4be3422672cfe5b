"""The losses that a `spectral` voice's training ended with, at the levels of a chain."""

from __future__ import annotations

import torch
from torch import Tensor

from dlpo.diffusion import to_x0
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.rl.core.chain import ChainPolicy
from dlpo.rl.core.method import RecordedPart
from dlpo.rl.core.policy import RecordedSamples
from dlpo.training.adversary import AdversarialTrainer
from dlpo.training.losses import Denoised, denoiser_losses


def denoise_recorded(
    policy: ChainPolicy, recorded: RecordedSamples, generator: torch.Generator
) -> Denoised:
    """The policy's predictions of x_0 from noised recordings, and the recordings."""
    prediction, noisy, level, _ = policy.predict_recorded(recorded, generator)
    return Denoised(to_x0(prediction, noisy, level, policy.model.parametrisation), recorded.clean)


def supervised_loss(
    policy: ChainPolicy, part: RecordedPart, adversary: AdversarialTrainer | None = None
) -> Tensor:
    """(): the diffusion loss and the spectral distance, or of WaveGrad 2 the diffusion loss alone.

    Args:
        adversary: takes its own step first, then adds its losses; None for no adversary. Not
            for WaveGrad 2.
    """
    model = policy.model
    if not isinstance(model, SpectralWaveGrad2):
        return policy.diffusion_loss(part.windows, part.generator)
    denoised = denoise_recorded(policy, part.windows, part.generator)
    loss = torch.stack(list(denoiser_losses(denoised).values())).sum()
    if adversary is None:
        return loss
    adversary.discriminator_step(denoised)
    weight = model.spectrum_out.weight
    last = weight if weight.requires_grad else denoised.x0
    against = adversary.generator_losses(denoised, loss, last)
    return loss + torch.stack(list(against.values())).sum()
