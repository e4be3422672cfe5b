"""The mel front end that the judges were trained with: Slaney's scale, in numpy.

It differs from the voice's own (`dlpo.audio`): scale, normalization, window, decibels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Spectrogram = NDArray[np.float32]

# Slaney's auditory toolbox: linear below 1 kHz, logarithmic above.
LINEAR_HZ = 200 / 3  # Hz a mel below the break
BREAK_HZ = 1_000.0
BREAK_MEL = BREAK_HZ / LINEAR_HZ
LOG_STEP = np.log(6.4) / 27  # log Hz a mel above the break
DYNAMIC_RANGE_DB = 80.0  # quieter cells are raised to this far below the loudest


def mel_filters(sample_rate_hz: int, n_fft: int, bands: int, top_hz: float) -> NDArray[np.float32]:
    """(bands, n_fft // 2 + 1) float32 triangles of equal area from 0 to `top_hz`.

    Bands above half the sample rate are empty, as in the front ends that the judges know.

    Reference: Slaney, Auditory Toolbox, technical report 1998-010.
    """
    top_mel = BREAK_MEL + np.log(top_hz / BREAK_HZ) / LOG_STEP
    mels = np.linspace(0, top_mel, bands + 2)
    above = BREAK_HZ * np.exp(LOG_STEP * (mels - BREAK_MEL))
    points = np.where(mels < BREAK_MEL, mels * LINEAR_HZ, above)
    bins = np.fft.rfftfreq(n_fft, 1 / sample_rate_hz)
    rising = (bins - points[:-2, None]) / np.diff(points)[:-1, None]
    falling = (points[2:, None] - bins) / np.diff(points)[1:, None]
    area = 2 / (points[2:] - points[:-2])
    filters = np.clip(np.minimum(rising, falling), 0, None) * area[:, None]
    return np.asarray(filters, np.float32)


def magnitudes(
    waveform: NDArray[np.floating[Any]], n_fft: int, hop: int, window: int, pad_mode: str
) -> Spectrogram:
    """(T,) -> (frames, n_fft // 2 + 1) float32: |STFT| with a periodic Hann window.

    Frames are centred on multiples of `hop`; `window` samples of each are not zero.
    `pad_mode` is numpy's name for what lies beyond the ends ("reflect" or "constant").
    """
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    before = (n_fft - window) // 2
    padded = np.pad(waveform, n_fft // 2, mode=pad_mode)  # type: ignore[call-overload]
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]
    # Only the part under the window counts; where it starts turns the phase, not the magnitude.
    active = frames[:, before : before + window] * hann
    return np.asarray(np.abs(np.fft.rfft(active, n_fft)), np.float32)


def decibels(power: Spectrogram, floor: float, reference: float = 1.0) -> Spectrogram:
    """Power -> dB over `reference`, at most 80 dB below the loudest cell.

    Args:
        power: any shape, >= 0.
        floor: the least power that counts as sound.
        reference: power of 0 dB.
    """
    level = 10 * np.log10(np.maximum(power, floor) / max(reference, floor))
    return np.asarray(np.maximum(level, level.max() - DYNAMIC_RANGE_DB), np.float32)
