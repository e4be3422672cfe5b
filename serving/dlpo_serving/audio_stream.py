"""What a caller hears: the pieces of one call, on their way from a lane to the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from dlpo.bundle import Manifest
from dlpo.text import Sentence
from dlpo_serving.encodings import AudioEncoder, AudioFormat
from dlpo_serving.errors import FieldViolation, RequestError
from dlpo_serving.operations.calls import current_call
from dlpo_serving.operations.metrics import Metrics
from dlpo_serving.synthesis.job import AudioChunk
from dlpo_serving.synthesis.timing import MarkTiming, WordTiming
from dlpo_serving.written_text import Passage

MAX_UNARY_BYTES = 4_000_000  # of audio; a client refuses messages above 4 MiB by default
LONGER = 1.25  # a text is refused unread if its prediction is too long by so much


def check_unary(size: float) -> None:
    """Raise RequestError where audio of so many bytes does not fit into one reply."""
    if size > MAX_UNARY_BYTES:
        message = (
            f"is longer to speak than the {MAX_UNARY_BYTES} bytes that one reply may hold;"
            " use StreamSynthesize, with Riva's service use SynthesizeOnline"
        )
        raise RequestError(FieldViolation("text", message))


@dataclass(slots=True)
class SpeechInfo:
    """What is spoken, and how. Where the text comes in pieces, its part is complete at the end."""

    manifest: Manifest
    """of the voice"""
    format: AudioFormat
    steps: int
    """reverse steps, N"""
    seed: int
    processed_text: str = ""
    """as it is spoken, one line a sentence"""
    dropped_characters: int = 0
    """that can't be spoken"""

    def extend(self, passage: Passage) -> Sequence[Sentence]:
        """Note what will be spoken; the sentences of the passage."""
        lines = [self.processed_text, *(s.normalized for s in passage.sentences)]
        self.processed_text = "\n".join(filter(None, lines))
        self.dropped_characters = passage.dropped_characters
        return passage.sentences


@dataclass(frozen=True, slots=True)
class EncodedChunk:
    """The next bytes of the audio, and what is heard in them. Times are in samples of the reply."""

    audio: bytes
    """may be empty, while a codec fills its frame"""
    sample_offset: int
    """place of its first sample in the whole audio, before the encoding"""
    sentence: int
    """index of the sentence"""
    words: tuple[WordTiming, ...] = ()
    """that begin here"""
    marks: tuple[MarkTiming, ...] = ()
    """that are passed here"""


@dataclass(frozen=True, slots=True)
class SpeechTotals:
    """What is known after the last sound."""

    samples: int
    """of the reply"""
    audio_s: float


class AudioStream:
    """One call being spoken: iterate once for its pieces; then `totals` is there.

    It is the `Listener` of its stream: chunks come from the lanes, and are encoded there.
    """

    def __init__(
        self,
        info: SpeechInfo,
        encoder: AudioEncoder,
        on_taken: Callable[[float], None],
        metrics: Metrics,
        clock: Callable[[], float],
        patience: asyncio.Timeout,
        stall_s: float,
    ) -> None:
        """The call begins now, and this event loop iterates.

        Args:
            info: its text is filled in by who reads it.
            encoder: of the format in `info`.
            on_taken: told the seconds of audio of each piece that the caller took.
            metrics: told of chunks.
            clock: seconds.
            patience: runs out where the caller has not come for the next piece after `stall_s`.
            stall_s: seconds.
        """
        self.info = info
        self.span = current_call().span
        self.totals: SpeechTotals | None = None
        """None until the last piece was taken"""
        self._encoder = encoder
        self._on_taken = on_taken
        self._metrics = metrics
        self._clock = clock
        self._patience = patience
        self._stall_s = stall_s
        self._loop = asyncio.get_running_loop()
        self._pieces: asyncio.Queue[tuple[EncodedChunk, float] | Exception | None] = asyncio.Queue()
        self._begun_s = clock()
        self._last_s = self._begun_s  # when the last chunk came
        self._samples = 0  # made, at the voice's rate
        self._sentence = 0

    async def __aiter__(self) -> AsyncIterator[EncodedChunk]:
        call = current_call()
        self._patience.reschedule(None)
        while (item := await self._pieces.get()) is not None:
            if isinstance(item, Exception):
                raise item
            piece, audio_s = item
            if call.first_audio_s is None:
                call.first_audio_s = self._clock() - self._begun_s
                self._metrics.first_audio(call.first_audio_s)
            call.audio_s += audio_s
            self._on_taken(audio_s)
            self.await_caller()
            yield piece
            self._patience.reschedule(None)
        rate = self.info.manifest.sample_rate_hz
        self.totals = SpeechTotals(self._in_reply(self._samples), self._samples / rate)
        if self._samples:
            call.real_time_factor = (self._last_s - self._begun_s) / self.totals.audio_s
            self._metrics.real_time_factor(call.real_time_factor)
        self.await_caller()

    def await_caller(self) -> None:
        """Begin to count the time until the caller comes for the next piece, or leaves."""
        self._patience.reschedule(self._loop.time() + self._stall_s)

    def on_chunk(self, chunk: AudioChunk, late_s: float) -> None:
        """Called by a lane."""
        start_s = self._clock()
        with self.span.child("encode audio"):
            audio = self._encoder.encode(chunk.samples)
        now = self._clock()
        self._metrics.stage("encode_audio", now - start_s)
        if chunk.sample_offset:
            self._metrics.chunk_gap(now - self._last_s)
            if late_s > 0:
                self._metrics.underrun(late_s)
        self._metrics.audio_made(chunk.duration_s)
        self._last_s = now
        self._samples += len(chunk.samples)
        self._sentence = chunk.sentence
        piece = EncodedChunk(
            audio,
            self._in_reply(chunk.sample_offset),
            chunk.sentence,
            tuple(self._word_in_reply(word) for word in chunk.words),
            tuple(replace(mark, sample=self._in_reply(mark.sample)) for mark in chunk.marks),
        )
        self._pass((piece, chunk.duration_s))

    def on_end(self) -> None:
        """Called by a lane, or where the text ended."""
        try:
            rest = self._encoder.finish()
        except Exception as error:  # a codec has its own kinds
            self.on_error(error)
            return
        if rest:
            piece = EncodedChunk(rest, self._in_reply(self._samples), self._sentence)
            self._pass((piece, 0.0))
        self._pass(None)

    def on_error(self, error: Exception) -> None:
        """Called from any thread; the caller's iteration raises it."""
        self._pass(error)

    def _pass(self, item: tuple[EncodedChunk, float] | Exception | None) -> None:
        with suppress(RuntimeError):  # the event loop has closed: nobody listens
            self._loop.call_soon_threadsafe(self._pieces.put_nowait, item)

    def _in_reply(self, samples: int) -> int:
        """A place at the voice's rate as one at the reply's."""
        rate, voice_rate = self.info.format.sample_rate_hz, self.info.manifest.sample_rate_hz
        return samples if rate == voice_rate else round(samples * rate / voice_rate)

    def _word_in_reply(self, word: WordTiming) -> WordTiming:
        if self.info.format.sample_rate_hz == self.info.manifest.sample_rate_hz:
            return word
        at = self._in_reply
        phonemes = tuple(replace(p, start=at(p.start), stop=at(p.stop)) for p in word.phonemes)
        return replace(word, start=at(word.start), stop=at(word.stop), phonemes=phonemes)
