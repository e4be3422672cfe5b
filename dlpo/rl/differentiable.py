"""Judges with a gradient, for the direct objective, and clips that are changed before judging.

A policy that learns from a judge exploits whatever it attends to: the last decibels below 8 kHz,
one level, the edges of its segments. Augmentation varies band, level and position from sentence to
sentence, so that these weak points can't be targeted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dlpo.audio import SAMPLE_RATE
from dlpo.config import check_ranges
from dlpo.errors import ConfigError, MissingExtraError
from dlpo.judges.distillmos import DistillMOS
from dlpo.judges.judge import check_waveforms
from dlpo.judges.utmos import Utmos
from dlpo.rl.direct import DifferentiableReward
from dlpo.rl.rewards import ClipBatch
from dlpo.rl.rollout import Key

SETTLED = 50  # periods of both rates, 1 s in all, longer than the filter's response
AUGMENTATION = 2  # last element of the keys of what is drawn here
ROLL_OFF = 0.1  # share of the band over which a band limit falls from 1 to 0
FADE_S = 0.01  # at either end of a window: an edge would click


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


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How much may change; 0 of everything changes nothing."""

    gain_db: float = 6.0
    """Largest change of level, up or down."""
    noise_db: tuple[float, float] | None = (-60.0, -45.0)
    """Range of the level of white noise relative to the speech's RMS; None adds none."""
    lowest_rate_hz: int = 18_000
    """Clips are limited to the band of a sample rate between this one and their own, which cuts
    treble. At their own rate or above, none is."""
    shortest: float = 1.0
    """Least share of a clip that is kept, in (0, 1]; 1 keeps all of it."""

    def __post_init__(self) -> None:
        check_ranges(self, shortest="0 < x <= 1")
        if not 0 <= self.gain_db <= 40:
            raise ConfigError(f"Augmentation.gain_db is {self.gain_db}; expected 0 to 40")
        if self.noise_db is not None and not self.noise_db[0] <= self.noise_db[1] <= 0:
            raise ConfigError(
                f"Augmentation.noise_db is {self.noise_db}; expected low <= high <= 0"
            )
        if self.lowest_rate_hz < 8_000:
            raise ConfigError(
                f"Augmentation.lowest_rate_hz is {self.lowest_rate_hz}; expected 8000 or more"
            )

    def apply(self, waveform: Tensor, key: Key, sample_rate_hz: int) -> Tensor:
        """(T,) -> (T',), T' <= T: a random part, band, noise and level, drawn from the key alone.

        Differentiable; the noise's level counts as a constant.
        """
        random = np.random.default_rng((*key, AUGMENTATION))
        rate_hz = random.integers(min(self.lowest_rate_hz, sample_rate_hz), sample_rate_hz + 1)
        gain_db = random.uniform(-self.gain_db, self.gain_db)
        noise_db = random.uniform(*(self.noise_db or (0.0, 0.0)))
        changed = self._window(waveform, sample_rate_hz, random)
        if rate_hz < sample_rate_hz:
            changed = band_limited(changed, rate_hz / sample_rate_hz)
        if self.noise_db is not None:
            noise = torch.from_numpy(random.standard_normal(len(changed), dtype=np.float32))
            rms = changed.detach().square().mean().sqrt()
            changed = changed + 10 ** (noise_db / 20) * rms * noise.to(changed)
        return 10 ** (gain_db / 20) * changed

    def _window(self, waveform: Tensor, sample_rate_hz: int, random: np.random.Generator) -> Tensor:
        samples = len(waveform)
        kept = round(samples * random.uniform(self.shortest, 1.0))
        if kept == samples:
            return waveform
        first = int(random.integers(samples - kept + 1))
        fade = min(round(FADE_S * sample_rate_hz), kept // 2)
        at = torch.arange(kept, device=waveform.device, dtype=waveform.dtype)
        ramp = ((torch.minimum(at, at.flip(0)) + 0.5) / max(1, fade)).clamp(max=1.0)
        return waveform[first : first + kept] * ramp


WIDER = Augmentation(lowest_rate_hz=14_000)  # bands from 7 kHz on: below what 16 kHz judges see


def augmented(clips: ClipBatch, augmentation: Augmentation) -> ClipBatch:
    """The same clips, each changed by its key.

    Raises:
        InputError: an unusable waveform.
    """
    rate = clips.sample_rate_hz
    check_waveforms(clips.waveforms, rate)
    changed = [
        augmentation.apply(torch.from_numpy(waveform), key, rate).numpy()
        for waveform, key in zip(clips.waveforms, clips.keys, strict=True)
    ]
    return ClipBatch(changed, clips.texts, rate, clips.keys)


class AugmentedJudge:
    """A differentiable judge that receives augmented clips; equal for the seeds of a sentence.

    Args:
        judge: scores the changed clips.
        augmentation: how much changes.
        sample_rate_hz: of the waveforms.
    """

    def __init__(
        self,
        judge: DifferentiableReward,
        augmentation: Augmentation = WIDER,
        sample_rate_hz: int = SAMPLE_RATE,
    ) -> None:
        self.judge, self.augmentation = judge, augmentation
        self.sample_rate_hz = sample_rate_hz

    def __call__(self, waveforms: Tensor, samples: Tensor, keys: Sequence[Key]) -> Tensor:
        """See `direct.DifferentiableReward`."""
        clips = [
            self.augmentation.apply(waveform[:length], key, self.sample_rate_hz)
            for waveform, length, key in zip(waveforms, samples.tolist(), keys, strict=True)
        ]
        lengths = samples.new_tensor([len(clip) for clip in clips])
        return self.judge(torch.nn.utils.rnn.pad_sequence(clips, True), lengths, keys)


def band_limited(waveform: Tensor, share: float) -> Tensor:
    """(T,) -> (T,): nothing remains above a share of the band, in (0, 1].

    The response falls as a raised cosine over the last `ROLL_OFF` of the pass band. A product of
    spectra is circular; speech begins and ends in silence.
    """
    spectrum = torch.fft.rfft(waveform)
    bins = torch.linspace(0.0, 1.0, len(spectrum), device=waveform.device, dtype=waveform.dtype)
    fallen = ((bins / share - (1 - ROLL_OFF)) / ROLL_OFF).clamp(0.0, 1.0)
    limited: Tensor = torch.fft.irfft(
        spectrum * (0.5 + 0.5 * torch.cos(torch.pi * fallen)), len(waveform)
    )
    return limited
