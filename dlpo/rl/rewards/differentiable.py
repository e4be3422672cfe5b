"""Judges with a gradient, for the direct objective."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dlpo.audio import SAMPLE_RATE
from dlpo.errors import MissingExtraError
from dlpo.judges.distillmos import DistillMOS
from dlpo.rl.rewards.utmos import Utmos
from dlpo.rl.rollout import Key

SETTLED = 50  # periods of both rates, 1 s in all, longer than the filter's response


class SpectralResampler:
    """The judges' resampler as a product of spectra, so that it has a gradient.

    Its filter is measured: the response of soxr to an impulse. DistillMOS is
    sensitive to differences just below 8 kHz: with an ideal filter clips lose up to a whole point.

    Args:
        from_hz, to_hz: rates, the second below the first.

    Raises:
        MissingExtraError: soxr is not installed.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        try:
            import soxr
        except ImportError as error:
            raise MissingExtraError("soxr", "bench") from error
        common = math.gcd(from_hz, to_hz)
        self.up, self.down = to_hz // common, from_hz // common
        impulse = np.zeros(2 * SETTLED * self.down)
        impulse[SETTLED * self.down] = 1.0
        response = soxr.resample(impulse, from_hz, to_hz)
        self.gain = np.abs(np.fft.rfft(response))  # up to to_hz / 2, of a linear-phase filter
        self.hertz = np.fft.rfftfreq(len(response), 1 / to_hz)
        self.from_hz = from_hz

    def __call__(self, waveform: Tensor) -> Tensor:
        """(T,) -> (T * to_hz / from_hz,), rounded."""
        samples = len(waveform)
        # Silence between the ends, which meet, and a length that both rates divide.
        padding = SETTLED * self.down + -samples % self.down
        spectrum = torch.fft.rfft(functional.pad(waveform, (0, padding)))
        bins = np.fft.rfftfreq(samples + padding, 1 / self.from_hz)
        gain = np.interp(bins, self.hertz, self.gain, right=0.0)
        wanted = (samples + padding) // self.down * self.up
        resampled: Tensor = torch.fft.irfft(spectrum * torch.from_numpy(gain).to(waveform), wanted)
        return resampled[: round(samples * self.up / self.down)]


class DifferentiableJudge:
    """DistillMOS or UTMOS on the waveforms themselves; see `direct.DifferentiableReward`.

    Args:
        judge: its network takes (1, T) at its own rate; its weights are frozen.
        sample_rate_hz: of the waveforms.
    """

    def __init__(self, judge: DistillMOS | Utmos, sample_rate_hz: int = SAMPLE_RATE) -> None:
        self.judge = judge
        self.resample = SpectralResampler(sample_rate_hz, judge.sample_rate_hz)

    def __call__(self, waveforms: Tensor, samples: Tensor, keys: Sequence[Key]) -> Tensor:
        """(B, T), (B,) -> (B,) scores, clip by clip, each at its own length; nothing is drawn."""
        scores = []
        for waveform, length in zip(waveforms, samples.tolist(), strict=True):
            resampled = self.resample(waveform[:length])
            if resampled.requires_grad:
                resampled.register_hook(_defined)  # type: ignore[no-untyped-call]
            resampled = resampled.to(next(self.judge.network.parameters()).device)
            scores.append(self.judge.network(resampled[None]).reshape(()).to(waveforms.device))
        return torch.stack(scores)


def _defined(gradient: Tensor) -> Tensor:
    """0 where there is none: DistillMOS takes magnitudes, and of an exactly silent cell of a
    spectrogram they have no derivative. In speech that is a sample in 10^5, in digital silence,
    its own padding among it, every one; NaN would spoil the whole update."""
    return gradient.nan_to_num(0.0, 0.0, 0.0)
