"""The terms that training minimizes, as pure functions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from dlpo.diffusion import q_sample
from dlpo.model.acoustics import Prosody, Timing
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.noise_schedule import cosine, cosine_level
from dlpo.text.symbols import FIRST_PHONEME
from dlpo.training.acoustics import measured_mel, measured_prosody
from dlpo.training.batches import CONTEXT, Sentences, Windows

STFT_WINDOWS = (1024, 512, 256, 128)  # samples
STFT_FLOOR = 1e-3
STFT_WEIGHT = 0.5
NOISIEST = float(cosine(1)[0])  # sqrt(alpha_bar) at which a chain starts
UNVOICED_F0_WEIGHT = 0.1  # F0 is only interpolated there


@dataclass(frozen=True, slots=True)
class Denoised:
    """Predictions of the denoiser for a batch of noisy windows."""

    x0: Tensor
    """(B, T) float32, its prediction"""
    clean: Tensor
    """(B, T) float32, the recording, pre-emphasized and scaled"""
    started: int = 0
    """of the rows, the first so many are at the start of a chain"""


def multi_resolution_stft(predicted: Tensor, target: Tensor) -> Tensor:
    """Log-magnitude L1, spectral convergence and spectral balance, averaged over four windows.

    The balance is L1 of each bin's log energy over all frames. Where speech is noise-like, the
    first two are smallest for magnitudes below the recording's, which sounds dull.

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
        a_energy, b_energy = ((x.square().mean(2) + STFT_FLOOR**2).log() for x in (a, b))
        balance = (a_energy - b_energy).abs().mean() / 2
        total = total + log_distance + (a - b).abs().mean() / b.mean().clamp(min=0.05) + balance
    return total / len(STFT_WINDOWS)


def timing_losses(timing: Timing, sentences: Sentences) -> dict[str, Tensor]:
    """How far predicted durations are from recorded ones.

    duration: L1 of log durations where a symbol sounds. pace: L1 of the log of each sentence's
    sounding time, since the median durations of symbols add up to less than was recorded.
    pause: cross-entropy of mark or pause.
    """
    sounding = sentences.durations > 0
    target = sentences.durations.clamp(min=1).log()
    predicted, recorded = (
        (log_durations.exp() * sounding).sum(1).clamp(min=1).log()
        for log_durations in (timing.log_duration, target)
    )
    marks = sentences.mask & (sentences.phonemes < FIRST_PHONEME)
    pause = functional.binary_cross_entropy_with_logits(
        timing.pause_logit[marks], sounding[marks].float()
    )
    return {
        "duration": (timing.log_duration - target).abs()[sounding].mean(),
        "pace": (predicted - recorded).abs().mean(),
        "pause": pause,
    }


def retimed_losses(
    model: SpectralWaveGrad2, before: SpectralWaveGrad2, sentences: Sentences
) -> dict[str, Tensor]:
    """`timing_losses`, and how far the ranges move, with which the frames have learned.

    Args:
        model: its timing learns; the encoder is that of `before`.
        before: the model that training began with, in eval mode.
        sentences: with their durations.
    """
    voice = before.voice(sentences.voices)
    with torch.no_grad():
        hidden, old = before.encode_symbols(sentences.phonemes, sentences.mask, voice)
    timing = model.predict_timing(hidden, sentences.mask, voice)
    moved = (timing.ranges.log() - old.ranges.log()).abs()
    return timing_losses(timing, sentences) | {"ranges": moved[sentences.mask].mean()}


def masked_mean(values: Tensor, weight: Tensor) -> Tensor:
    """The mean of `values` under `weight`, which broadcasts to them."""
    weight = weight.expand_as(values)
    return (values * weight).sum() / weight.sum().clamp(min=1.0)


