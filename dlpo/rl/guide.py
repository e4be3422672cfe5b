"""The diffusion loss: of a rollout's output, as a guide, and of recordings, to learn from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dlpo.diffusion import q_sample, to_eps, to_x0, training_target
from dlpo.model.acoustics import AcousticModel
from dlpo.model.lite import LiteWaveGrad2
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.conditions import Conditions, Policy, inside_mean
from dlpo.rl.rollout import Rollout, padded_noise
from dlpo.training.acoustics import Acoustics, measured_prosody
from dlpo.training.batches import CONTEXT, Windows
from dlpo.training.losses import Denoised, denoiser_losses, voices_of

GUIDE = 1  # ends the key of the guide's noise, beside that of the chain


@torch.no_grad()
def renoised_loss(policy: Policy, rollout: Rollout) -> Tensor:
    """How unlikely the model finds its own output, at the level of each scored step.

        DL_k = || eps - eps_theta(alpha_k x_0 + sigma_k eps, c, k) ||^2 / samples

    The noise is fresh, and keyed by the chain's key, so that it is the same in every pass. The
    recording that the paper's text could also mean doesn't exist for most prompts.

    Returns:
        (S, B).
    """
    conditions, schedule = rollout.conditions, rollout.schedule
    keys = [(*key, GUIDE) for key in rollout.keys]
    losses = []
    for eps, k in zip(
        padded_noise(conditions, keys, len(rollout.scored)), rollout.scored, strict=True
    ):
        level = eps.new_tensor([float(schedule.noise_levels[k])])
        losses.append(noise_error(policy, conditions, rollout.output, level, eps))
    return torch.stack(losses)


def noise_error(
    policy: Policy, conditions: Conditions, clean: Tensor, level: Tensor, eps: Tensor
) -> Tensor:
    """(B, T) x_0, (1,) noise level, (B, T) noise -> (B,): how wrongly the noise is seen.

    || eps - eps_theta(alpha x_0 + sigma eps, c) ||^2 / samples, with its gradient.
    """
    noisy = q_sample(clean, level, eps)
    prediction = policy.denoise(noisy, level, conditions.conditioning, conditions.source)
    seen = to_eps(prediction, noisy, level, policy.parametrisation)
    return inside_mean((eps - seen).square(), conditions.inside)


@dataclass(frozen=True, slots=True)
class Recorded:
    """Windows of recordings as the chain sees them."""

    conditions: Conditions
    """of B windows"""
    clean: Tensor
    """(B, T) x_0, in the model's scale"""
    share: tuple[int, int] = (0, 1)
    """Number of this process and how many there are. Levels and noise are drawn for all windows of
    an update, and the own ones taken, so that an update is the same however many there are."""


@torch.no_grad()
def recorded_windows(
    model: AcousticModel, windows: Windows, told: Acoustics, share: tuple[int, int] = (0, 1)
) -> Recorded:
    """Windows of training, conditioned on predicted mel as in synthesis.

    Args:
        model: whatever gives the conditioning; its conditioning layers are frozen.
        windows: recordings with CONTEXT frames on either side.
        told: `FrozenAcoustics.of(windows)`.
        share: see `Recorded.share`.
    """
    voice = voices_of(model, windows.sentences)
    conditioning = model.condition(told.upsampled, measured_prosody(windows), told.mel, voice)
    inner = slice(CONTEXT, -CONTEXT)
    conditions = Conditions(
        conditioning[:, :, inner],
        windows.source,
        windows.inside[:, inner].sum(1).round().long(),
    )
    return Recorded(conditions, windows.waveform * model.config.scale, share)


def diffusion_loss(
    policy: Policy, recorded: Recorded, schedule: NoiseSchedule, generator: torch.Generator
) -> Tensor:
    """L1 of what the network predicts from recordings, at the levels of the chain: DL_real.

    Args:
        generator: draws each window's level and noise, on the CPU.

    Returns:
        (), with its gradient. Reference: Chen et al. 2021 (WaveGrad), eq. 11, at N levels.
    """
    prediction, _, level, noise = _predicted(policy, recorded, schedule, generator)
    target = training_target(recorded.clean, level, noise, policy.parametrisation)
    return inside_mean((prediction - target).abs(), recorded.conditions.inside).mean()


def control_loss(
    policy: Policy, recorded: Recorded, schedule: NoiseSchedule, generator: torch.Generator
) -> Tensor:
    """Continued supervised training at the levels of the chain: what every method must beat.

    For `lite` all that its training minimised (diffusion loss, spectral distance, seams, without
    the adversary), for the published model the diffusion loss.
    """
    if not isinstance(policy, LiteWaveGrad2):
        return diffusion_loss(policy, recorded, schedule, generator)
    prediction, noisy, level, _ = _predicted(policy, recorded, schedule, generator)
    x0 = to_x0(prediction, noisy, level, policy.parametrisation)
    terms = denoiser_losses(Denoised(x0, recorded.clean), policy.config.patch)
    return torch.stack(list(terms.values())).sum()


def _predicted(
    policy: Policy, recorded: Recorded, schedule: NoiseSchedule, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Prediction (B, T), the noisy windows (B, T), their levels (B,) and the noise (B, T)."""
    clean, conditions = recorded.clean, recorded.conditions
    rank, ranks = recorded.share
    size, samples = len(clean) * ranks, clean.shape[1]
    steps = torch.randint(schedule.steps, (size,), generator=generator)[rank::ranks]
    levels = torch.from_numpy(schedule.noise_levels)[steps].to(clean)
    noise = torch.randn(size, samples, generator=generator)[rank::ranks].to(clean)
    noisy = q_sample(clean, levels, noise)
    prediction = policy.denoise(noisy, levels, conditions.conditioning, conditions.source)
    return prediction, noisy, levels, noise
