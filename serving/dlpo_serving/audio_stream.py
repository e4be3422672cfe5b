"""The encoded audio of one call, passed from the lanes to the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from operator import attrgetter

from dlpo.bundle import Manifest
from dlpo.text import ProcessedText
from dlpo_serving.encodings.encoder import open_encoder
from dlpo_serving.encodings.formats import AudioFormat, Encoding
from dlpo_serving.encodings.headers import with_length
from dlpo_serving.encodings.provenance import provenance
from dlpo_serving.errors import StalledError
from dlpo_serving.operations.call_scope import current_call
from dlpo_serving.operations.metrics import Metrics
from dlpo_serving.synthesis.job import AudioChunk
from dlpo_serving.synthesis.timing import MarkTiming, WordTiming

WARNING_HEADER = 1_000  # characters


@dataclass(frozen=True, slots=True)
class EncodedChunk:
    """The next bytes of the audio, with their words. Times are in samples of the reply."""

    audio: bytes
    """may be empty while a codec fills its frame"""
    sample_offset: int
    """index of its first sample in the whole audio, before the encoding"""
    sentence: int
    """index of the sentence"""
    samples: int = 0
    """its length, before the encoding"""
    words: tuple[WordTiming, ...] = ()
    """words that begin in this chunk"""
    marks: tuple[MarkTiming, ...] = ()
    """SSML marks in this chunk"""
    ends_sentence: bool = False
    flushes: int = 0
    """how many flushes of the text have been spoken in full with this chunk"""


@dataclass(frozen=True, slots=True)
class Passage:
    """Text that was parsed in one go."""

    first_sentence: int
    """index in the call"""
    processed_text: str
    """the text as spoken, one line per sentence"""


def warning_header(warnings: Iterable[str]) -> str:
    """Distinct warnings as one ASCII value; headers and trailing metadata hold only 8 kB."""
    said = ascii("; ".join(dict.fromkeys(warnings)))[1:-1]
    return said if len(said) <= WARNING_HEADER else f"{said[:WARNING_HEADER]}..."


class AudioStream:
    """The audio of one call: iterate over it once for its chunks.

    It is the `ChunkSink` of its stream: a lane passes each chunk, and encodes it in that call.
    """

    def __init__(
        self,
        manifest: Manifest,
        format: AudioFormat,
        steps: int,
        seed: int,
        on_taken: Callable[[float], None],
        metrics: Metrics,
        clock: Callable[[], float],
        started_s: float | None = None,
    ) -> None:
        """Create it within the current call, in the event loop that will iterate over it.

        Args:
            on_taken: called for each chunk taken, with its length in seconds.
            clock: seconds.
            started_s: when the call came, or a whole file's turn; by default now.
        """
        self.manifest = manifest
        """the voice's manifest"""
        self.format = format
        self.steps = steps
        """reverse steps, N"""
        self.seed = seed
        self.passages: list[Passage] = []
        """what is spoken; if the text comes in pieces, complete only at the end"""
        self.processed_text = ""
        """the same as one text, one line per sentence"""
        self.dropped_characters = 0
        """characters of the text so far that can't be spoken"""
        self.warnings: list[str] = []
        """about the text; if it comes in pieces, complete only at the end"""
        self.misfit = ""
        """that the text doesn't fit `duration_s`; known with the first chunk"""
        self.audio_s = 0.0
        """seconds of audio made so far"""
        self.samples = 0
        """samples of the reply made so far"""
        self.is_complete = False
        """whether the last chunk has been taken"""
        self.record = current_call()
        self.about = provenance(manifest.voice, self.record.mark)
        """what its metadata say of its origin"""
        self._sentences = 0
        self._has_header = False
        self._encoder = open_encoder(format, manifest.sample_rate_hz, self.about)
        self._scale = format.sample_rate_hz / manifest.sample_rate_hz
        self._on_taken = on_taken
        self._metrics = metrics
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self.tells_flushes = False
        """a flush after which nothing is left to speak gives a chunk without audio, to tell so"""
        self._flushes: deque[int] = deque()  # sentences before each that is not spoken yet
        self._spoken = 0  # sentences whose audio has been taken
        self._queue: asyncio.Queue[tuple[EncodedChunk, float] | Exception | None] = asyncio.Queue()
        self._started_s = clock() if started_s is None else started_s
        self._last_s = self._started_s  # when the latest chunk was made
        self._samples = 0  # made, at the voice's rate
        self._sentence = 0

    def add_passage(self, passage: ProcessedText) -> None:
        """Record text that will be spoken."""
        text = "\n".join(map(attrgetter("normalized"), passage.sentences))
        if text:
            self.passages.append(Passage(self._sentences, text))
            self.processed_text += "\n" * bool(self.processed_text) + text
        self._sentences += len(passage.sentences)
        self.dropped_characters += passage.dropped
        self.warnings += passage.warnings

    def flush(self) -> None:
        """Record that the text so far has been flushed; for the event loop."""
        self._flushes.append(self._sentences)
        if self.tells_flushes and self._spoken >= self._sentences:
            self._queue.put_nowait((EncodedChunk(b"", self.samples, self._sentence), 0.0))

    def _flushed(self, chunk: EncodedChunk) -> EncodedChunk:
        """The chunk, and how many flushes it completes."""
        if chunk.ends_sentence:
            self._spoken = chunk.sentence + 1
        before = len(self._flushes)
        while self._flushes and self._flushes[0] <= self._spoken:
            self._flushes.popleft()
        completed = before - len(self._flushes)
        return replace(chunk, flushes=completed) if completed else chunk

    async def __aiter__(self) -> AsyncIterator[EncodedChunk]:
        record = self.record
        while (item := await self._queue.get()) is not None:
            if isinstance(item, Exception):
                raise item
            chunk, audio_s = item
            if record.first_audio_s is None:
                record.first_audio_s = self._clock() - self._started_s
                self._metrics.first_audio_s.observe(record.first_audio_s)
            record.audio_s += audio_s
            self._on_taken(audio_s)
            yield self._flushed(chunk)
        if self.audio_s:
            record.real_time_factor = (self._last_s - self._started_s) / self.audio_s
            self._metrics.real_time_factor.observe(record.real_time_factor)
        self.is_complete = True

    def on_chunk(self, chunk: AudioChunk, late_s: float) -> None:
        """Called by a lane."""
        start_s = self._clock()
        audio = self._begun(self._encoder.encode(chunk.samples), chunk.total_samples)
        now = self._clock()
        self._metrics.stage_s.labels("encode_audio").observe(now - start_s)
        if self.record.trace:
            self.record.trace.part("encode audio", now - start_s)
        if chunk.warning:
            self.misfit = chunk.warning
            self.warnings.append(chunk.warning)
        if chunk.sample_offset:
            self._metrics.chunk_gap_s.observe(now - self._last_s)
            if late_s > 0:
                self._metrics.underrun_s.observe(late_s)
        self._metrics.audio_s.inc(chunk.duration_s)
        self._last_s = now
        offset = self.samples
        words = chunk.words
        marks = chunk.marks
        if self._scale != 1.0:
            words = tuple(word.moved(self._in_reply) for word in words)
            marks = tuple(replace(mark, sample=self._in_reply(mark.sample)) for mark in marks)
        self._samples += len(chunk.samples)
        self.samples = self._in_reply(self._samples)
        self.audio_s = self._samples / self.manifest.sample_rate_hz
        self._sentence = chunk.sentence
        encoded = EncodedChunk(
            audio, offset, chunk.sentence, self.samples - offset, words, marks, chunk.ends_sentence
        )
        self._pass((encoded, chunk.duration_s))

    def _begun(self, audio: bytes, samples: int | None) -> bytes:
        """The next bytes, with the length of a short stream in the header that they begin with."""
        if self._has_header or not audio:
            return audio
        self._has_header = True
        in_time = self._scale == 1.0 and self.format.encoding in (Encoding.FLAC, Encoding.MP3)
        return audio if samples is None or not in_time else with_length(audio, self.format, samples)

    @property
    def encoded_samples(self) -> int:
        """Samples of the encoded audio so far, of which `samples` is the rounded number."""
        return self._encoder.samples

    def on_end(self) -> None:
        """Called by a lane, or by whatever ends the text."""
        try:
            rest = self._encoder.finish()
        except Exception as error:  # codecs raise their own classes
            self.on_error(error)
            return
        if rest:
            self._pass((EncodedChunk(rest, self.samples, self._sentence), 0.0))
        self._pass(None)

    def on_error(self, error: Exception) -> None:
        """Called from any thread; the caller's iteration raises it."""
        self._pass(error)

    def _in_reply(self, sample: int) -> int:
        """Sample index at the voice's rate -> at the reply's rate."""
        return round(sample * self._scale)

    def _pass(self, item: tuple[EncodedChunk, float] | Exception | None) -> None:
        with suppress(RuntimeError):  # the event loop is closed
            self._loop.call_soon_threadsafe(self._queue.put_nowait, item)


@asynccontextmanager
async def taken_within(stall_s: float) -> AsyncIterator[None]:
    """Limit how long the sends inside it wait for the client to read.

    Raises:
        StalledError: the client did not read within `stall_s` seconds.
    """
    try:
        async with asyncio.timeout(stall_s):
            yield
    except TimeoutError as error:
        message = f"client read nothing for {stall_s:g} s; read the reply as it arrives"
        raise StalledError(message) from error
