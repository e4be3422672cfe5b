"""Perceived loudness of speech in LUFS, by which all voices are set to the same level.

Reference: ITU-R BS.1770-5, annex 1, for one channel; EBU Tech 3341.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from dlpo.audio import Waveform
from dlpo.errors import InputError

BLOCK_S = 0.4
HOP_S = 0.1  # blocks overlap by three quarters
ABSOLUTE_GATE_LUFS = -70.0
RELATIVE_GATE_LU = -10.0
TARGET_LUFS = -22.0  # for every voice: peaks of speech stay below the limiter's knee
OFFSET_LUFS = -0.691  # puts a full-scale 997 Hz sine at -3.01

# The standard gives filter coefficients for 48 kHz only. These are the underlying analogue filters;
# the bilinear transform yields the standard's numbers at 48 kHz, and the right ones at other rates.
SHELF_HZ = 1681.974450955533
SHELF_Q = 0.7071752369554196
SHELF_DB = 3.999843853973347
SHELF_BAND_EXPONENT = 0.4996667741545416
HIGH_PASS_HZ, HIGH_PASS_Q = 38.13547087602444, 0.5003270373238773

Coefficients = tuple[NDArray[np.float64], NDArray[np.float64]]


def integrated_loudness(waveform: Waveform, sample_rate_hz: int) -> float:
    """Loudness of a whole recording, excluding its pauses.

    Args:
        waveform: (T,) float32, at least 0.4 s.

    Returns:
        LUFS; -inf for silence.

    Raises:
        InputError: too short, or not finite.
    """
    block, hop = round(BLOCK_S * sample_rate_hz), round(HOP_S * sample_rate_hz)
    if len(waveform) < block:
        raise InputError(
            f"{len(waveform) / sample_rate_hz:.3f} s is too short to measure loudness;"
            f" expected at least {BLOCK_S} s"
        )
    if not np.isfinite(waveform).all():
        raise InputError("the waveform holds NaN or infinite samples; decode it again")
    energy = np.concatenate([[0.0], np.cumsum(k_weighted(waveform, sample_rate_hz) ** 2)])
    starts = np.arange(0, len(waveform) - block + 1, hop)
    power = (energy[starts + block] - energy[starts]) / block
    power = power[_lufs(power) > ABSOLUTE_GATE_LUFS]
    if not len(power):
        return -np.inf
    power = power[_lufs(power) > _lufs(power.mean()) + RELATIVE_GATE_LU]
    return float(_lufs(power.mean()))


def gain_to_reach(target_lufs: float, loudness_lufs: float) -> float:
    """The factor that brings a recording from one loudness to another."""
    return float(10 ** ((target_lufs - loudness_lufs) / 20))


def k_weighted(waveform: Waveform, sample_rate_hz: int) -> NDArray[np.float64]:
    """(T,) -> (T,): treble boosted as by the head, bass cut as by the ear."""
    once = lfilter(*shelf(sample_rate_hz), waveform.astype(np.float64))
    return np.asarray(lfilter(*high_pass(sample_rate_hz), once))


def shelf(sample_rate_hz: int) -> Coefficients:
    """Stage 1: numerator and denominator, (3,) each, in powers of z^-1."""
    k = np.tan(np.pi * SHELF_HZ / sample_rate_hz)
    high = 10 ** (SHELF_DB / 20)
    band = high**SHELF_BAND_EXPONENT
    numerator = [high + band * k / SHELF_Q + k * k, 2 * (k * k - high)]
    numerator.append(high - band * k / SHELF_Q + k * k)
    return _normalised(numerator, k, SHELF_Q)


def high_pass(sample_rate_hz: int) -> Coefficients:
    """Stage 2: numerator and denominator, (3,) each, in powers of z^-1."""
    k = np.tan(np.pi * HIGH_PASS_HZ / sample_rate_hz)
    # The standard leaves this numerator as it is.
    _, denominator = _normalised([1.0, -2.0, 1.0], k, HIGH_PASS_Q)
    return np.array([1.0, -2.0, 1.0]), denominator


def _normalised(numerator: list[float], k: float, q: float) -> Coefficients:
    denominator = np.array([1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k])
    return np.array(numerator) / denominator[0], denominator / denominator[0]


def _lufs(power: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return OFFSET_LUFS + 10 * np.log10(power)
