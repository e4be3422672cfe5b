"""The diffusion loss of a denoiser on recordings."""

from __future__ import annotations

import torch
from torch import Tensor

from dlpo.diffusion import q_sample, to_x0, training_target
from dlpo.model.build import Model
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.conditions import inside_mean
from dlpo.rl.recorded_windows import RecordedWindows
from dlpo.training.losses import Denoised


def diffusion_loss(
    model: Model, recorded: RecordedWindows, schedule: NoiseSchedule, generator: torch.Generator
) -> Tensor:
    """L1 error of the network's predictions on recordings, at the chain's levels: DL_real.

    Args:
        generator: draws each window's level and noise, on the CPU.

    Returns:
        (), with its gradient. Reference: Chen et al. 2021 (WaveGrad), eq. 11, at N levels.
    """
    prediction, _, level, noise = _predicted(model, recorded, schedule, generator)
    target = training_target(recorded.clean, level, noise, model.parametrisation)
    return inside_mean((prediction - target).abs(), recorded.conditions.inside).mean()


def denoise_recorded(
    model: Model, recorded: RecordedWindows, schedule: NoiseSchedule, generator: torch.Generator
) -> Denoised:
    """The policy's predictions of x_0 from noised recordings, and the recordings."""
    prediction, noisy, level, _ = _predicted(model, recorded, schedule, generator)
    return Denoised(to_x0(prediction, noisy, level, model.parametrisation), recorded.clean)


def _predicted(
    model: Model, recorded: RecordedWindows, schedule: NoiseSchedule, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Prediction (B, T), the noisy windows (B, T), their levels (B,) and the noise (B, T)."""
    clean, conditions = recorded.clean, recorded.conditions
    rank, ranks = recorded.share
    size, samples = len(clean) * ranks, clean.shape[1]
    steps = torch.randint(schedule.steps, (size,), generator=generator)[rank::ranks]
    levels = torch.from_numpy(schedule.noise_levels)[steps].to(clean)
    noise = torch.randn(size, samples, generator=generator)[rank::ranks].to(clean)
    noisy = q_sample(clean, levels, noise)
    prediction = model.denoise(noisy, levels, conditions.conditioning, conditions.source)
    return prediction, noisy, levels, noise
