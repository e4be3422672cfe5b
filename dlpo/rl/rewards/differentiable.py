"""Judges with a gradient, for the direct objective."""

from __future__ import annotations

import torch
from torch import Tensor

from dlpo.audio import SAMPLE_RATE
from dlpo.judges.distillmos import DistillMOS
from dlpo.rl.rewards.utmos import Utmos


def resample(waveform: Tensor, from_hz: int, to_hz: int) -> Tensor:
    """(T,) -> (T * to_hz / from_hz,) by its spectrum: an ideal filter, differentiable.

    The ends are taken to meet, which speech that begins and ends in silence does not mind.
    """
    samples = len(waveform)
    wanted = round(samples * to_hz / from_hz)
    spectrum = torch.fft.rfft(waveform)
    resampled: Tensor = torch.fft.irfft(spectrum, wanted) * (wanted / samples)
    return resampled


class DifferentiableJudge:
    """DistillMOS or UTMOS on the waveforms themselves; see `direct.DifferentiableReward`.

    Args:
        judge: its network takes (1, T) at its own rate; its weights are frozen.
        sample_rate_hz: of the waveforms.
    """

    def __init__(self, judge: DistillMOS | Utmos, sample_rate_hz: int = SAMPLE_RATE) -> None:
        self.judge, self.sample_rate_hz = judge, sample_rate_hz

    def __call__(self, waveforms: Tensor, samples: Tensor) -> Tensor:
        """(B, T), (B,) -> (B,) scores, clip by clip, each at its own length."""
        scores = []
        for waveform, length in zip(waveforms, samples.tolist(), strict=True):
            heard = resample(waveform[:length], self.sample_rate_hz, self.judge.sample_rate_hz)
            scores.append(self.judge.network(heard[None]).reshape(()))
        return torch.stack(scores)
