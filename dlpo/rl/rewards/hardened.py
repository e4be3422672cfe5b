"""A judge with a gradient, hardened: each clip is changed a little before it is heard.

The direct gradient aims at whatever a judge attends to: the last decibels below 8 kHz, one level,
the place of a segment's edge. None of these stays where it was when band, level and place vary.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dlpo.audio import SAMPLE_RATE
from dlpo.errors import ConfigError
from dlpo.rl.direct import DifferentiableReward
from dlpo.rl.rewards.augmented import AUGMENTATION, Augmentation
from dlpo.rl.rollout import Key

WIDER = Augmentation(lowest_rate_hz=14_000)  # bands from 7 kHz on, so that judges at 16 kHz notice
ROLL_OFF = 0.1  # share of the band over which a band limit falls from 1 to 0
FADE_S = 0.01  # at either end of a window: an edge would click


class HardenedJudge:
    """Another judge, which hears a random band, level and part of each clip, in faint noise.

    What is drawn comes from the clip's key and its length alone, so that the seeds of a sentence
    are treated alike. All of it is differentiable; the noise's level counts as a constant.

    Args:
        judge: hears the changed clips.
        augmentation: how much changes; as `AugmentedReward` does it, but the band is limited on the
            spectrum.
        shortest: the least share of a clip that is heard, in (0, 1]; 1 plays all of it.
        sample_rate_hz: of the waveforms.

    Raises:
        ConfigError: `shortest` is out of range.
    """

    def __init__(
        self,
        judge: DifferentiableReward,
        augmentation: Augmentation = WIDER,
        shortest: float = 1.0,
        sample_rate_hz: int = SAMPLE_RATE,
    ) -> None:
        if not 0 < shortest <= 1:
            raise ConfigError(f"HardenedJudge.shortest is {shortest}; expected above 0 and up to 1")
        self.judge, self.augmentation = judge, augmentation
        self.shortest, self.sample_rate_hz = shortest, sample_rate_hz

    def __call__(self, waveforms: Tensor, samples: Tensor, keys: Sequence[Key]) -> Tensor:
        """See `direct.DifferentiableReward`."""
        clips = [
            self.changed(waveform[:length], key)
            for waveform, length, key in zip(waveforms, samples.tolist(), keys, strict=True)
        ]
        lengths = samples.new_tensor([len(clip) for clip in clips])
        return self.judge(torch.nn.utils.rnn.pad_sequence(clips, True), lengths, keys)

    def changed(self, waveform: Tensor, key: Key) -> Tensor:
        """(T,) -> (T',), T' <= T: what is heard of one clip."""
        random = np.random.default_rng((*key, AUGMENTATION))
        change = self.augmentation.draw(random, self.sample_rate_hz)
        heard = self._window(waveform, random)
        if change.rate_hz < self.sample_rate_hz:
            heard = band_limited(heard, change.rate_hz / self.sample_rate_hz)
        if change.noise:
            hiss = torch.from_numpy(random.standard_normal(len(heard), dtype=np.float32))
            rms = heard.detach().square().mean().sqrt()
            heard = heard + change.noise * rms * hiss.to(heard)
        return change.gain * heard

    def _window(self, waveform: Tensor, random: np.random.Generator) -> Tensor:
        samples = len(waveform)
        kept = round(samples * random.uniform(self.shortest, 1.0))
        if kept == samples:
            return waveform
        first = int(random.integers(samples - kept + 1))
        fade = min(round(FADE_S * self.sample_rate_hz), kept // 2)
        at = torch.arange(kept, device=waveform.device, dtype=waveform.dtype)
        ramp = ((torch.minimum(at, at.flip(0)) + 0.5) / max(1, fade)).clamp(max=1.0)
        return waveform[first : first + kept] * ramp


def band_limited(waveform: Tensor, share: float) -> Tensor:
    """(T,) -> (T,): nothing is left above a share of the band, in (0, 1].

    It falls as a raised cosine over the last `ROLL_OFF` of what stays. The ends meet, as they do in
    every product of spectra; speech begins and ends in silence.
    """
    spectrum = torch.fft.rfft(waveform)
    bins = torch.linspace(0.0, 1.0, len(spectrum), device=waveform.device, dtype=waveform.dtype)
    fallen = ((bins / share - (1 - ROLL_OFF)) / ROLL_OFF).clamp(0.0, 1.0)
    limited: Tensor = torch.fft.irfft(
        spectrum * (0.5 + 0.5 * torch.cos(torch.pi * fallen)), len(waveform)
    )
    return limited
