"""`from dlpo import detect`: is the mark in this audio file?"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dlpo.errors import InputError
from dlpo.mark.detector import Detection, detect_samples
from dlpo.mark.speed import detect_at_any_speed
from dlpo.mark.stream import RATE_HZ

if TYPE_CHECKING:
    import soundfile

RATES_HZ = (4_000, 384_000)  # least and most
MOST_CHANNELS = 16
PART = 1 << 20  # samples, of all channels
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
    """
    if isinstance(audio, np.ndarray):
        if audio.ndim not in (1, 2):
            raise InputError(f"samples are {audio.shape}; expected (T,) or (T, channels)")
        samples = at_detectors_rate([audio], sample_rate_hz or RATE_HZ)
    else:
        samples = read_audio(audio)
    found = detect_samples(samples, key)
    if found.marked is False and search_speed:
        faster = detect_at_any_speed(samples, key)
        return faster if faster.marked else found
    return found


def read_audio(
    file: str | os.PathLike[str] | BinaryIO, most_s: float = math.inf
) -> NDArray[np.float32]:
    """(T,) samples of a file at the detector's rate, all channels mixed.

    Args:
        file: of any format that libsndfile reads.
        most_s: seconds; what is longer is not read.

    Raises:
        TooLongError: it is longer.
        InputError: it can't be read.
    """
    import soundfile

    source = Path(file) if isinstance(file, str | os.PathLike) else file
    try:
        with soundfile.SoundFile(source) as opened:
            return at_detectors_rate(_parts(opened, most_s), opened.samplerate)
    except TooLongError:
        raise
    # TypeError: a name that ends in .raw, whose rate nobody knows.
    except (soundfile.SoundFileError, OSError, TypeError, ValueError) as error:
        name = str(source)[:SHOWN] if isinstance(source, Path) else "the audio"
        raise InputError(f"{name} can't be read: {error}") from error


def _parts(file: soundfile.SoundFile, most_s: float) -> Iterator[NDArray[np.float32]]:
    """(T, channels) samples; in parts, as some codecs can't tell how many there are.

    Raises:
        InputError: there are more channels or samples than expected.
    """
    if file.channels > MOST_CHANNELS:
        raise InputError(f"{file.channels} channels; expected {MOST_CHANNELS} at most")
    size, count = PART // file.channels, 0
    while True:
        part = file.read(size, dtype="float32", always_2d=True)
        count += len(part)
        if count > most_s * file.samplerate:
            raise TooLongError(f"the audio is longer than {most_s:g} s; send a part of it")
        yield part
        if len(part) < size:
            return


class TooLongError(InputError):
    """Audio is longer than what is accepted."""


def at_detectors_rate(
    parts: Iterable[NDArray[np.float32]], sample_rate_hz: int
) -> NDArray[np.float32]:
    """Parts of (T,) or (T, channels), one after another -> (T',), mixed and resampled.

    Each is resampled before the next one is asked for: a small file may unpack to gigabytes.
    """
    least, most = RATES_HZ
    if not least <= sample_rate_hz <= most:
        raise InputError(f"samples at {sample_rate_hz} Hz; expected {least} to {most} Hz")
    mixed = (np.atleast_2d(part.T).mean(axis=0).astype(np.float32) for part in parts)
    mono = map(np.nan_to_num, mixed)
    if sample_rate_hz == RATE_HZ:
        return np.concatenate(list(mono))
    import soxr

    stream = soxr.ResampleStream(sample_rate_hz, RATE_HZ, 1)
    resampled = [stream.resample_chunk(part) for part in mono]
    return np.concatenate([*resampled, stream.resample_chunk(np.zeros(0, np.float32), last=True)])
