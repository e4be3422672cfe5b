"""Judges with a gradient, for the direct method."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dlpo.errors import needs
from dlpo.judges.judge import GradientJudge, WaveformJudge, judging_device
from dlpo.rl.augmentation import augment
from dlpo.rl.core.conditions import Key
from dlpo.training.processes import bfloat16_is_faster

SETTLED = 50  # periods of both rates, 1 s in all, longer than the filter's response
LOWEST_RATE_HZ = 14_000  # the narrowest band that a judge hears: below what 16 kHz judges see
DifferentiableReward = Callable[[Tensor, Tensor, Sequence[Key], Sequence[str]], Tensor]
"""A judge with a gradient: waveforms (B, T), 0 past their own lengths; samples (B,), those lengths;
B keys of anything drawn at random, which the seeds of a sentence share; B texts -> (B,) scores,
higher is better."""


class SpectralResampler:
    """The judges' resampler as a product of spectra, so that it has a gradient.

    Its filter is soxr's measured impulse response. DistillMOS is sensitive to differences just
    below 8 kHz: with an ideal filter, clips lose up to a full point.

    Args:
        from_hz, to_hz: rates, the second below the first.

    Raises:
        MissingExtraError: soxr is not installed.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        with needs("bench"):
            import soxr
        common = math.gcd(from_hz, to_hz)
        self.up = to_hz // common
        self.down = from_hz // common
        impulse = np.zeros(2 * SETTLED * self.down)
        impulse[SETTLED * self.down] = 1.0
        response = soxr.resample(impulse, from_hz, to_hz)
        self.gain = np.abs(np.fft.rfft(response))  # up to to_hz / 2, of a linear-phase filter
        self.hertz = np.fft.rfftfreq(len(response), 1 / to_hz)
        self.from_hz = from_hz

    def __call__(self, waveform: Tensor) -> Tensor:
        """(T,) -> (T * to_hz / from_hz,), rounded."""
        samples = len(waveform)
        # Silence between the ends, which wrap around, and a length that both rates divide.
        padding = SETTLED * self.down + -samples % self.down
        spectrum = torch.fft.rfft(functional.pad(waveform, (0, padding)))
        bins = np.fft.rfftfreq(samples + padding, 1 / self.from_hz)
        gain = np.interp(bins, self.hertz, self.gain, right=0.0)
        wanted = (samples + padding) // self.down * self.up
        resampled: Tensor = torch.fft.irfft(spectrum * torch.from_numpy(gain).to(waveform), wanted)
        return resampled[: round(samples * self.up / self.down)]


class DifferentiableJudge:
    """A judge of the waveforms themselves, as a `DifferentiableReward`.

    Args:
        judge: its weights are frozen.
        from_hz: sample rate of the waveforms.
        augments: whether it hears them augmented, the seeds of a sentence alike.
    """

    def __init__(self, judge: GradientJudge, from_hz: int, augments: bool = False) -> None:
        self.judge = judge
        self.from_hz = from_hz
        self.augments = augments
        self.device = judging_device() if isinstance(judge, WaveformJudge) else torch.device("cpu")
        self.bfloat16 = judge.takes_bfloat16 and bfloat16_is_faster()
        rate_hz = judge.sample_rate_hz
        self.resample = None if rate_hz == from_hz else SpectralResampler(from_hz, rate_hz)

    def __call__(
        self, waveforms: Tensor, samples: Tensor, keys: Sequence[Key], texts: Sequence[str]
    ) -> Tensor:
        """(B, T), (B,) -> (B,) scores, clip by clip, each at its own length."""
        scores = []
        rows = zip(waveforms, samples.tolist(), keys, texts, strict=True)
        for waveform, length, key, text in rows:
            clip = waveform[:length]
            if self.augments:
                clip = augment(clip, self.from_hz, key, LOWEST_RATE_HZ)
            heard = clip.to(self.device)
            if self.resample is not None:
                heard = self.resample(heard)
            if heard.requires_grad:
                heard.register_hook(_defined)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
                score = self.judge.score_with_gradient(heard, text)
            scores.append(score.float().to(waveforms.device))
        return torch.stack(scores)


def _defined(gradient: Tensor) -> Tensor:
    """0 where undefined: DistillMOS takes magnitudes, which have no derivative where a spectrogram
    cell is exactly silent. In speech that is one sample in 10^5; in digital silence, including its
    own padding, every one. NaN would spoil the whole update."""
    return gradient.nan_to_num(0.0, 0.0, 0.0)
