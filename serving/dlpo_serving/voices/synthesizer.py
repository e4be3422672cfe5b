"""A voice: parses requests and turns them into audio."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from dlpo.audio import Waveform
from dlpo.errors import BundleError
from dlpo.mark import PUBLIC, UNMARKED, NoiseMark
from dlpo.text import Sentence, TextFrontEnd
from dlpo.text.symbols import SYMBOLS, known_symbols
from dlpo_serving.engine import Engine
from dlpo_serving.request import SpeechRequest, check_request, check_whole
from dlpo_serving.synthesis.chunks import STREAM_LADDER
from dlpo_serving.synthesis.job import AudioChunk, SynthesisJob, compute_unit
from dlpo_serving.voices.text_reader import TextReader, text_errors_as_violations


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

    def __init__(
        self, engine: Engine, front_end: TextFrontEnd, mark: NoiseMark | None = PUBLIC
    ) -> None:
        """Raises BundleError if the voice's symbols aren't those of this or an earlier version."""
        if not known_symbols(engine.manifest.symbols):
            raise BundleError(
                f"voice {engine.manifest.voice!r} reads {len(engine.manifest.symbols)} symbols that"
                f" are not the first of the {len(SYMBOLS)} of this dlpo; export it again with this"
                " version"
            )
        self.engine = engine
        self.mark = mark
        """that its speech has; None: no mark"""
        self.manifest = engine.manifest
        """the voice's manifest"""
        self.text_reader = TextReader(engine.manifest, front_end)
        """reads the texts of requests"""

    def speaking(self, voice: str) -> Synthesizer:
        """A synthesizer for another voice of the bundle, or a mix such as `ann*0.6+bob*0.4`.

        Raises:
            InputError: the bundle has no such voice.
        """
        return Synthesizer(self.engine.speaking(voice), self.text_reader.front_end, self.mark)

    def read(self, request: SpeechRequest, looks_like: str | None = None) -> PreparedRequest:
        """Validate a request and convert its text to sentences of phonemes.

        `looks_like`: see `VoiceChoice.of`.

        Raises:
            RequestError: a field is out of range, or nothing in the text can be spoken.
        """
        steps = check_request(request, self.manifest)
        text = self.text_reader.read(request, looks_like)
        return PreparedRequest(request, text.sentences, steps, text.warnings)

    def mark_of(self, steps: int | None = None) -> str:
        """Which keys mark its speech in so many steps, by default its own number."""
        carried = self.manifest.carries_mark(steps or self.manifest.steps)
        return self.mark.named if self.mark and carried else UNMARKED

    def open_job(
        self, request: SpeechRequest, steps: int, ladder: Sequence[int] = STREAM_LADDER
    ) -> SynthesisJob:
        """A job without sentences, whose speech has this voice's mark."""
        return SynthesisJob(self.engine, request, steps, ladder, self.mark)

    def job(
        self, utterance: PreparedRequest, ladder: Sequence[int] = STREAM_LADDER
    ) -> SynthesisJob:
        """The utterance as work for the engine; see `stream`."""
        job = self.open_job(utterance.request, utterance.steps, ladder)
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
        warnings: list[str] | None = None,
        sentences: list[str] | None = None,
        ladder: Sequence[int] = STREAM_LADDER,
    ) -> Iterator[AudioChunk]:
        """The audio of a text that comes in pieces: each sentence once it is complete.

        Args:
            pieces: of the text.
            request: how to speak; its own text is ignored.
            warnings: gets those about the text, at its end.
            sentences: gets each as it is spoken, numbers in words.
            ladder: see `stream`.

        Raises:
            RequestError: a field is out of range, or nothing in the text can be spoken.
            EngineError: the run-time failed.
        """
        check_whole(request)
        steps, feed = check_request(request, self.manifest), self.text_reader.feed(request)
        job = self.open_job(request, steps, ladder)
        for piece in chain(pieces, [None]):
            with text_errors_as_violations():
                found = feed.finish() if piece is None else feed.push(piece)
            job.add(found)
            if sentences is not None:
                sentences += [sentence.normalized for sentence in found]
            if piece is None:
                job.close()
            yield from _computed(job)
        if warnings is not None:
            warnings += feed.warnings()

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
