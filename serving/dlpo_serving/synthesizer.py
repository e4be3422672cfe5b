"""A voice: parses requests and turns them into audio."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from dlpo.audio import Waveform
from dlpo.errors import BundleError, InputError, TextError
from dlpo.text import ProcessedText, Sentence, TextFrontEnd
from dlpo.text.common.feed import TextFeed
from dlpo.text.common.front_end import parse_dictionary
from dlpo.text.common.reading import TextReading
from dlpo.text.languages import ipa_parser
from dlpo.text.symbols import SYMBOLS, known_symbols
from dlpo_serving.engine import Engine
from dlpo_serving.errors import FieldViolation, RequestError
from dlpo_serving.request import SpeechRequest, check_request
from dlpo_serving.synthesis.chunks import STREAM_LADDER
from dlpo_serving.synthesis.job import AudioChunk, SynthesisJob, compute_unit
from dlpo_serving.voice_names import stock_voice

if TYPE_CHECKING:
    from dlpo.text.common.ssml.prosody import ProsodyLimits


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A validated request, with its text parsed into sentences of words."""

    request: SpeechRequest
    sentences: tuple[Sentence, ...]
    steps: int
    warnings: tuple[str, ...] = ()
    """about the text"""


class Synthesizer:
    """Speaks with one voice.

    Several threads may parse text concurrently. As many may compute jobs as the engine allows,
    each job on one thread at a time.
    """

    def __init__(self, engine: Engine, front_end: TextFrontEnd) -> None:
        """Raises BundleError if the voice's symbols aren't those of this or an earlier version."""
        if not known_symbols(engine.manifest.symbols):
            raise BundleError(
                f"voice {engine.manifest.voice!r} reads {len(engine.manifest.symbols)} symbols that"
                f" are not the first of the {len(SYMBOLS)} of this dlpo; export it again with this"
                " version"
            )
        self.engine = engine
        self.manifest = engine.manifest
        """the voice's manifest"""
        self._front_end = front_end

    def speaking(self, voice: str) -> Synthesizer:
        """A synthesizer for another voice of the bundle, or a mix such as `ann*0.6+bob*0.4`.

        Raises:
            InputError: the bundle has no such voice.
        """
        return Synthesizer(self.engine.speaking(voice), self._front_end)

    def read(self, request: SpeechRequest) -> PreparedRequest:
        """Validate a request and convert its text to sentences of phonemes.

        Raises:
            RequestError: a field is out of range, or nothing in the text can be spoken.
        """
        steps = check_request(request, self.manifest)
        text = self.read_text(request)
        return PreparedRequest(request, text.sentences, steps, text.warnings)

    def parsed(self, request: SpeechRequest) -> SpeechRequest:
        """The request with its dictionary parsed, which takes up to 50 ms, and is then done.

        Raises:
            RequestError: the dictionary is invalid.
        """
        if not request.dictionary:
            return request
        with text_errors_as_violations():
            parse = None
            if request.alphabet == "ipa":
                parse = ipa_parser(request.language or self.manifest.language)
            words = parse_dictionary(request.dictionary, parse)
        return replace(request, dictionary=words, alphabet="arpabet")

    def read_text(self, request: SpeechRequest) -> ProcessedText:
        """The sentences of a request whose numbers have been validated.

        Raises:
            RequestError: nothing in the text can be spoken, or the dictionary is invalid.
        """
        dictionary = self.parsed(request).dictionary or None
        reading = self._reading(request)
        with text_errors_as_violations():
            if not request.ssml:
                return self._front_end.process(request.text, dictionary, reading)
            limits = self._limits_beside(request)
            return self._front_end.process_ssml(
                request.text, dictionary, limits, reading, self._named
            )

    def _named(self, name: str) -> str:
        """What the bundle calls a voice that a document names; "" if it is the one that speaks.

        Raises:
            InputError: the bundle has no such voice.
        """
        offered, asked = self.manifest.offered_voices, name.strip()
        stock = stock_voice(asked.lower(), offered)
        for voice in (asked, asked.lower(), stock):
            if voice == self.manifest.voice or voice == "":
                return ""
            if voice and self.manifest.mixes(voice):
                self.manifest.shares(voice)
                return voice
        raise InputError(f"there is no voice {asked[:60]!r}, only {', '.join(offered)}")

    def _limits_beside(self, request: SpeechRequest) -> ProsodyLimits:
        """Limits for SSML prosody, so that combined with the request's it stays in range."""
        from dlpo.text.common.ssml.prosody import ProsodyLimits

        slowest, fastest = self.manifest.prosody.speed
        lowest, highest = self.manifest.prosody.pitch_semitones
        return ProsodyLimits(
            speed=(slowest / request.speed, fastest / request.speed),
            pitch_semitones=(lowest - request.pitch_semitones, highest - request.pitch_semitones),
        )

    def feed(self, request: SpeechRequest) -> TextFeed:
        """A feed for text in pieces; wrap its calls in `text_errors_as_violations`.

        Raises:
            RequestError: the dictionary is invalid.
        """
        with text_errors_as_violations():
            return TextFeed(
                self._front_end, self.parsed(request).dictionary or None, self._reading(request)
            )

    def _reading(self, request: SpeechRequest) -> TextReading:
        """How the text of a request is read: in its language, or in that of the voice."""
        return TextReading(
            request.code,
            request.emoji,
            request.language or self.manifest.language,
            request.dates,
            request.directions,
            request.ssml == "strict",
        )

    def job(
        self, utterance: PreparedRequest, ladder: Sequence[int] = STREAM_LADDER
    ) -> SynthesisJob:
        """The utterance as work for the engine; see `stream`."""
        job = SynthesisJob(self.engine, utterance.request, utterance.steps, ladder)
        job.add(utterance.sentences)
        job.close()
        return job

    def stream(
        self, utterance: PreparedRequest, ladder: Sequence[int] = STREAM_LADDER
    ) -> Iterator[AudioChunk]:
        """The audio in pieces, each made on demand; closing the iterator stops the work.

        Args:
            utterance: from `read`.
            ladder: sizes of the first chunks in frames; the last one repeats.

        Raises:
            EngineError: the run-time failed.
        """
        return _computed(self.job(utterance, ladder))

    def stream_pieces(
        self,
        pieces: Iterable[str],
        request: SpeechRequest,
        ladder: Sequence[int] = STREAM_LADDER,
    ) -> Iterator[AudioChunk]:
        """The audio of a text that comes in pieces: each sentence once it is complete.

        Args:
            pieces: of the text.
            request: how to speak; its own text is ignored.
            ladder: see `stream`.

        Raises:
            RequestError: a field is out of range, or nothing in the text can be spoken.
            EngineError: the run-time failed.
        """
        steps, feed = check_request(request, self.manifest), self.feed(request)
        job = SynthesisJob(self.engine, request, steps, ladder)
        for piece in pieces:
            with text_errors_as_violations():
                job.add(feed.push(piece))
            yield from _computed(job)
        with text_errors_as_violations():
            job.add(feed.finish())
        job.close()
        yield from _computed(job)

    def speak(self, request: SpeechRequest, ladder: Sequence[int] = STREAM_LADDER) -> Waveform:
        """The complete audio of a request, (T,) float32 in [-1, 1]; made in the chunks of `stream`.

        Raises:
            RequestError: see `read`.
            EngineError: the run-time failed.
        """
        return np.concatenate([chunk.samples for chunk in self.stream(self.read(request), ladder)])


def _computed(job: SynthesisJob) -> Iterator[AudioChunk]:
    """The audio of the sentences that a job has so far."""
    while unit := job.next_unit:
        yield from compute_unit(unit, [job])


@contextmanager
def text_errors_as_violations() -> Iterator[None]:
    """Convert the front end's errors to violations of a request field."""
    try:
        yield
    except TextError as error:
        raise RequestError(FieldViolation("text", str(error))) from error
    except InputError as error:  # only the dictionary can raise it
        message = str(error).removeprefix("dictionary: ")
        raise RequestError(FieldViolation("dictionary", message)) from error
