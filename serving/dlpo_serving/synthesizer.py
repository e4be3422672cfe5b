"""A voice: reads requests, and turns them into audio."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dlpo.audio import Waveform
from dlpo.errors import BundleError, InputError, TextError
from dlpo.text import ProcessedText, Sentence, TextFrontEnd
from dlpo.text.characters import TextReading
from dlpo.text.feed import TextFeed
from dlpo.text.symbols import SYMBOLS
from dlpo_serving.engine import Engine
from dlpo_serving.errors import FieldViolation, RequestError
from dlpo_serving.request import SpeechRequest, check_request
from dlpo_serving.synthesis.denoiser_input import STREAM_LADDER
from dlpo_serving.synthesis.job import AudioChunk, SynthesisJob, compute_unit

if TYPE_CHECKING:
    from dlpo.text.ssml.prosody import ProsodyLimits


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A request that can be spoken: checked, with its text as sentences of words."""

    request: SpeechRequest
    sentences: tuple[Sentence, ...]
    steps: int
    warnings: tuple[str, ...] = ()
    """about its text"""


class Synthesizer:
    """Speaks with one voice.

    Several threads may read texts; as many may compute renderings as the engine takes, each
    rendering on one thread at a time.
    """

    def __init__(self, engine: Engine, front_end: TextFrontEnd) -> None:
        """Raises BundleError where the voice reads other symbols than the front end writes."""
        if engine.manifest.symbols != SYMBOLS:
            raise BundleError(
                f"voice {engine.manifest.voice!r} reads {len(engine.manifest.symbols)} symbols that"
                f" are not the {len(SYMBOLS)} of this dlpo; export it again with this version"
            )
        self.engine = engine
        self.manifest = engine.manifest
        """of the voice"""
        self._front_end = front_end

    def speaking(self, voice: str) -> Synthesizer:
        """The same for another voice of the bundle, or a mix such as `ann*0.6+bob*0.4`.

        Raises:
            InputError: the bundle does not have it.
        """
        return Synthesizer(self.engine.speaking(voice), self._front_end)

    def read(self, request: SpeechRequest) -> PreparedRequest:
        """Check a request and turn its text into sentences of phonemes.

        Raises:
            RequestError: a field is out of range, or nothing in the text can be spoken.
        """
        steps = check_request(request, self.manifest)
        text = self.read_text(request)
        return PreparedRequest(request, text.sentences, steps, text.warnings)

    def read_text(self, request: SpeechRequest) -> ProcessedText:
        """The sentences of a request whose numbers were checked.

        Raises:
            RequestError: nothing in the text can be spoken, or the dictionary is invalid.
        """
        dictionary = request.dictionary or None
        reading = TextReading(request.code, request.emoji)
        with text_errors_as_violations():
            if not request.ssml:
                return self._front_end.process(request.text, dictionary, reading)
            limits = self._limits_beside(request)
            return self._front_end.process_ssml(request.text, dictionary, limits, reading)

    def _limits_beside(self, request: SpeechRequest) -> ProsodyLimits:
        """How far SSML may go from the request's own, so that both together suit the voice."""
        from dlpo.text.ssml.prosody import ProsodyLimits

        slowest, fastest = self.manifest.prosody.speed
        lowest, highest = self.manifest.prosody.pitch_semitones
        return ProsodyLimits(
            speed=(slowest / request.speed, fastest / request.speed),
            pitch_semitones=(lowest - request.pitch_semitones, highest - request.pitch_semitones),
        )

    def feed(self, request: SpeechRequest) -> TextFeed:
        """Reads a text that comes in pieces; what it raises is for `text_errors_as_violations`.

        Raises:
            RequestError: the dictionary can't be used.
        """
        with text_errors_as_violations():
            reading = TextReading(request.code, request.emoji)
            return TextFeed(self._front_end, request.dictionary or None, reading)

    def render(
        self, utterance: PreparedRequest, ladder: Sequence[int] = STREAM_LADDER
    ) -> SynthesisJob:
        """The utterance as work for the engine; see `stream`."""
        rendering = SynthesisJob(self.engine, utterance.request, utterance.steps, ladder)
        rendering.add(utterance.sentences)
        rendering.close()
        return rendering

    def stream(
        self, utterance: PreparedRequest, ladder: Sequence[int] = STREAM_LADDER
    ) -> Iterator[AudioChunk]:
        """The audio in pieces, each made when it is asked for; closing the iterator stops the work.

        Args:
            utterance: from `read`.
            ladder: frames of the first chunks; the last rung repeats.

        Raises:
            EngineError: the run-time failed.
        """
        rendering = self.render(utterance, ladder)
        while unit := rendering.next_unit:
            yield from compute_unit(unit, [rendering])

    def speak(self, request: SpeechRequest, ladder: Sequence[int] = STREAM_LADDER) -> Waveform:
        """The whole audio of a request at once, (T,) float32 in [-1, 1]; in the chunks of `stream`.

        Raises:
            RequestError: see `read`.
            EngineError: the run-time failed.
        """
        return np.concatenate([chunk.samples for chunk in self.stream(self.read(request), ladder)])


@contextmanager
def text_errors_as_violations() -> Iterator[None]:
    """What the front end raises, as the fault of a field of the request."""
    try:
        yield
    except TextError as error:
        raise RequestError(FieldViolation("text", str(error))) from error
    except InputError as error:  # the front end reads nothing else
        message = str(error).removeprefix("dictionary: ")
        raise RequestError(FieldViolation("dictionary", message)) from error
