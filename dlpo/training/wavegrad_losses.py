"""What training of WaveGrad 2 minimizes: the noise, durations, and log-mel as a second task.

Reference: Chen et al. 2021 (WaveGrad 2), sections 2 and 3; Chen et al. 2020 (WaveGrad), section
2.2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dlpo.audio import MEL_BANDS
from dlpo.config.training import WaveGrad2Training
from dlpo.diffusion import q_sample, training_target
from dlpo.model.wavegrad2 import FRAMES_PER_SECOND, WaveGrad2
from dlpo.model.wavegrad_decoder import activated, convolution
from dlpo.noise_schedule import MAX_STEPS, linear
from dlpo.training.excerpts import Excerpts, Spectra
from dlpo.training.losses import masked_mean

MEL_CENTRE, MEL_SPREAD = -4.0, 2.5  # nats, of log-mel at a peak of 1; only scale the head's output


class MelHead(nn.Module):
    """Log-mel from the hidden sequence of each frame, while training; no checkpoint has it.

    It gives the encoder a gradient long before the decoder listens to it.

    Reference: Chen et al. 2021, section 3 (multi-task learning); its shape is ours.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = convolution(channels, channels, 5)
        self.out = convolution(channels, MEL_BANDS, 5)

    def forward(self, conditioning: Tensor) -> Tensor:
        """(B, C, F) -> (B, 80, F) log-mel."""
        out: Tensor = self.out(activated(self.inner(conditioning)))
        return MEL_CENTRE + MEL_SPREAD * out


def continuous_levels(size: int, generator: torch.Generator, focus: float = 1.0) -> Tensor:
    """(B,) noise levels sqrt(alpha_bar): one of the 1000 steps, then uniform up to the next.

    The steps are stratified over the batch, so that each update sees the whole schedule; a single
    row draws every step with equal probability.

    Args:
        size: B.
        focus: above 1, steps near the clean waveform are drawn more often: the density of the place
            x in the schedule, from 0 (noise) to 1, is ``focus * x ** (focus - 1)``.

    Reference: Chen et al. 2020, algorithm 1 ("hierarchical sampling"); `focus` is ours.
    """
    share = (torch.rand(1, generator=generator) + torch.arange(size)) / size
    place = share.double() ** (1 / focus) * MAX_STEPS  # between two of the 1,001 levels
    levels = torch.from_numpy(linear(MAX_STEPS))
    step = place.floor().long().clamp(max=MAX_STEPS - 1)
    return torch.lerp(levels[step], levels[step + 1], place - step).float()


def duration_loss(predicted: Tensor, recorded: Tensor, seen: Tensor) -> Tensor:
    """Mean squared error of durations in seconds, over the symbols that the encoder sees.

    Args:
        predicted, recorded: (B, P) frames.
        seen: (B, P) bool.
    """
    return masked_mean(((predicted - recorded) / FRAMES_PER_SECOND).square(), seen.float())


def mel_loss(predicted: Tensor, spectra: Spectra) -> Tensor:
    """Mean absolute error of log-mel in nats, over bands and the frames of recordings.

    Args:
        predicted: (B, 80, F).
    """
    return masked_mean((predicted - spectra.mel).abs(), spectra.inside[:, None])


def recorded_conditioning(model: WaveGrad2, hidden: Tensor, spectra: Spectra) -> Tensor:
    """(B, C, P) hidden sequence -> (B, C, F), spread over the frames by recorded durations."""
    sentences = spectra.sentences
    seen = model.seen(sentences.phonemes, sentences.mask)
    ranges = model.predict_ranges(hidden, sentences.durations, seen)
    no_shift = hidden.new_zeros(len(hidden))
    conditioning, _ = model.frames(hidden, sentences.durations, ranges, spectra.positions, no_shift)
    return conditioning


def text_losses(
    model: WaveGrad2, spectra: Spectra, duration_weight: float, head: MelHead
) -> dict[str, Tensor]:
    """Durations and log-mel of whole sentences; the decoder has no part in them.

    Args:
        model, head: in train mode.
        spectra: whole sentences.
        duration_weight: of the duration loss; the other's is 1.
    """
    hidden, duration = _encoded(model, spectra, duration_weight)
    conditioning = recorded_conditioning(model, hidden, spectra)
    return {"duration": duration, "mel": mel_loss(head(conditioning), spectra)}


def wavegrad_losses(
    model: WaveGrad2,
    excerpts: Excerpts,
    weights: WaveGrad2Training,
    generator: torch.Generator,
    head: MelHead | None = None,
) -> dict[str, Tensor]:
    """L1 of the noise in the windows, the durations, and log-mel if there is a head for it.

    Minimize their sum. The whole sentence is encoded and spread over the frames by the recorded
    durations, which is how the ranges learn; decoder and head see only the excerpt.

    Args:
        model: in train mode, or in eval mode to validate.
        excerpts: recordings.
        weights: of the losses and of noise levels.
        generator: draws noise levels and noise, on the CPU.
        head: predicts log-mel.
    """
    hidden, duration = _encoded(model, excerpts.spectra, weights.duration_weight)
    conditioning = recorded_conditioning(model, hidden, excerpts.spectra)
    noise = _noise_loss(model, excerpts, conditioning, weights, generator)
    losses = {"noise": noise, "duration": duration}
    if head is not None:
        losses["mel"] = weights.mel_weight * mel_loss(head(conditioning), excerpts.spectra)
    return losses


def _encoded(model: WaveGrad2, spectra: Spectra, duration_weight: float) -> tuple[Tensor, Tensor]:
    """Hidden sequence, and the weighted loss of the durations predicted from it."""
    sentences = spectra.sentences
    seen = model.seen(sentences.phonemes, sentences.mask)
    hidden = model.hidden(sentences.phonemes, seen)
    durations = model.predict_durations(hidden, seen)
    return hidden, duration_weight * duration_loss(durations, sentences.durations, seen)


def _noise_loss(
    model: WaveGrad2,
    excerpts: Excerpts,
    conditioning: Tensor,
    weights: WaveGrad2Training,
    generator: torch.Generator,
) -> Tensor:
    clean = excerpts.waveform
    level = continuous_levels(len(clean), generator, weights.level_focus).to(clean.device)
    noise = torch.randn(clean.shape, generator=generator).to(clean.device)
    noisy = q_sample(clean, level, noise)
    predicted = model.denoise(noisy, level, conditioning, torch.zeros_like(clean))
    target = training_target(clean, level, noise, model.parametrisation)
    balance = model.untold(level)[:, None] ** -weights.level_balance
    return masked_mean(balance * (predicted - target).abs(), excerpts.scored)