def mix(chosen: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Row by row `a` where `chosen` (B,), else `b`."""
    return torch.where(chosen.view(-1, *[1] * (a.dim() - 1)), a, b)


def denoise_rows(
    model: SpectralWaveGrad2,
    windows: Windows,
    conditioning: Tensor,
    generator: torch.Generator,
    first_share: float = 3 / 8,
) -> Denoised:
    """Noise recordings at the levels of short chains and let the denoiser predict them.

    A share of the rows is at the start of a chain, which matters most when it has one or two
    steps; the rest are spread over all levels. Every other one of those noises the denoiser's own
    prediction from pure noise instead of the recording, as in all but the first step of a chain.

    Args:
        model: in eval mode, though the denoiser has no dropout.
        windows: recordings, W frames with `CONTEXT` on either side.
        conditioning: (B, C2, W + 2 CONTEXT) frames.
        generator: draws noise levels and noise, on the CPU.
        first_share: of the rows, at the start of a chain.
    """
    device, size = windows.waveform.device, len(windows.waveform)
    first = int(size * first_share)
    level = torch.cat([torch.full((first,), NOISIEST), spread_levels(size - first, generator)])
    level = level.to(device)
    clean = windows.waveform * model.config.scale
    noise = torch.randn(clean.shape, generator=generator).to(device)
    conditioning, source = conditioning[:, :, CONTEXT:-CONTEXT], windows.source
    own = torch.arange(size, device=device) >= first
    own &= torch.arange(size, device=device) % 2 == 0
    seen = clean.clone()
    if own.any():  # MKL's transform refuses an empty batch
        with torch.no_grad():
            start = level.new_full((int(own.sum()),), NOISIEST)
            seen[own] = model.denoise(noise[own], start, conditioning[own], source[own])
    noisy = q_sample(seen, level, noise)
    return Denoised(model.denoise(noisy, level, conditioning, source), clean, first)


def spread_levels(size: int, generator: torch.Generator) -> Tensor:
    """(B,) noise levels sqrt(alpha_bar): one stratified draw of the cosine schedule's time."""
    t = (torch.rand(1, generator=generator) + torch.arange(size)) / size
    return torch.from_numpy(cosine_level(t.double().numpy())).float()


def acoustic_losses(
    model: SpectralWaveGrad2,
    windows: Windows,
    more_timings: Sentences | None,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """The first part: durations, pace, pauses, F0, voicing, energy and mel; minimize their sum.

    Half of the rows predict mel from the recording's prosody, half from the predicted one.

    Args:
        model: in train mode, or in eval mode to validate.
        windows: recordings.
        more_timings: sentences that only teach durations.
        generator: draws the rows, on the CPU.
    """
    sentences = windows.sentences
    voice = model.voice(sentences.voices)
    hidden, timing = model.encode_symbols(sentences.phonemes, sentences.mask, voice)
    timings = timing_losses(timing, sentences)
    if more_timings is not None:
        _, more_timing = model.encode_symbols(
            more_timings.phonemes, more_timings.mask, model.voice(more_timings.voices)
        )
        more = timing_losses(more_timing, more_timings)
        timings = {name: (loss + more[name]) / 2 for name, loss in timings.items()}

    upsampled = model.upsample(hidden, sentences.durations, timing.ranges, windows.positions)
    predicted, measured = model.predict_prosody(upsampled, voice), measured_prosody(windows)
    chosen = (torch.rand(len(windows.mel), generator=generator) < 0.5).to(windows.mel.device)
    prosody = Prosody(
        mix(chosen, predicted.log_f0.detach(), measured.log_f0),
        mix(chosen, (predicted.voicing.detach() > 0).float(), measured.voicing),
        mix(chosen, predicted.energy.detach(), measured.energy),
    )
    mel = model.predict_mel(upsampled, prosody, voice)
    inside, voiced = windows.inside, windows.voicing
    voicing = functional.binary_cross_entropy_with_logits(
        predicted.voicing, voiced, reduction="none"
    )
    return {
        **timings,
        "f0": masked_mean(
            (predicted.log_f0 - measured.log_f0).abs(),
            inside * (voiced + UNVOICED_F0_WEIGHT * (1 - voiced)),
        ),
        "voicing": masked_mean(voicing, inside),
        "energy": masked_mean((predicted.energy - measured.energy).abs(), inside),
        "mel": masked_mean((mel - measured_mel(windows)).abs(), inside[:, None]),
    }


def denoiser_losses(denoised: Denoised, start_weight: float = 1.0) -> dict[str, Tensor]:
    """The diffusion loss (L1 of x0) and the spectral distance.

    Args:
        denoised: predictions and recordings.
        start_weight: of the diffusion loss of the rows at the start of a chain.
    """
    x0, clean = denoised.x0, denoised.clean
    distance = (x0 - clean).abs().mean(1)
    weight = torch.ones_like(distance)
    weight[: denoised.started] = start_weight
    return {
        "diffusion": (distance * weight).mean(),
        "stft": STFT_WEIGHT * multi_resolution_stft(x0, clean),
    }
