"""Level and brightness of a waveform, in numpy."""

from __future__ import annotations

import numpy as np

from dlpo.judges.judge import Waveform

BLOCK_SECONDS = 0.02
GATE_DB = 30.0  # blocks further below the loudest are pauses
POWER_FLOOR = 1e-12  # -120 dB, so that silence has a level
HIGH_BAND_HZ = 4_000


def active_level_db(waveform: Waveform, sample_rate_hz: int) -> float:
    """RMS of the speech without its pauses, in dB over full scale; -120 for silence."""
    block = round(BLOCK_SECONDS * sample_rate_hz)
    blocks = waveform[: len(waveform) // block * block].reshape(-1, block)
    power = np.mean(blocks.astype(np.float64) ** 2, axis=1)
    active = power[power >= power.max() * 10 ** (-GATE_DB / 10)]
    return float(10 * np.log10(active.mean() + POWER_FLOOR))


def high_band_db(waveform: Waveform, sample_rate_hz: int) -> float:
    """Energy above 4 kHz over all energy, in dB; few-step synthesis tends to be dull."""
    power = np.abs(np.fft.rfft(waveform.astype(np.float64))) ** 2
    high = power[np.fft.rfftfreq(len(waveform), 1 / sample_rate_hz) >= HIGH_BAND_HZ]
    return float(10 * np.log10((high.sum() + POWER_FLOOR) / (power.sum() + POWER_FLOOR)))
