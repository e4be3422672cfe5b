"""What raters hear: every sound at one loudness, and one that is plainly worse."""

from __future__ import annotations

import numpy as np

from dlpo.errors import DataError, InputError
from dlpo_bench.clips import SAMPLE_RATE, Clip, Waveform
from dlpo_bench.systems import System
from dlpo_serving.levels import limited
from dlpo_serving.loudness import TARGET_LUFS, gain_to_reach, integrated_loudness

TELEPHONE_HZ = (300.0, 3_000.0)  # what the degraded sound keeps
NOISE_DB = -15.0  # of the degraded sound's noise, beside its speech


def render(name: str, system: System, clip: Clip) -> Waveform:
    """(T,) float32 of a clip as a system says it, at `TARGET_LUFS`.

    Raises:
        DataError: nothing that can be heard came; names the system and the clip.
    """
    try:
        return matched(system(clip))
    except InputError as error:
        raise DataError(f"{name}, clip {clip.clip_id}: {error}") from error


def matched(waveform: Waveform) -> Waveform:
    """(T,) -> (T,) float32 at `TARGET_LUFS`, its peaks bent below full scale.

    Raises:
        InputError: silent, too short to have a loudness (0.4 s), or not finite.
    """
    loudness = integrated_loudness(waveform, SAMPLE_RATE)
    if loudness == -np.inf:
        raise InputError("the waveform is silent; expected speech")
    return limited(np.float32(gain_to_reach(TARGET_LUFS, loudness)) * waveform)


def degraded(waveform: Waveform, seed: int) -> Waveform:
    """(T,) -> (T,): as over a bad telephone, at `TARGET_LUFS`.

    Args:
        waveform: (T,) float32 of speech.
        seed: of the noise.
    """
    spectrum = np.fft.rfft(waveform)
    hertz = np.fft.rfftfreq(len(waveform), 1 / SAMPLE_RATE)
    spectrum[(hertz < TELEPHONE_HZ[0]) | (hertz > TELEPHONE_HZ[1])] = 0
    narrow = np.fft.irfft(spectrum, len(waveform))
    noise = np.random.default_rng(seed).standard_normal(len(waveform))
    noise *= np.sqrt(np.mean(narrow**2)) * 10 ** (NOISE_DB / 20)
    return matched((narrow + noise).astype(np.float32))
