"""From text to audio, chunk by chunk, with numpy around the graphs of a voice.

Each sentence is encoded once, when its turn comes. Noise and source belong to the sentence and each
chunk is denoised within enough context, so that the audio does not depend on how it is cut: chunks
joined equal the sentence made at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dlpo.audio import Waveform
from dlpo.bundle import Manifest
from dlpo.errors import BundleError, InputError, TextError
from dlpo.text import Sentence, TextFrontEnd
from dlpo.text.symbols import SYMBOLS
from dlpo_serving.chunks import OFFLINE_LADDER, STREAM_LADDER, cut, sizes_of
from dlpo_serving.denoiser_input import DenoiserInput
from dlpo_serving.engine import Engine
from dlpo_serving.request import RequestError, SpeechRequest, Violation, check_request

SENTENCE_PAUSE_S = 0.2  # between sentences at speed 1, beside the pause that the last mark makes


@dataclass(frozen=True, slots=True)
class Utterance:
    """A request that can be spoken: checked, with its text as sentences of words."""

    request: SpeechRequest
    sentences: tuple[Sentence, ...]
    steps: int
    dropped_characters: int
    """characters, such as emoji, that can't be spoken"""

    @property
    def processed_text(self) -> str:
        """The text as it will be spoken, one line a sentence."""
        return "\n".join(sentence.normalized for sentence in self.sentences)


@dataclass(frozen=True, slots=True, eq=False)
class SpeechChunk:
    """A piece of the audio; the pieces follow each other without a gap."""

    samples: Waveform
    """(T,) float32 in [-1, 1]"""
    sample_offset: int
    """place of the first sample in the whole audio"""
    sentence: int
    """index of the sentence; the pause after it belongs to it"""


class Synthesizer:
    """Speaks with one voice. Calls come from one thread at a time."""

    def __init__(self, engine: Engine, front_end: TextFrontEnd) -> None:
        """Raises BundleError where the voice reads other symbols than the front end writes."""
        if engine.manifest.symbols != SYMBOLS:
            raise BundleError(
                f"voice {engine.manifest.voice!r} reads {len(engine.manifest.symbols)} symbols that"
                f" are not the {len(SYMBOLS)} of this dlpo; export it again with this version"
            )
        self._engine = engine
        self._front_end = front_end

    @property
    def manifest(self) -> Manifest:
        """What the voice says of itself."""
        return self._engine.manifest

    def read(self, request: SpeechRequest) -> Utterance:
        """Check a request and turn its text into sentences of phonemes.

        Raises:
            RequestError: a field is out of range, or the text holds nothing that can be spoken.
        """
        check_request(request, self.manifest)
        try:
            text = self._front_end.process(request.text, request.dictionary or None)
        except TextError as error:
            raise RequestError(Violation("text", str(error))) from error
        except InputError as error:  # the front end reads nothing else
            message = str(error).removeprefix("dictionary: ")
            raise RequestError(Violation("dictionary", message)) from error
        steps = request.steps or self.manifest.steps
        return Utterance(request, text.sentences, steps, text.dropped)

    def stream(
        self, utterance: Utterance, ladder: Sequence[int] = STREAM_LADDER
    ) -> Iterator[SpeechChunk]:
        """The audio in pieces, each made when it is asked for; closing the iterator stops the work.

        Args:
            utterance: from `read`.
            ladder: frames of the first chunks; the last rung repeats.

        Raises:
            EngineError: the run-time failed.
        """
        manifest = self.manifest
        context = self._engine.context_frames(utterance.steps)
        pause_s = SENTENCE_PAUSE_S / utterance.request.speed
        pause = np.zeros(round(pause_s * manifest.sample_rate_hz), np.float32)
        sizes = sizes_of(ladder)
        offset = 0
        for index, sentence in enumerate(utterance.sentences):
            inputs = DenoiserInput(
                self._engine, sentence, utterance.request, utterance.steps, index
            )
            for chunk in cut(inputs.frames, context, sizes):
                window = inputs.window(chunk.window_start, chunk.window_stop)
                denoised = self._engine.denoise(
                    utterance.steps, window.conditioning, window.source, window.noise
                )
                new = slice(chunk.start - chunk.window_start, chunk.stop - chunk.window_start)
                samples = np.clip(manifest.gain * denoised[0, new].ravel(), -1, 1)
                if chunk.stop == inputs.frames and index + 1 < len(utterance.sentences):
                    samples = np.concatenate([samples, pause])
                yield SpeechChunk(samples, offset, index)
                offset += len(samples)

    def speak(self, request: SpeechRequest) -> Waveform:
        """The whole audio of a request at once, (T,) float32 in [-1, 1].

        Raises:
            RequestError: see `read`.
            EngineError: the run-time failed.
        """
        chunks = self.stream(self.read(request), OFFLINE_LADDER)
        return np.concatenate([chunk.samples for chunk in chunks])
