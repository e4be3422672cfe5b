"""Measures of a waveform that need no judge: pitch track, spread of pitch and spectrum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dlpo.audio import Waveform, log_mel
from dlpo.data.features import import_pyworld
from dlpo.errors import InputError
from dlpo.frame_grid import PUBLISHED_GRID

FRAME_S = 0.005
F0_RANGE_HZ = (80.0, 500.0)
SOUNDING_DB = 40.0  # frames this far below the loudest are pauses
END_S = 0.1  # pause left before and after judged speech


def f0_track_hz(
    waveform: Waveform, sample_rate_hz: int, floor_hz: float, ceiling_hz: float
) -> NDArray[np.float64]:
    """(frames,) F0 every 5 ms, 0 where unvoiced.

    Raises:
        MissingExtraError: pyworld is not installed.

    Reference: Morise, Kawahara and Katayose, Fast and Reliable F0 Estimation Method Based on the
    Period Extraction of Vocal Fold Vibration (DIO), 2009.
    """
    pyworld = import_pyworld("bench")
    samples = waveform.astype(np.float64)
    coarse, times = pyworld.dio(
        samples,
        sample_rate_hz,
        f0_floor=floor_hz,
        f0_ceil=ceiling_hz,
        frame_period=1_000 * FRAME_S,
    )
    track: NDArray[np.float64] = pyworld.stonemask(samples, coarse, times, sample_rate_hz)
    return track


def with_ends(waveform: Waveform, sample_rate_hz: int) -> Waveform:
    """The waveform with `END_S` of its own pause, or of zeros, before and after the sound."""
    block, end = round(FRAME_S * sample_rate_hz), round(END_S * sample_rate_hz)
    peaks = np.abs(waveform[: len(waveform) // block * block]).reshape(-1, block).max(axis=1)
    sounding = block * np.flatnonzero(peaks > peaks.max(initial=0) * 10 ** (-SOUNDING_DB / 20))
    if not len(sounding):
        return waveform
    return np.pad(waveform, end)[sounding[0] : sounding[-1] + block + 2 * end]


def f0_spread_semitones(waveform: Waveform, sample_rate_hz: int) -> float:
    """Standard deviation of the pitch of voiced frames, in semitones; 0 without any.

    Raises:
        MissingExtraError: pyworld is not installed.
    """
    track = f0_track_hz(waveform, sample_rate_hz, *F0_RANGE_HZ)
    voiced = track[track > 0]
    return float(np.std(12 * np.log2(voiced))) if len(voiced) else 0.0


def mel_spread_db(waveform: Waveform, sample_rate_hz: int) -> float:
    """How much the mel bands vary during speech; over-smoothed speech varies less.

    The standard deviation over time of each of the 80 log-mel bands in dB, averaged over the bands,
    from frames at most `SOUNDING_DB` below the loudest; 0 for silence.

    Raises:
        InputError: not at 22,050 Hz, which the bands are designed for.
    """
    if sample_rate_hz != (expected := PUBLISHED_GRID.sample_rate_hz):
        raise InputError(f"mel bands of {sample_rate_hz} Hz; expected {expected}, resample it")
    decibels = log_mel(waveform, PUBLISHED_GRID) * np.float32(20 / np.log(10))  # (F, 80)
    if not len(decibels):
        return 0.0
    loudest = decibels.max(axis=1)
    return float(decibels[loudest >= loudest.max() - SOUNDING_DB].std(axis=0).mean())
