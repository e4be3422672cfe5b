"""Augmentation of what judges hear: band, noise and level vary from sentence to sentence.

A policy that learns from a judge exploits whatever it attends to, the last decibels below 8 kHz or
one level. What varies from sentence to sentence can't be targeted.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dlpo.judges.judge import check_waveforms
from dlpo.rl.core.conditions import Key
from dlpo.rl.rewards import ClipBatch

AUGMENTATION = 2  # last element of the keys of augmentation
ROLL_OFF = 0.1  # share of the band over which a band limit falls from 1 to 0
GAIN_DB = 6.0  # largest level change by augmentation, up or down
NOISE_DB = (-60.0, -45.0)  # level range of its white noise, relative to the speech's RMS
LOWEST_RATE_HZ = 18_000  # its band is the narrowest that a judge hears


def augment(waveform: Tensor, sample_rate_hz: int, key: Key, lowest_rate_hz: int) -> Tensor:
    """(T,) -> (T,) at the same rate, with band, noise and level drawn from the key alone.

    Differentiable; the noise level is treated as a constant.

    Args:
        lowest_rate_hz: the band becomes that of a sample rate between this one and the clip's own,
            which cuts treble.
    """
    random = np.random.default_rng((*key, AUGMENTATION))
    rate_hz = random.integers(lowest_rate_hz, sample_rate_hz + 1)
    gain_db, noise_db = random.uniform(-GAIN_DB, GAIN_DB), random.uniform(*NOISE_DB)
    cut = rate_hz < sample_rate_hz
    changed = band_limited(waveform, rate_hz / sample_rate_hz) if cut else waveform
    noise = torch.from_numpy(random.standard_normal(len(changed), dtype=np.float32))
    rms = changed.detach().square().mean().sqrt()
    return 10 ** (gain_db / 20) * (changed + 10 ** (noise_db / 20) * rms * noise.to(changed))


def augmented(clips: ClipBatch) -> ClipBatch:
    """The same clips, each augmented by its key.

    Raises:
        InputError: an unusable waveform.
    """
    check_waveforms(clips.waveforms, clips.sample_rate_hz)
    changed = [
        augment(torch.from_numpy(waveform), clips.sample_rate_hz, key, LOWEST_RATE_HZ).numpy()
        for waveform, key in zip(clips.waveforms, clips.keys, strict=True)
    ]
    return ClipBatch(changed, clips.texts, clips.sample_rate_hz, clips.keys)


def band_limited(waveform: Tensor, share: float) -> Tensor:
    """(T,) -> (T,): remove everything above a share of the band, in (0, 1].

    The response falls as a raised cosine over the last `ROLL_OFF` of the pass band. A product of
    spectra wraps around, which is harmless: speech begins and ends in silence.
    """
    spectrum = torch.fft.rfft(waveform)
    bins = torch.linspace(0.0, 1.0, len(spectrum), device=waveform.device, dtype=waveform.dtype)
    fallen = ((bins / share - (1 - ROLL_OFF)) / ROLL_OFF).clamp(0.0, 1.0)
    limited: Tensor = torch.fft.irfft(
        spectrum * (0.5 + 0.5 * torch.cos(torch.pi * fallen)), len(waveform)
    )
    return limited
