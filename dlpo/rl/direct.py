"""The direct gradient: backpropagation through the chain's last steps and a differentiable judge.

It learns fastest and is the easiest to hack: a policy that learns from a judge exploits whatever
it attends to, the last decibels below 8 kHz or one level. Augmentation varies band and level from
sentence to sentence, so that these weak points can't be targeted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dlpo.audio import SAMPLE_RATE
from dlpo.errors import InputError, needs
from dlpo.judges.judge import GradientJudge, check_waveforms
from dlpo.rl.conditions import Policy
from dlpo.rl.rewards import ClipBatch
from dlpo.rl.rollout import Key, Rollout, policy_step_mean
from dlpo.training.processes import bfloat16_is_faster

SETTLED = 50  # periods of both rates, 1 s in all, longer than the filter's response
AUGMENTATION = 2  # last element of the keys of augmentation
ROLL_OFF = 0.1  # share of the band over which a band limit falls from 1 to 0
GAIN_DB = 6.0  # largest level change by augmentation, up or down
NOISE_DB = (-60.0, -45.0)  # level range of its white noise, relative to the speech's RMS
LOWEST_RATE_HZ = 18_000  # its band is the narrowest that a judge hears
LOWEST_RATE_OF_GRADIENT_HZ = 14_000  # the same with a gradient: below what 16 kHz judges see
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
        judge: on the CPU; its weights are frozen.
    """

    def __init__(self, judge: GradientJudge) -> None:
        self.judge = judge
        self.bfloat16 = judge.takes_bfloat16 and bfloat16_is_faster()
        rate_hz = judge.sample_rate_hz
        self.resample = None if rate_hz == SAMPLE_RATE else SpectralResampler(SAMPLE_RATE, rate_hz)

    def __call__(
        self, waveforms: Tensor, samples: Tensor, keys: Sequence[Key], texts: Sequence[str]
    ) -> Tensor:
        """(B, T), (B,) -> (B,) scores, clip by clip, each at its own length; no randomness."""
        scores = []
        for waveform, length, text in zip(waveforms, samples.tolist(), texts, strict=True):
            heard = waveform[:length].cpu()
            if self.resample is not None:
                heard = self.resample(heard)
            if heard.requires_grad:
                heard.register_hook(_defined)
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
                score = self.judge.score_with_gradient(heard, text)
            scores.append(score.float().to(waveforms.device))
        return torch.stack(scores)


def _defined(gradient: Tensor) -> Tensor:
    """0 where undefined: DistillMOS takes magnitudes, which have no derivative where a spectrogram
    cell is exactly silent. In speech that is one sample in 10^5; in digital silence, including its
    own padding, every one. NaN would spoil the whole update."""
    return gradient.nan_to_num(0.0, 0.0, 0.0)


def augment(waveform: Tensor, key: Key, lowest_rate_hz: int) -> Tensor:
    """(T,) -> (T,) at 22,050 Hz, with band, noise and level drawn from the key alone.

    Differentiable; the noise level is treated as a constant.

    Args:
        lowest_rate_hz: the band becomes that of a sample rate between this one and 22,050 Hz, which
            cuts treble.
    """
    random = np.random.default_rng((*key, AUGMENTATION))
    rate_hz = random.integers(lowest_rate_hz, SAMPLE_RATE + 1)
    gain_db, noise_db = random.uniform(-GAIN_DB, GAIN_DB), random.uniform(*NOISE_DB)
    changed = band_limited(waveform, rate_hz / SAMPLE_RATE) if rate_hz < SAMPLE_RATE else waveform
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
        augment(torch.from_numpy(waveform), key, LOWEST_RATE_HZ).numpy()
        for waveform, key in zip(clips.waveforms, clips.keys, strict=True)
    ]
    return ClipBatch(changed, clips.texts, clips.sample_rate_hz, clips.keys)


def augmented_judge(judge: DifferentiableReward) -> DifferentiableReward:
    """A judge of augmented clips; the seeds of a sentence are augmented alike."""

    def score(
        waveforms: Tensor, samples: Tensor, keys: Sequence[Key], texts: Sequence[str]
    ) -> Tensor:
        clips = [
            augment(waveform[:length], key, LOWEST_RATE_OF_GRADIENT_HZ)
            for waveform, length, key in zip(waveforms, samples.tolist(), keys, strict=True)
        ]
        return judge(torch.nn.utils.rnn.pad_sequence(clips, True), samples, keys, texts)

    return score


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


def direct_loss(
    policy: Policy,
    rollout: Rollout,
    reward: DifferentiableReward,
    last_steps: int = 1,
) -> Tensor:
    """-E[r(x_0)], differentiated through the last K steps with the rollout's own noise.

        x_{k+1} = mu_theta(x_k) + sigma_k z_k,   z_k as it was drawn,   k = N - K .. N - 1

    With K = N it is the exact gradient of the expected reward; fewer steps save memory but ignore
    what earlier ones could do.

    Args:
        last_steps: K.

    Returns:
        ().

    Raises:
        InputError: K is not in 1..N.

    Reference: Clark et al. 2024 (arXiv 2309.17400), DRaFT-K (eq. 3); Chen et al. 2022 (InferGrad).
    """
    schedule, conditions = rollout.schedule, rollout.conditions
    if not 1 <= last_steps <= schedule.steps:
        raise InputError(f"last_steps is {last_steps}; expected 1 to {schedule.steps}")
    first = schedule.steps - last_steps
    x = rollout.states[first]
    for k in range(first, schedule.steps):
        drawn = rollout.states[k + 1] - rollout.means[k]  # sigma_k z_k
        x = policy_step_mean(policy, conditions, x, schedule, k) + drawn
    samples = conditions.frames * conditions.samples_per_frame
    waveforms = policy.to_waveform(x) * conditions.inside
    return -reward(waveforms, samples, rollout.sentence_keys, rollout.texts).mean()
