"""Signals and features in numpy: pre-emphasis, log-mel, the harmonic source, WAV.

Waveforms are float32 in [-1, 1], mono; a `FrameGrid` has their sample rate and the length of a
frame, in samples H.
"""

from __future__ import annotations

import wave
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlpo.errors import DataError, writing
from dlpo.frame_grid import FrameGrid

Waveform = NDArray[np.float32]

WINDOW = 1024  # samples of one spectral frame
MEL_BANDS = 80
MEL_FLOOR = 1e-4
ENERGY_FLOOR = 1e-4
PRE_EMPHASIS = 0.9
F0_FLOOR, F0_CEILING = 80.0, 500.0  # Hz
MAX_HARMONICS = 50
SOURCE_GAIN = np.sqrt(2 / 40)  # about unit power with the 40 harmonics of a typical voice
AT_PULSE = 1e-4 / np.pi  # turns; any closer to a pulse, evaluate at this distance instead


def pre_emphasise(waveform: Waveform) -> Waveform:
    """(T,) -> (T,): y[n] = x[n] - 0.9 x[n-1], so that errors follow the spectrum of speech."""
    out = waveform.astype(np.float32, copy=True)
    out[1:] -= np.float32(PRE_EMPHASIS) * waveform[:-1]
    return out


@cache
def mel_filters(sample_rate_hz: int) -> NDArray[np.float32]:
    """(80, 513) float32 triangles, equally spaced on the mel scale from 0 to half the rate."""
    top = 2595 * np.log10(1 + sample_rate_hz / 2 / 700)
    points = 700 * (10 ** (np.linspace(0, top, MEL_BANDS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(WINDOW, 1 / sample_rate_hz)
    rising = (bins - points[:-2, None]) / (points[1:-1] - points[:-2])[:, None]
    falling = (points[2:, None] - bins) / (points[2:] - points[1:-1])[:, None]
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def log_mel(waveform: Waveform, grid: FrameGrid) -> NDArray[np.float32]:
    """(F * H,) -> (F, 80) float32 log of mel magnitudes; each frame is centred on its samples."""
    hop, frames = grid.hop_length, len(waveform) // grid.hop_length
    padded = np.pad(waveform, (WINDOW // 2 - hop // 2, WINDOW))
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::hop][:frames]
    magnitude = np.abs(np.fft.rfft(windows * np.hanning(WINDOW).astype(np.float32), axis=1))
    mel = magnitude @ mel_filters(grid.sample_rate_hz).T
    return np.log(np.maximum(mel, MEL_FLOOR)).astype(np.float32)


def sample_f0(
    f0: NDArray[np.float32], grid: FrameGrid
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Per-frame F0 -> per-sample F0.

    Args:
        f0: (F,) Hz, 0 where unvoiced.
        grid: where its frames lie.

    Returns:
        (F * H,) Hz, interpolated across unvoiced stretches, and (F * H,) whether voiced.
    """
    samples = np.arange(len(f0) * grid.hop_length)
    times = np.arange(len(f0)) * grid.hop_length + grid.hop_length / 2
    voiced = f0 > 0
    if not voiced.any():
        return np.full(len(samples), F0_FLOOR), np.zeros(len(samples), bool)
    return (
        np.interp(samples, times[voiced], f0[voiced]),
        np.interp(samples, times, voiced.astype(np.float64)) > 0.5,
    )


class PulseJitter:
    """Moves each pulse of a voice a little, by itself, as vocal folds do.

    Args:
        periods: standard deviation of a pulse's place.
        generator: draws one number for each pulse, in order.
    """

    def __init__(self, periods: float, generator: np.random.Generator) -> None:
        self.periods = periods
        self._generator = generator
        self._places: NDArray[np.float64] = np.zeros(0)

    def __call__(self, turns: NDArray[np.float64]) -> NDArray[np.float64]:
        """What to add to the turns since the first sample, both (T,); linear between pulses."""
        missing = int(turns[-1]) + 2 - len(self._places) if len(turns) else 0
        if missing > 0:
            more = self.periods * self._generator.standard_normal(missing)
            self._places = np.concatenate([self._places, more])
        return np.interp(turns, np.arange(len(self._places)), self._places)


def harmonic_source(
    f0: NDArray[np.float32],
    grid: FrameGrid,
    phase: NDArray[np.float64] | None = None,
    jitter: PulseJitter | None = None,
) -> Waveform:
    """The band-limited pulse train that the denoiser receives alongside the noisy waveform.

    The sum of cos(k phase) over the harmonics below 95 % of half the sample rate; zero where
    unvoiced. Without a taper at most 50, in the closed form of the Dirichlet kernel. With one they
    fade, as a mean of such kernels (de la Vallée Poussin's).

    Args:
        f0: (F,) Hz, 0 where unvoiced.
        grid: where its frames lie, and the taper.
        phase: (F * H,) radians; the integral of F0 by default (in training it is locked to the
            recording, see `dlpo.data.features`).
        jitter: of the pulses; none by default.

    Returns:
        (F * H,) float32.
    """
    hertz, voiced = sample_f0(f0, grid)
    if phase is None:
        phase = 2 * np.pi / grid.sample_rate_hz * np.cumsum(hertz)
    if jitter is not None:
        phase = phase + 2 * np.pi * jitter(phase / (2 * np.pi))
    return pulse_train(hertz, voiced, phase, grid)


def pulse_train(
    hertz: NDArray[np.float64],
    voiced: NDArray[np.bool_],
    phase: NDArray[np.float64],
    grid: FrameGrid,
) -> Waveform:
    """The harmonics of `harmonic_source` from per-sample F0 and phase, all (T,)."""
    out = np.zeros(len(hertz), np.float32)
    top = np.floor(grid.source_ceiling_hz / hertz[voiced])
    if not grid.taper_hz:
        top = np.minimum(top, MAX_HARMONICS)
    full = np.minimum(np.floor(grid.taper_hz / hertz[voiced]), top) if grid.taper_hz else top
    # Reduce angles to around zero in float64, so that float32, whose sine is 30 times faster, has
    # full precision where it matters: at the pulses.
    turns = phase[voiced] / (2 * np.pi)
    turns -= np.rint(turns)
    turns[np.abs(turns) < AT_PULSE] = AT_PULSE
    sine = _sine(turns / 2)
    # sum_{k=1..K} cos(k 2h) = (sin((2K + 1) h) / sin(h) - 1) / 2, and its mean over K = L..M has
    # sin((M - L + 1) h) sin((L + M + 1) h) / ((M - L + 1) sin(h)) for the first sine
    kernel = _sine((full + top + 1) / 2 * turns)
    if grid.taper_hz:
        fading = top - full + 1
        kernel *= _sine(fading / 2 * turns) / (fading.astype(np.float32) * sine)
    out[voiced] = (kernel - sine) * np.float32(SOURCE_GAIN / 2) / sine
    return out


def _sine(turns: NDArray[np.float64]) -> NDArray[np.float32]:
    """Of an angle in turns, which may be many."""
    return np.sin((2 * np.pi * (turns - np.rint(turns))).astype(np.float32))


def to_pcm16(waveform: Waveform) -> NDArray[np.int16]:
    """float32 in [-1, 1], clipped -> little-endian int16, as in files and on the wire."""
    return np.round(np.clip(waveform, -1, 1) * 32767).astype("<i2")


def write_wav(path: Path, waveform: Waveform, sample_rate_hz: int) -> None:
    """Write mono 16-bit WAV.

    Raises:
        InputError: the path can't be written.
    """
    with writing(path), path.open("wb") as stream, wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate_hz)
        file.writeframes(to_pcm16(waveform).tobytes())


def read_wav(path: Path) -> tuple[Waveform, int]:
    """Mono 16-bit WAV -> (T,) float32 and its rate in Hz.

    Raises:
        DataError: unreadable, or not mono 16-bit PCM.
    """
    try:
        with wave.open(str(path), "rb") as file:
            if file.getnchannels() != 1 or file.getsampwidth() != 2:
                raise DataError(
                    f"{path}: {file.getnchannels()} channels of {8 * file.getsampwidth()} bits;"
                    " expected mono 16-bit PCM"
                )
            pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            return pcm.astype(np.float32) / np.float32(32768), file.getframerate()
    except (OSError, wave.Error, EOFError) as error:
        raise DataError(f"{path}: can't be read as WAV ({error})") from error
