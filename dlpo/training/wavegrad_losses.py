"""What training of the published model minimises, as pure functions.

Reference: Chen et al. 2021 (WaveGrad 2), section 2; Chen et al. 2020 (WaveGrad), section 2.2.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dlpo.diffusion import q_sample, training_target
from dlpo.model.wavegrad2 import FRAMES_PER_SECOND, WaveGrad2
from dlpo.noise_schedule import MAX_STEPS, linear
from dlpo.training.batches import Sentences
from dlpo.training.excerpts import Excerpts
from dlpo.training.losses import masked_mean


def continuous_levels(size: int, generator: torch.Generator) -> Tensor:
    """(B,) noise levels sqrt(alpha_bar): a step of the 1000, and evenly between it and the next.

    The steps are stratified over the batch, so that each update sees all of the schedule; a row by
    itself draws every step alike.

    Reference: Chen et al. 2020, algorithm 1 ("hierarchical sampling").
    """
    share = (torch.rand(1, generator=generator) + torch.arange(size)) / size
    place = share.double() * MAX_STEPS  # between two of the 1,001 levels
    levels = torch.from_numpy(linear(MAX_STEPS))
    step = place.floor().long().clamp(max=MAX_STEPS - 1)
    return torch.lerp(levels[step], levels[step + 1], place - step).float()


def duration_loss(predicted: Tensor, sentences: Sentences) -> Tensor:
    """Mean squared error of durations in seconds, over the symbols.

    Args:
        predicted: (B, P) frames, 0 at padding.
    """
    error = (predicted - sentences.durations) / FRAMES_PER_SECOND
    return masked_mean(error.square(), sentences.mask.float())


def recorded_conditioning(model: WaveGrad2, hidden: Tensor, excerpts: Excerpts) -> Tensor:
    """(B, C, P) hidden sequence -> (B, C, F), spread over the frames by recorded durations."""
    sentences = excerpts.sentences
    ranges = model.predict_ranges(hidden, sentences.durations, sentences.mask)
    no_shift = hidden.new_zeros(len(hidden))
    conditioning, _ = model.frames(
        hidden, sentences.durations, ranges, excerpts.positions, no_shift
    )
    return conditioning


def wavegrad_losses(
    model: WaveGrad2, excerpts: Excerpts, duration_weight: float, generator: torch.Generator
) -> dict[str, Tensor]:
    """L1 of the noise in the windows, and the durations; minimise their sum.

    The whole sentence is encoded and spread over the frames by the recorded durations, through
    which the ranges learn; the decoder sees the excerpt.

    Args:
        model: in train mode, or in eval mode to validate.
        excerpts: recordings.
        duration_weight: of the durations.
        generator: draws noise levels and noise, on the CPU.
    """
    sentences, clean = excerpts.sentences, excerpts.waveform
    hidden = model.hidden(sentences.phonemes, sentences.mask)
    durations = model.predict_durations(hidden, sentences.mask)
    conditioning = recorded_conditioning(model, hidden, excerpts)
    level = continuous_levels(len(clean), generator).to(clean.device)
    noise = torch.randn(clean.shape, generator=generator).to(clean.device)
    noisy = q_sample(clean, level, noise)
    predicted = model.denoise(noisy, level, conditioning, torch.zeros_like(clean))
    target = training_target(clean, level, noise, model.parametrisation)
    return {
        "noise": masked_mean((predicted - target).abs(), excerpts.scored),
        "duration": duration_weight * duration_loss(durations, sentences),
    }
