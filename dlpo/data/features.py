"""Features of a recording: F0, voicing, energy, log-mel and the phase of the voice."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from dlpo.audio import ENERGY_FLOOR, F0_CEILING, F0_FLOOR, WINDOW, Waveform, log_mel, sample_f0
from dlpo.errors import DataError, MissingExtraError, needs
from dlpo.frame_grid import FrameGrid

PHASE_BANDWIDTH = 55.0  # Hz; how fast the locked phase may drift from the F0 track
PHASE_TAPS = 501  # samples
BASS_TOP, TREBLE_FLOOR = 900.0, 2500.0  # Hz; the bands that tell voicing from frication
BASS_SHARE = 10 ** (-32 / 20)  # of the clip's loud frames; anything fainter is unvoiced
TREBLE_SHARE = 10 ** (-6 / 20)  # of the treble in the same frame
BAND_WINDOW_S = 0.034014


@dataclass(frozen=True, slots=True)
class Features:
    """Features of a recording, on the frame grid except for the phase."""

    f0: NDArray[np.float32]
    """(F,) Hz, 0 where unvoiced"""
    energy: NDArray[np.float32]
    """(F,) log of the RMS of 1,024 samples around the frame"""
    mel: NDArray[np.float32]
    """(F, 80) log-mel"""
    phase: NDArray[np.float64]
    """(F * H,) radians in [0, 2 pi), locked to the fundamental of the recording"""


def measure(waveform: Waveform, grid: FrameGrid, f0: NDArray[np.float32] | None = None) -> Features:
    """Features of a recording whose length is a multiple of the hop.

    Args:
        waveform: (F * H,).
        grid: its sample rate and frames.
        f0: (F,) Hz where it is known, as it is for synthetic speech; tracked if None, which takes
            two thirds of the time.

    Raises:
        DataError: the length is not a multiple of a frame, a sample is not finite, or `f0` has
            another length.
        MissingExtraError: pyworld or scipy is not installed.
    """
    hop = grid.hop_length
    if len(waveform) == 0 or len(waveform) % hop:
        raise DataError(f"{len(waveform)} samples; expected a positive multiple of {hop}")
    if not np.isfinite(waveform).all():
        raise DataError("the recording holds NaN or infinite samples; decode it again")
    if f0 is None:
        f0 = track_f0(waveform, grid)
    elif len(f0) != len(waveform) // hop:
        raise DataError(f"{len(f0)} frames of F0; expected {len(waveform) // hop}")
    f0 = np.where(sounds_voiced(waveform, grid), f0, 0).astype(np.float32)
    return Features(
        f0, log_energy(waveform, hop), log_mel(waveform, grid), locked_phase(waveform, f0, grid)
    )


@cache
def import_pyworld(extra: str) -> ModuleType:
    """The functions of pyworld, whose package imports pkg_resources, which setuptools dropped.

    Raises:
        MissingExtraError: it is not installed.
    """
    package = find_spec("pyworld")
    if package is None:
        raise MissingExtraError("pyworld", extra)
    spec = PathFinder.find_spec("pyworld.pyworld", package.submodule_search_locations)
    assert spec  # the package's only module
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def track_f0(waveform: Waveform, grid: FrameGrid) -> NDArray[np.float32]:
    """(T,) -> (F,) Hz, 0 where no pitch is found.

    Harvest follows F0 through almost everything, even fricatives: `measure` decides what is
    voiced.

    Reference: Morise 2017 (Harvest), Morise 2016 (StoneMask), both of WORLD.
    """
    pyworld = import_pyworld("train")
    signal, rate_hz = waveform.astype(np.float64), grid.sample_rate_hz
    period_ms = 1000 / grid.frames_per_s
    f0, times = pyworld.harvest(
        signal, rate_hz, f0_floor=F0_FLOOR, f0_ceil=F0_CEILING, frame_period=period_ms
    )
    refined = np.pad(pyworld.stonemask(signal, f0, times, rate_hz), (0, 2))
    # Harvest's frame k lies at k * hop; ours half a hop later.
    left, right = refined[:-1], refined[1:]
    both = (left > 0) & (right > 0)
    centred = np.where(both, (left + right) / 2, np.maximum(left, right))
    out: NDArray[np.float32] = centred[: len(waveform) // grid.hop_length].astype(np.float32)
    return out


def sounds_voiced(waveform: Waveform, grid: FrameGrid) -> NDArray[np.bool_]:
    """(T,) -> (F,) whether the bass is loud enough for voicing, in the clip and against the treble.

    (On our speech DIO calls 44 % of the frames of /AA/ unvoiced and 32 % of /S/ voiced; this rule
    on Harvest's F0, 0 % and 13 %.)
    """
    hop, size = grid.hop_length, round(BAND_WINDOW_S * grid.sample_rate_hz)
    padded = np.pad(waveform, (size // 2 - hop // 2, size))
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)
    windows = windows[::hop][: len(waveform) // hop]
    magnitude = np.abs(np.fft.rfft(windows * np.hanning(size), axis=1))
    hertz = np.fft.rfftfreq(size, 1 / grid.sample_rate_hz)
    bass, treble = (
        np.linalg.norm(magnitude[:, band], axis=1)
        for band in (hertz < BASS_TOP, hertz > TREBLE_FLOOR)
    )
    loud: NDArray[np.bool_] = (bass > BASS_SHARE * np.percentile(bass, 95)) & (
        bass > TREBLE_SHARE * treble
    )
    return loud


def log_energy(waveform: Waveform, hop: int) -> NDArray[np.float32]:
    """(T,) -> (F,) log of the RMS of `WINDOW` samples centred on each frame of ``hop`` samples."""
    before = WINDOW // 2 - hop // 2
    total = np.cumsum(np.pad(waveform.astype(np.float64) ** 2, (before + 1, WINDOW)))
    starts = np.arange(len(waveform) // hop) * hop
    rms = np.sqrt(np.maximum(total[starts + WINDOW] - total[starts], 0) / WINDOW)
    return np.log(np.maximum(rms, ENERGY_FLOOR)).astype(np.float32)


def locked_phase(
    waveform: Waveform, f0: NDArray[np.float32], grid: FrameGrid
) -> NDArray[np.float64]:
    """The phase of the fundamental, sample by sample.

    The integral of F0 plus the angle that remains when the recording is demodulated at F0 and
    low-passed: it puts the source's pulses where the speaker's are, so that a network given the
    source only has to learn a filter.

    Returns:
        (T,) float64 radians in [0, 2 pi).
    """
    with needs("train"):
        from scipy.signal import fftconvolve, firwin
    hertz, _ = sample_f0(f0, grid)
    integral = 2 * np.pi / grid.sample_rate_hz * np.cumsum(hertz)
    lowpass = firwin(PHASE_TAPS, PHASE_BANDWIDTH, fs=grid.sample_rate_hz)
    residue = np.angle(fftconvolve(waveform * np.exp(-1j * integral), lowpass, mode="same"))
    phase: NDArray[np.float64] = np.mod(integral + residue, 2 * np.pi)
    return phase
