"""Measures of a waveform that need no judge: level, brightness, liveliness of the pitch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dlpo.errors import MissingExtraError

Waveform = NDArray[np.float32]

BLOCK_SECONDS = 0.02
GATE_DB = 30.0  # blocks further below the loudest are pauses
POWER_FLOOR = 1e-12  # -120 dB, so that silence has a level
HIGH_BAND_HZ = 4_000
F0_RANGE_HZ = (80.0, 500.0)
TYPICAL_LEVEL_DB = -22.0  # active level of the LJSpeech recordings


def active_level_db(waveform: Waveform, sample_rate_hz: int) -> float:
    """RMS of the speech without its pauses, in dB over full scale; -120 for silence."""
    block = round(BLOCK_SECONDS * sample_rate_hz)
    blocks = waveform[: len(waveform) // block * block].reshape(-1, block)
    power = np.mean(blocks.astype(np.float64) ** 2, axis=1)
    active = power[power >= power.max() * 10 ** (-GATE_DB / 10)]
    return float(10 * np.log10(active.mean() + POWER_FLOOR))


def at_level(waveform: Waveform, sample_rate_hz: int, level_db: float) -> Waveform:
    """The waveform brought to an active level in dB over full scale; silence stays silence."""
    if not waveform.any():
        return waveform
    gain_db = level_db - active_level_db(waveform, sample_rate_hz)
    return waveform * np.float32(10 ** (gain_db / 20))


def high_band_db(waveform: Waveform, sample_rate_hz: int) -> float:
    """Energy above 4 kHz over all energy, in dB; few-step synthesis tends to be dull."""
    power = np.abs(np.fft.rfft(waveform.astype(np.float64))) ** 2
    high = power[np.fft.rfftfreq(len(waveform), 1 / sample_rate_hz) >= HIGH_BAND_HZ]
    return float(10 * np.log10((high.sum() + POWER_FLOOR) / (power.sum() + POWER_FLOOR)))


def f0_spread_semitones(waveform: Waveform, sample_rate_hz: int) -> float:
    """Standard deviation of the pitch of voiced frames, in semitones; 0 without any.

    Raises:
        MissingExtraError: pyworld is not installed.
    """
    try:
        import pyworld
    except ImportError as error:
        raise MissingExtraError("pyworld", "bench") from error
    floor, ceiling = F0_RANGE_HZ
    samples = waveform.astype(np.float64)
    coarse, times = pyworld.dio(samples, sample_rate_hz, f0_floor=floor, f0_ceil=ceiling)
    f0 = pyworld.stonemask(samples, coarse, times, sample_rate_hz)
    voiced = f0[f0 > 0]
    return float(np.std(12 * np.log2(voiced))) if len(voiced) else 0.0
