"""Systems under test: what says a clip, as a function from the clip to its waveform."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dlpo.errors import DataError
from dlpo_bench.clips import Clip, Waveform, find_audio, read_audio

if TYPE_CHECKING:
    from dlpo_serving.synthesizer import Synthesizer

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


def text_to_speech(
    synthesizer: Synthesizer,
    *,
    steps: int | None = None,
    seed: int = 0,
    ladder: Sequence[int] | None = None,
    speed: float = 1.0,
    pitch_semitones: float = 0.0,
) -> System:
    """A voice that is given the text alone.

    Args:
        synthesizer: of `dlpo_serving.voices.open_voice`, or around a `TorchEngine`.
        steps: reverse steps; the voice's default if None.
        seed: of the noise, the same for every clip.
        ladder: frames of the chunks that a sentence is made in; as served if None.
        speed: factor of the voice's own pace.
        pitch_semitones: shift of its pitch.
    """
    from dlpo_serving.chunks import STREAM_LADDER
    from dlpo_serving.request import SpeechRequest

    def system(clip: Clip) -> Waveform:
        request = SpeechRequest(clip.text, speed, pitch_semitones, seed, steps)
        utterance = synthesizer.read(request)
        chunks = synthesizer.stream(utterance, ladder or STREAM_LADDER)
        return np.concatenate([chunk.samples for chunk in chunks])

    return system
