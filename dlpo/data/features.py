"""What is measured in a recording: F0, voicing, energy, log-mel and the phase of the voice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlpo.audio import (
    ENERGY_FLOOR,
    F0_CEILING,
    F0_FLOOR,
    HOP_LENGTH,
    SAMPLE_RATE,
    WINDOW,
    Waveform,
    log_mel,
    sample_f0,
)
from dlpo.errors import DataError, MissingExtraError

PHASE_BANDWIDTH = 55.0  # Hz; how fast the locked phase may drift from the F0 track
PHASE_TAPS = 501  # samples


@dataclass(frozen=True, slots=True)
class Features:
    """All of it on the frame grid, but for the phase."""

    f0: NDArray[np.float32]
    """(F,) Hz, 0 where unvoiced"""
    energy: NDArray[np.float32]
    """(F,) log of the RMS of 1,024 samples around the frame"""
    mel: NDArray[np.float32]
    """(F, 80) log-mel"""
    phase: NDArray[np.float64]
    """(F * 300,) radians in [0, 2 pi), locked to the fundamental of the recording"""


def measure(waveform: Waveform) -> Features:
    """Features of a recording whose length is a multiple of the hop.

    Raises:
        DataError: the length is not a multiple of 300 samples, or a sample is not finite.
        MissingExtraError: pyworld or scipy is not installed.
    """
    if len(waveform) == 0 or len(waveform) % HOP_LENGTH:
        raise DataError(f"{len(waveform)} samples; expected a multiple of {HOP_LENGTH}, not empty")
    if not np.isfinite(waveform).all():
        raise DataError("the recording holds NaN or infinite samples; decode it again")
    f0 = track_f0(waveform)
    return Features(f0, log_energy(waveform), log_mel(waveform), locked_phase(waveform, f0))


def track_f0(waveform: Waveform) -> NDArray[np.float32]:
    """(T,) -> (F,) Hz, 0 where unvoiced. Reference: DIO and StoneMask of WORLD (Morise 2016)."""
    try:
        import pyworld
    except ImportError as error:
        raise MissingExtraError("pyworld", "train") from error
    signal = waveform.astype(np.float64)
    period_ms = HOP_LENGTH / SAMPLE_RATE * 1000
    f0, times = pyworld.dio(
        signal, SAMPLE_RATE, f0_floor=F0_FLOOR, f0_ceil=F0_CEILING, frame_period=period_ms
    )
    # DIO's frame k is at k * hop; ours are centred half a hop later.
    refined = pyworld.stonemask(signal, f0, times, SAMPLE_RATE)
    refined = np.pad(refined, (0, 2), mode="edge")
    left, right = refined[:-1], refined[1:]
    both = (left > 0) & (right > 0)
    centred = np.where(both, (left + right) / 2, 0.0)
    return centred[: len(waveform) // HOP_LENGTH].astype(np.float32)


def log_energy(waveform: Waveform) -> NDArray[np.float32]:
    """(T,) -> (F,) log of the RMS around each frame."""
    half = WINDOW // 2 - HOP_LENGTH // 2
    power = np.cumsum(np.pad(waveform.astype(np.float64) ** 2, (half + 1, WINDOW)))
    starts = np.arange(len(waveform) // HOP_LENGTH) * HOP_LENGTH
    rms = np.sqrt(np.maximum(power[starts + WINDOW] - power[starts], 0) / WINDOW)
    return np.log(np.maximum(rms, ENERGY_FLOOR)).astype(np.float32)


def locked_phase(waveform: Waveform, f0: NDArray[np.float32]) -> NDArray[np.float64]:
    """The phase of the fundamental, sample by sample.

    The integral of F0 plus the angle that is left when the recording is demodulated at F0 and
    low-passed: with it the source's pulses fall where the speaker's do, and a network that hears
    the source only has to learn a filter.

    Returns:
        (T,) float64 radians in [0, 2 pi).
    """
    try:
        from scipy.signal import fftconvolve, firwin
    except ImportError as error:
        raise MissingExtraError("scipy", "train") from error
    hertz, _ = sample_f0(f0)
    integral = 2 * np.pi / SAMPLE_RATE * np.cumsum(hertz)
    lowpass = firwin(PHASE_TAPS, PHASE_BANDWIDTH, fs=SAMPLE_RATE)
    residue = np.angle(fftconvolve(waveform * np.exp(-1j * integral), lowpass, mode="same"))
    phase: NDArray[np.float64] = np.mod(integral + residue, 2 * np.pi)
    return phase
