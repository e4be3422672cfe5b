"""Systems under test: what says a clip, as a function from the clip to its waveform."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dlpo.errors import DataError
from dlpo_bench.clips import Clip, Waveform, find_audio, read_audio

System = Callable[[Clip], Waveform]
RECORDINGS = "recordings"


def recordings(clip: Clip) -> Waveform:
    """The speaker herself.

    Raises:
        DataError: the recording is not on this machine.
    """
    if clip.recording is None:
        raise DataError(f"{clip.clip_id} has no recording; expected its wav or flac in the corpus")
    return read_audio(clip.recording)


def audio_files(directory: Path) -> System:
    """What any synthesiser has written to a directory, as `<clip id>.wav` or `.flac`."""

    def system(clip: Clip) -> Waveform:
        path = find_audio(directory, clip.clip_id)
        if path is None:
            raise DataError(f"{directory} has no {clip.clip_id}.wav; expected one file a clip")
        return read_audio(path)

    return system
