"""`from dlpo import detect`: is the mark in this audio file?"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dlpo.errors import InputError, needs
from dlpo.mark.detector import Detection, detect_samples
from dlpo.mark.speed import detect_at_any_speed
from dlpo.mark.stream import RATE_HZ

if TYPE_CHECKING:
    import soundfile

RATES_HZ = (4_000, 384_000)  # least and most
PART = 1 << 20  # samples
SHOWN = 60  # characters of a path in an error


def detect(
    audio: str | os.PathLike[str] | BinaryIO | NDArray[np.float32],
    sample_rate_hz: int | None = None,
    *,
    key: bytes = b"",
    search_speed: bool = True,
) -> Detection:
    """Whether dlpo spoke in some audio.

        detect("speech.mp3").marked

    Args:
        audio: a file that libsndfile reads, or its path, or (T,) or (T, channels) samples.
        sample_rate_hz: of samples; 24,000 if None.
        key: look for the mark of this key, from `--mark-key`, instead of the public one.
        search_speed: where nothing is found, try speeds from 8 % slower to 8 % faster.

    Raises:
        InputError: it can't be read.
        MissingExtraError: a package of the extra `serve` is not installed.
    """
    if isinstance(audio, np.ndarray):
        samples = at_detectors_rate(audio, sample_rate_hz or RATE_HZ)
    else:
        samples = read_audio(audio)
    found = detect_samples(samples, key)
    if found.marked is False and search_speed:
        faster = detect_at_any_speed(samples, key)
        return faster if faster.marked else found
    return found


def read_audio(
    file: str | os.PathLike[str] | BinaryIO, most_s: float | None = None
) -> NDArray[np.float32]:
    """(T,) samples of a file at the detector's rate, all channels mixed.

    Args:
        file: of any format that libsndfile reads.
        most_s: seconds; what is longer is not read.

    Raises:
        InputError: it can't be read, or is longer.
        MissingExtraError: a package of the extra `serve` is not installed.
    """
    with needs("serve"):
        import soundfile
    name = str(file)[:SHOWN] if isinstance(file, str | os.PathLike) else "the audio"
    try:
        with soundfile.SoundFile(Path(file) if isinstance(file, str | os.PathLike) else file) as f:
            rate_hz = f.samplerate
            samples = _read(f, math.inf if most_s is None else most_s * rate_hz)
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        raise InputError(f"{name} can't be read: {error}") from error
    if most_s is not None and len(samples) > most_s * rate_hz:
        raise TooLongError(f"{name} is longer than {most_s:g} s; send a part of it")
    return at_detectors_rate(samples, rate_hz)


def _read(file: soundfile.SoundFile, most: float) -> NDArray[np.float32]:
    """(T, channels) samples; in parts, as some codecs can't tell how many there are."""
    parts: list[NDArray[np.float32]] = []
    count = 0
    while count <= most:
        parts.append(file.read(PART, dtype="float32", always_2d=True))
        count += len(parts[-1])
        if len(parts[-1]) < PART:
            break
    return np.concatenate(parts)


class TooLongError(InputError):
    """Audio is longer than what is accepted."""


def at_detectors_rate(samples: NDArray[np.float32], sample_rate_hz: int) -> NDArray[np.float32]:
    """(T,) or (T, channels) -> (T',), mixed and resampled."""
    least, most = RATES_HZ
    if samples.ndim not in (1, 2) or not least <= sample_rate_hz <= most:
        raise InputError(
            f"samples are {samples.shape} at {sample_rate_hz} Hz; expected (T,) or (T, channels) at"
            f" {least} to {most} Hz"
        )
    mono = samples if samples.ndim == 1 else samples.mean(axis=1)
    mono = np.nan_to_num(mono.astype(np.float32))
    if sample_rate_hz == RATE_HZ:
        return mono
    with needs("serve"):
        import soxr
    return np.asarray(soxr.resample(mono, sample_rate_hz, RATE_HZ), np.float32)
