"""Augmentation of what a judge hears, so that its weak points can't be aimed at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlpo.errors import ConfigError, MissingExtraError
from dlpo.judges.judge import Waveform, check_waveforms
from dlpo.rl.rewards.reward import Judged, Reward, Speech
from dlpo.rl.rollout import Key

AUGMENTATION = 2  # ends the key of what is drawn here, beside noise of chain (none) and guide (1)


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How much may change; 0 of everything changes nothing."""

    gain_db: float = 6.0
    """Largest change of level, up or down."""
    noise_db: tuple[float, float] | None = (-60.0, -45.0)
    """Range of the level of white noise below the speech's RMS; None adds none."""
    lowest_rate_hz: int = 18_000
    """Clips pass through a rate between this one and their own, which moves phases and cuts treble
    a little. Their own or above: none is resampled."""

    def __post_init__(self) -> None:
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

    def draw(self, random: np.random.Generator, sample_rate_hz: int) -> Change:
        """What changes for one clip."""
        rate = random.integers(min(self.lowest_rate_hz, sample_rate_hz), sample_rate_hz + 1)
        gain_db = random.uniform(-self.gain_db, self.gain_db)
        low, high = self.noise_db or (0.0, 0.0)
        noise_db = random.uniform(low, high)
        noise = 10 ** (noise_db / 20) if self.noise_db is not None else 0.0
        return Change(int(rate), 10 ** (gain_db / 20), noise)


@dataclass(frozen=True, slots=True)
class Change:
    """What one clip undergoes."""

    rate_hz: int
    """of which half is the end of its band"""
    gain: float
    """factor"""
    noise: float
    """RMS of white noise over that of the speech; 0 adds none"""


class AugmentedReward:
    """Another reward, which hears each clip changed a little; drawn from the clip's key alone.

    Args:
        reward: hears the changed clips.
        augmentation: how much changes.
    """

    def __init__(self, reward: Reward, augmentation: Augmentation) -> None:
        self.reward, self.augmentation = reward, augmentation
        self.name = reward.name

    def judge(self, speech: Speech) -> Judged:
        """See `Reward.judge`."""
        return self.reward.judge(augmented(speech, self.augmentation))


def augmented(speech: Speech, augmentation: Augmentation) -> Speech:
    """The same clips, each changed as its key says.

    Raises:
        InputError: a waveform that can't be listened to.
        MissingExtraError: soxr is needed and not installed.
    """
    rate = speech.sample_rate_hz
    check_waveforms(speech.waveforms, rate)
    changed = [
        augment(waveform, rate, key, augmentation)
        for waveform, key in zip(speech.waveforms, speech.keys, strict=True)
    ]
    return Speech(changed, speech.texts, rate, speech.keys)


def augment(
    waveform: Waveform, sample_rate_hz: int, key: Key, augmentation: Augmentation
) -> Waveform:
    """(T,) -> (T,) float32: resampled there and back, with noise, at another level.

    Raises:
        MissingExtraError: soxr is needed and not installed.
    """
    random = np.random.default_rng((*key, AUGMENTATION))
    change = augmentation.draw(random, sample_rate_hz)
    changed = _through(waveform.astype(np.float32), sample_rate_hz, change.rate_hz)
    if change.noise:
        rms = float(np.sqrt(np.mean(changed.astype(np.float64) ** 2)))
        hiss = random.standard_normal(len(changed), dtype=np.float32)
        changed = changed + np.float32(rms * change.noise) * hiss
    return changed * np.float32(change.gain)


def _through(waveform: Waveform, sample_rate_hz: int, rate_hz: int) -> Waveform:
    """(T,) -> (T,), by way of another rate."""
    if rate_hz == sample_rate_hz:
        return waveform
    try:
        import soxr
    except ImportError as error:
        raise MissingExtraError("soxr", "bench") from error
    there = soxr.resample(waveform, sample_rate_hz, rate_hz)
    back = soxr.resample(there, rate_hz, sample_rate_hz)[: len(waveform)]
    return np.pad(back, (0, len(waveform) - len(back))).astype(np.float32)
