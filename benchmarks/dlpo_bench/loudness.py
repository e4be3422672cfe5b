"""Perceived loudness of speech in LUFS, by which all voices are set to the same level.

Reference: ITU-R BS.1770-5, annex 1, for one channel; EBU Tech 3341.
"""

from __future__ import annotations

import numpy as np
import pyloudnorm

from dlpo.audio import Waveform
from dlpo.errors import InputError

BLOCK_S = 0.4
HOP_S = 0.1  # blocks overlap by three quarters
TARGET_LUFS = -22.0  # for every voice: peaks of speech stay below the limiter's knee
FILTERS = "DeMan"  # the standard's, at any rate; the library's default ones are near them


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
    meter = pyloudnorm.Meter(sample_rate_hz, filter_class=FILTERS)
    whole = len(waveform) - (len(waveform) - block) % hop  # the library would count half a block
    return float(meter.integrated_loudness(waveform[:whole].astype(np.float64)))


def gain_to_reach(target_lufs: float, loudness_lufs: float) -> float:
    """The factor that brings a recording from one loudness to another."""
    return float(10 ** ((target_lufs - loudness_lufs) / 20))
