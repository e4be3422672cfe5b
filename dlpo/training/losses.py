"""What training minimises, term by term, as pure functions."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from dlpo.model.lite import (
    ENERGY_CENTRE,
    ENERGY_SCALE,
    LOG_F0_CENTRE,
    LOG_F0_SCALE,
    MEL_SCALE,
    MEL_SHIFT,
    LiteWaveGrad2,
    Prosody,
    Timing,
)
from dlpo.text.symbols import FIRST_PHONEME
from dlpo.training.batches import Sentences, Windows

STFT_WINDOWS = (1024, 512, 256, 128)  # samples
STFT_FLOOR = 1e-3
STFT_WEIGHT = 0.5
UNVOICED_F0_WEIGHT = 0.1  # F0 is only interpolated there


def multi_resolution_stft(predicted: Tensor, target: Tensor) -> Tensor:
    """Log-magnitude L1 plus spectral convergence, averaged over four windows.

    Args:
        predicted, target: (B, T) float32.

    Reference: Yamamoto et al. 2020 (Parallel WaveGAN), eq. 4 to 7, with L1 in the convergence.
    """
    total = predicted.new_zeros(())
    for size in STFT_WINDOWS:
        window = torch.hann_window(size, device=predicted.device)
        a, b = (
            torch.stft(x, size, size // 4, window=window, return_complex=True).abs()
            for x in (predicted, target)
        )
        log_distance = ((a + STFT_FLOOR).log() - (b + STFT_FLOOR).log()).abs().mean()
        total = total + log_distance + (a - b).abs().mean() / b.mean().clamp(min=0.05)
    return total / len(STFT_WINDOWS)


def timing_loss(timing: Timing, sentences: Sentences) -> tuple[Tensor, Tensor]:
    """L1 of log durations where a symbol sounds, and cross-entropy of mark or pause."""
    sounding = sentences.durations > 0
    target = sentences.durations.clamp(min=1).log()
    duration = (timing.log_duration - target).abs()[sounding].mean()
    marks = sentences.mask & (sentences.phonemes < FIRST_PHONEME)
    pause = functional.binary_cross_entropy_with_logits(
        timing.pause_logit[marks], sounding[marks].float()
    )
    return duration, pause


def masked_mean(values: Tensor, weight: Tensor) -> Tensor:
    """The mean of `values` under `weight`, which broadcasts to them."""
    weight = weight.expand_as(values)
    return (values * weight).sum() / weight.sum().clamp(min=1.0)


def measured_prosody(windows: Windows) -> Prosody:
    """The recording's prosody in the network's scales."""
    return Prosody(
        (windows.log_f0 - LOG_F0_CENTRE) * LOG_F0_SCALE,
        windows.voicing,
        (windows.energy - ENERGY_CENTRE) * ENERGY_SCALE,
    )


def mix(chosen: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Row by row `a` where `chosen` (B,), else `b`."""
    return torch.where(chosen.view(-1, *[1] * (a.dim() - 1)), a, b)


def spread_levels(size: int, generator: torch.Generator) -> Tensor:
    """(B,) noise levels sqrt(alpha_bar): one stratified draw of the cosine schedule's time."""
    t = (torch.rand(1, generator=generator) + torch.arange(size)) / size
    return torch.cos(0.98 * math.pi / 2 * t + 0.01)


def lite_losses(
    model: LiteWaveGrad2,
    windows: Windows,
    more_timings: Sentences | None,
    context: int,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """All terms of the training loss of `lite`; minimise their sum.

    Half of the rows condition each stage on what the recording says, half on what the stage
    before predicts, so that the denoiser hears at training what it will hear at synthesis.

    Args:
        model: in train mode, or in eval mode to validate.
        windows: recordings.
        more_timings: sentences that only teach durations; none once the encoder is frozen.
        context: C, frames to cut from both ends before the denoiser.
        generator: draws rows, noise levels and noise, on the CPU.
    """
    device = windows.waveform.device
    size = len(windows.waveform)
    sentences = windows.sentences
    hidden, timing = model.encode_symbols(sentences.phonemes, sentences.mask)
    upsampled = model.upsample(hidden, sentences.durations, timing.ranges, windows.positions)
    predicted = model.predict_prosody(upsampled)
    measured = measured_prosody(windows)
    from_text = (torch.rand(size, generator=generator) < 0.5).to(device)
    told = Prosody(
        mix(from_text, predicted.log_f0.detach(), measured.log_f0),
        mix(from_text, (predicted.voicing.detach() > 0).float(), measured.voicing),
        mix(from_text, predicted.energy.detach(), measured.energy),
    )
    mel_target = windows.mel * MEL_SCALE + MEL_SHIFT
    mel = model.predict_mel(upsampled, told)

    inside, voiced = windows.inside, windows.voicing
    weight = inside * (voiced + UNVOICED_F0_WEIGHT * (1 - voiced))
    duration, pause = timing_loss(timing, sentences)
    if more_timings is not None:
        more = timing_loss(
            model.encode_symbols(more_timings.phonemes, more_timings.mask)[1], more_timings
        )
        duration, pause = (duration + more[0]) / 2, (pause + more[1]) / 2
    voicing = functional.binary_cross_entropy_with_logits(
        predicted.voicing, voiced, reduction="none"
    )
    terms = {
        "duration": duration,
        "pause": pause,
        "f0": masked_mean((predicted.log_f0 - measured.log_f0).abs(), weight),
        "voicing": masked_mean(voicing, inside),
        "energy": masked_mean((predicted.energy - measured.energy).abs(), inside),
        "mel": masked_mean((mel - mel_target).abs(), inside[:, None]),
    }

    heard = mix((torch.rand(size, generator=generator) < 0.5).to(device), mel.detach(), mel_target)
    conditioning = model.condition(upsampled, measured, heard)[:, :, context:-context]
    level = spread_levels(size, generator).to(device)
    clean = windows.waveform * model.config.scale
    noise = torch.randn(clean.shape, generator=generator).to(device)
    alpha, sigma = level[:, None], (1 - level[:, None] ** 2).sqrt()
    x0 = model.denoise(alpha * clean + sigma * noise, level, conditioning, windows.source)
    with torch.autocast(device.type, enabled=False):
        terms["diffusion"] = (x0 - clean).abs().mean()
        terms["stft"] = STFT_WEIGHT * multi_resolution_stft(x0, clean)
    return terms
