"""The test sentences: which clips, what is said in them, and their recordings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlpo.errors import DataError, MissingExtraError

Waveform = NDArray[np.float32]

SAMPLE_RATE = 22_050  # Hz, of every system under test
TEST_SPLIT = tuple(f"LJ002-{number:04d}" for number in range(161, 181))
SUFFIXES = (".wav", ".flac")


@dataclass(frozen=True, slots=True)
class Clip:
    """One sentence that every system says."""

    clip_id: str
    """LJSpeech's name of the clip."""
    text: str
    """The words as they are spoken (third column of metadata.csv)."""
    recording: Path | None
    """The original, where it is on this machine."""


def load_clips(corpus: Path, clip_ids: Iterable[str] = TEST_SPLIT) -> list[Clip]:
    """The named clips of a corpus in LJSpeech's layout, in the given order.

    Raises:
        DataError: no metadata.csv, or a clip that it doesn't have.
    """
    metadata = corpus / "metadata.csv"
    try:
        rows = [line.split("|") for line in metadata.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{metadata}: can't be read ({error}); expected LJSpeech's list") from error
    texts = {row[0]: row[2] for row in rows if len(row) == 3}
    clips = []
    for clip_id in clip_ids:
        if clip_id not in texts:
            raise DataError(f"{metadata} has no clip {clip_id!r}; expected names like LJ002-0161")
        clips.append(Clip(clip_id, texts[clip_id], find_audio(corpus / "wavs", clip_id)))
    return clips


def find_audio(directory: Path, clip_id: str) -> Path | None:
    """The wav or flac of a clip, or None where there is neither."""
    paths = (directory / f"{clip_id}{suffix}" for suffix in SUFFIXES)
    return next((path for path in paths if path.is_file()), None)


def read_audio(path: Path) -> Waveform:
    """(T,) float32 of a mono file at 22,050 Hz.

    Raises:
        DataError: unreadable, not mono, or of another rate.
        MissingExtraError: soundfile is not installed.
    """
    try:
        import soundfile
    except ImportError as error:
        raise MissingExtraError("soundfile", "bench") from error
    try:
        waveform, rate = soundfile.read(path, dtype="float32")
    except (OSError, soundfile.SoundFileError) as error:
        raise DataError(f"{path}: can't be read ({error}); expected wav or flac") from error
    if waveform.ndim != 1 or rate != SAMPLE_RATE:
        channels = 1 if waveform.ndim == 1 else waveform.shape[1]
        raise DataError(
            f"{path}: {channels} channels at {rate} Hz; expected mono, {SAMPLE_RATE} Hz"
        )
    return np.asarray(waveform, np.float32)
