"""The diffusion loss: of a policy's own output, and of recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dlpo.diffusion import q_sample, to_eps, to_x0, training_target
from dlpo.model.build import Model
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.model.wavegrad2 import WaveGrad2
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.conditions import Conditions, Policy, inside_mean
from dlpo.rl.rollout import Rollout, padded_noise
from dlpo.training.acoustics import (
    Acoustics,
    FrozenAcoustics,
    measured_prosody,
    predicted_acoustics,
)
from dlpo.training.adversary import AdversarialTrainer
from dlpo.training.batches import CONTEXT, Batches, Windows
from dlpo.training.excerpts import ExcerptBatches, Excerpts
from dlpo.training.losses import Denoised, acoustic_losses, denoiser_losses, masked_mean
from dlpo.training.wavegrad_losses import recorded_conditioning

GUIDE, REGRESSION = 1, 5  # last element of this module's noise keys; the chain's have none


def noise_error(
    policy: Policy, conditions: Conditions, clean: Tensor, level: Tensor, eps: Tensor
) -> Tensor:
    """Squared error of a policy's noise prediction, with its gradient.

        || eps - eps_theta(alpha x_0 + sigma eps, c) ||^2 / samples

    Args:
        clean: (B, T), x_0.
        level: (1,), alpha.
        eps: (B, T).

    Returns:
        (B,).
    """
    noisy = q_sample(clean, level, eps)
    prediction = policy.denoise(noisy, level, conditions.conditioning, conditions.source)
    predicted_eps = to_eps(prediction, noisy, level, policy.parametrisation)
    return inside_mean((eps - predicted_eps).square(), conditions.inside)


@torch.no_grad()
def renoised_loss(policy: Policy, rollout: Rollout) -> Tensor:
    """How unlikely the model finds its own output, at the level of each scored step.

        DL_k = || eps - eps_theta(alpha_k x_0 + sigma_k eps, c, k) ||^2 / samples

    x_0 is the rollout's output, since most prompts have no recording. The noise is keyed by the
    chain's key, so that it is the same in every pass.

    Returns:
        (S, B).
    """
    return _renoised_errors(policy, rollout, rollout.scored, GUIDE)


def rwr_loss(policy: Policy, rollout: Rollout, rewards: Tensor, temperature: float) -> Tensor:
    """Reward-weighted regression: the denoising loss of the policy's own outputs, weighted.

        mean_k sum_g w_g || eps - eps_theta(alpha_k x_0^g + sigma_k eps, c, k) ||^2 / samples
        w_g = exp(r_g / temperature) / sum over the G seeds of the sentence

    averaged over sentences, at all N levels of the chain: unlike the score function, it also
    reaches the last, noiseless step.

    Args:
        rewards: (B,), r.
        temperature: in units of the reward; small values imitate only the best seed.

    Returns:
        ().

    Reference: Lee et al. 2023 (arXiv 2302.12192); Black et al. 2024 (arXiv 2305.13301), "RWR".
    """
    weights = (rewards.detach().view(-1, rollout.group) / temperature).softmax(1).view(-1)
    errors = _renoised_errors(policy, rollout, range(rollout.schedule.steps), REGRESSION)
    return (weights * errors.mean(0)).sum() * rollout.group / len(rollout)


def _renoised_errors(
    policy: Policy, rollout: Rollout, steps: Sequence[int], purpose: int
) -> Tensor:
    """(steps, B): `noise_error` of the outputs at the levels of the given steps."""
    conditions, schedule = rollout.conditions, rollout.schedule
    noises = padded_noise(conditions, [(*key, purpose) for key in rollout.keys], len(steps))
    errors = []
    for eps, k in zip(noises, steps, strict=True):
        level = eps.new_tensor([float(schedule.noise_levels[k])])
        errors.append(noise_error(policy, conditions, rollout.output, level, eps))
    return torch.stack(errors)


# ---------------------------------------------------------------------- recordings
@dataclass(frozen=True, slots=True)
class RecordedWindows:
    """Windows of recordings with the chain's conditioning."""

    conditions: Conditions
    """of B windows"""
    clean: Tensor
    """(B, T) x_0, in the model's scale"""
    share: tuple[int, int] = (0, 1)
    """Rank of this process and number of processes. Levels and noise are drawn for the windows of
    all processes, so that an update does not depend on their number."""


Cut = Callable[[Sequence[tuple[int, int]], int, tuple[int, int]], RecordedWindows]
"""(utterance, first frame) of each window, frames of each, `RecordedWindows.share` -> windows"""


def recording_cutter(model: Model, batches: Batches, frozen: bool = True) -> Cut:
    """A function that cuts windows and conditions them as the model's training did.

    Args:
        model: in eval mode.
        batches: of the utterances' split.
        frozen: whether everything before its denoiser is, so that it runs once per utterance; if
            not, windows carry its gradient.
    """
    device = next(model.parameters()).device
    if not isinstance(model, WaveGrad2):
        acoustics = FrozenAcoustics(model, batches)

        def cut_acoustic(
            places: Sequence[tuple[int, int]], window: int, share: tuple[int, int]
        ) -> RecordedWindows:
            windows = batches.collate(list(places), window).to(device)
            made = acoustics.of(windows) if frozen else predicted_acoustics(model, windows)
            return recorded_windows(model, windows, made, share)

        return cut_acoustic
    excerpts = ExcerptBatches(batches)

    def cut_published(
        places: Sequence[tuple[int, int]], window: int, share: tuple[int, int]
    ) -> RecordedWindows:
        return recorded_excerpts(model, excerpts.collate(places, window, 0).to(device), share)

    return cut_published


def recorded_windows(
    model: SpectralWaveGrad2,
    windows: Windows,
    acoustics: Acoustics,
    share: tuple[int, int] = (0, 1),
) -> RecordedWindows:
    """Training windows of a spectral model, conditioned on predicted mel as in synthesis.

    Args:
        model: its denoiser's conditioning carries the gradient of whatever learns before it.
        windows: recordings with CONTEXT frames on either side.
        acoustics: `FrozenAcoustics.of(windows)`.
        share: see `RecordedWindows.share`.
    """
    voice = model.voice(windows.sentences.voices)
    prosody = measured_prosody(windows)
    conditioning = model.condition(acoustics.upsampled, prosody, acoustics.mel, voice)
    inner = slice(CONTEXT, -CONTEXT)
    conditions = Conditions(
        conditioning[:, :, inner],
        windows.source,
        windows.inside[:, inner].sum(1).round().long(),
    )
    return RecordedWindows(conditions, windows.waveform * model.config.scale, share)


@torch.no_grad()
def recorded_excerpts(
    model: WaveGrad2, excerpts: Excerpts, share: tuple[int, int] = (0, 1)
) -> RecordedWindows:
    """Training windows of the published model, upsampled by recorded durations.

    Args:
        model: in eval mode.
        excerpts: recordings, without context.
        share: see `RecordedWindows.share`.
    """
    hidden = model.hidden(excerpts.sentences.phonemes, excerpts.sentences.mask)
    conditioning = recorded_conditioning(model, hidden, excerpts.spectra)
    size, frames = excerpts.spectra.positions.shape
    inside = excerpts.scored.view(size, frames, -1)[:, :, 0].sum(1).long()
    conditions = Conditions(conditioning, torch.zeros_like(excerpts.waveform), inside)
    return RecordedWindows(conditions, excerpts.waveform, share)


def diffusion_loss(
    policy: Policy, recorded: RecordedWindows, schedule: NoiseSchedule, generator: torch.Generator
) -> Tensor:
    """L1 error of the network's predictions on recordings, at the chain's levels: DL_real.

    Args:
        generator: draws each window's level and noise, on the CPU.

    Returns:
        (), with its gradient. Reference: Chen et al. 2021 (WaveGrad), eq. 11, at N levels.
    """
    prediction, _, level, noise = _predicted(policy, recorded, schedule, generator)
    target = training_target(recorded.clean, level, noise, policy.parametrisation)
    return inside_mean((prediction - target).abs(), recorded.conditions.inside).mean()


def prosody_loss(model: SpectralWaveGrad2, windows: Windows) -> Tensor:
    """How unlikely recordings are to the part that predicts prosody: its training losses' sum.

    A drawn pitch adds -log N(ln F0 | centre, spread) of the voice's range, over voiced frames.

    Args:
        model: in eval mode.
        windows: recordings; half of their mels are predicted from measured prosody.

    Returns:
        ().
    """
    losses = acoustic_losses(model, windows, None, torch.Generator().manual_seed(0))
    if model.contour is not None:
        of_voice = model.pitch_ranges[windows.sentences.voices[:, 0]]
        centre, spread, _ = of_voice[:, :, None].unbind(1)
        unlikely = ((windows.log_f0 - centre) / spread).square() / 2 + spread.log()
        losses["pitch"] = masked_mean(unlikely, windows.inside * windows.voicing)
    return torch.stack(list(losses.values())).sum()


def control_loss(
    policy: Policy,
    recorded: RecordedWindows,
    schedule: NoiseSchedule,
    generator: torch.Generator,
    adversary: AdversarialTrainer | None = None,
) -> Tensor:
    """Continued supervised training at the chain's levels: the baseline every method must beat.

    For `spectral`, its training losses (diffusion loss, spectral distance); for the published
    model, the diffusion loss.

    Args:
        adversary: takes its own step first, then adds its losses; None for no adversary. Not
            for the published model.
    """
    if not isinstance(policy, SpectralWaveGrad2):
        return diffusion_loss(policy, recorded, schedule, generator)
    denoised = denoise_recorded(policy, recorded, schedule, generator)
    loss = torch.stack(list(denoiser_losses(denoised).values())).sum()
    if adversary is None:
        return loss
    adversary.discriminator_step(denoised)
    weight = policy.spectrum_out.weight
    last = weight if weight.requires_grad else denoised.x0
    against = adversary.generator_losses(denoised, loss, last)
    return loss + torch.stack(list(against.values())).sum()


def denoise_recorded(
    policy: Policy, recorded: RecordedWindows, schedule: NoiseSchedule, generator: torch.Generator
) -> Denoised:
    """The policy's predictions of x_0 from noised recordings, and the recordings."""
    prediction, noisy, level, _ = _predicted(policy, recorded, schedule, generator)
    return Denoised(to_x0(prediction, noisy, level, policy.parametrisation), recorded.clean)


def _predicted(
    policy: Policy, recorded: RecordedWindows, schedule: NoiseSchedule, generator: torch.Generator
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
