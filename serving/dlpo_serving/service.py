"""Synthesis for all APIs, which only translate requests and replies.

    async with service.synthesize(call) as audio:
        async for chunk in audio:
            chunk.audio

A live call is admitted by its predicted cost before its text is parsed, or refused at once; later
text is admitted as it arrives. A whole file waits for its turn. Leaving the block, for whatever
reason, frees the slot.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from math import inf
from typing import Any, TypeVar

from dlpo.bundle import Manifest
from dlpo.text import ProcessedText, Sentence
from dlpo.text.common.feed import TextFeed
from dlpo_serving.audio_stream import AudioStream
from dlpo_serving.encodings.formats import AudioFormat, format_of
from dlpo_serving.errors import (
    FieldViolation,
    RequestError,
    ShuttingDownError,
    StalledError,
)
from dlpo_serving.further_text import Flush, FurtherText, TextMemory, TextPieces, too_long
from dlpo_serving.operations.call_scope import current_call
from dlpo_serving.operations.metrics import Metrics
from dlpo_serving.operations.quotas import Quotas
from dlpo_serving.request import (
    PAUSES,
    SpeechRequest,
    SynthesisCall,
    check_request,
    check_whole,
    size_of,
)
from dlpo_serving.scheduling.executor import EngineExecutor
from dlpo_serving.scheduling.stream import AdmissionPolicy, Stream
from dlpo_serving.scheduling.waiting_line import Waiting
from dlpo_serving.settings.server_settings import ServerSettings
from dlpo_serving.voices.offered import LoadedVoice, OfferedVoices
from dlpo_serving.voices.text_reader import text_errors_as_violations

SLICE = 200  # characters of a piece parsed in one go, so that a book does not delay a sentence
PARSER_SLOTS = 4  # texts that have a thread to parse them, or are next to get one
READ_AHEAD_S = 20.0  # with more audio than this still to be made, further text waits to be parsed
READ_RETRY_S = 0.5
SENTENCE = 80  # characters
RELAXED_BACKLOG_S = 5.0  # with more than this, slices are parsed one by one, with rests in between
PARSER_REST_RATIO = 9.0  # seconds of rest / seconds of parsing
MAX_PIECES = 1 << 18  # of the text of a call, empty ones and flushes included
MAX_UNARY_BYTES = 4_000_000  # of audio; clients reject messages above 4 MiB by default
LENGTH_MARGIN = 1.25  # by which a predicted length may exceed the limit before it is refused

T = TypeVar("T")


class SynthesisService:
    """Synthesizes with the voices added to it. For one event loop."""

    def __init__(
        self,
        executor: EngineExecutor,
        policy: AdmissionPolicy,
        settings: ServerSettings,
        metrics: Metrics,
        quotas: Quotas | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            policy: the scheduler's.
            settings: limits per call.
            quotas: the callers' quotas; None means no quotas.
            clock: the executor's.
        """
        self._executor = executor
        self._readers = asyncio.Semaphore(PARSER_SLOTS)
        self._file_reader = asyncio.Lock()  # one, so that live calls don't wait for books
        self._reader_ahead = asyncio.Lock()
        self._policy = policy
        self._settings = settings
        self._pauses = pauses_of(settings)
        self._metrics = metrics
        self._quotas = quotas
        self._clock = clock
        self.offered = OfferedVoices()
        """the voices by name: add them here; calls in progress keep theirs"""
        self._memory = TextMemory()
        self._file_memory = TextMemory()
        self.max_characters = settings.max_characters
        """of the text of a call"""
        self._leaving = False
        self.draining = False
        """whether new calls are refused, since the server shuts down"""
        self._on_drain: list[Callable[[], object]] = []
        self.calls = 0
        """calls in progress"""
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def voices(self) -> Sequence[Manifest]:
        """Manifests of the voices, the default first."""
        return self.offered.manifests

    @property
    def marks(self) -> dict[str, str]:
        """Default voice of each bundle -> which keys mark it; see `dlpo.mark.NoiseMark.named`."""
        return self.offered.marks

    def loaded_voices(self) -> Sequence[Manifest]:
        """`voices`; raises NotReadyError while there is none."""
        return self.offered.loaded()

    @property
    def ready(self) -> bool:
        """Whether there is a voice, and load balancers may send calls here."""
        return bool(self.voices) and not self._leaving

    def expected_first_audio_s(self) -> float:
        """Predicted seconds until a sentence that came now would be heard, with the time until it
        would be admitted; 0 while no voice is loaded."""
        if (voice := self.offered.default) is None:
            return 0.0
        now = self._clock()
        stream = Stream(
            voice.costs,
            voice.manifest.steps,
            now,
            voice.costs.audio_s(SENTENCE, 1.0),
            reading_s=voice.costs.reading_s(SENTENCE),
        )
        return self._executor.ask(lambda one: one.expected_first_audio_s(stream, now))

    def leave(self) -> None:
        """Stop being ready; calls that still arrive are served until `drain`."""
        self._leaving = True

    async def drain(self, grace_s: float) -> None:
        """Reject new calls; return when those in progress have ended, or after `grace_s`."""
        self.leave()
        self.draining = True
        for begin in self._on_drain:
            begin()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), grace_s)

    def call_on_drain(self, begin: Callable[[], object]) -> None:
        """Have `begin` called when new calls are refused from then on."""
        self._on_drain.append(begin)

    def pieces(self) -> TextPieces:
        """The text of a call that comes in pieces, within what a text may have."""
        return TextPieces(self.max_characters, self._memory)

    def check_quota(self) -> None:
        """Refuse the current call before its text is read, if its caller may not speak at all.

        Raises:
            QuotaError, UnauthenticatedError: see `Quotas.check`.
        """
        if self._quotas:
            self._quotas.check(current_call().caller)

    def check(self, call: SynthesisCall) -> None:
        """Refuse a call whose text is yet to come, as `synthesize` would.

        While no voice is loaded, none is unknown.

        Raises:
            RequestError: a field is invalid.
            UnknownVoiceError: there is no such voice.
        """
        if self.voices:
            self._opened(with_pauses(call, self._pauses))

    def _opened(self, call: SynthesisCall) -> tuple[LoadedVoice, str | None, int, AudioFormat]:
        """What `OfferedVoices.chosen` gives, steps and format; see `check` for errors."""
        voice, looks_like = self.offered.chosen(call)
        steps = check_request(call.request, voice.manifest)
        rate_hz = voice.manifest.sample_rate_hz
        return voice, looks_like, steps, format_of(call.encoding, call.sample_rate_hz, rate_hz)

    @asynccontextmanager
    async def synthesize(
        self, call: SynthesisCall, further: FurtherText | None = None
    ) -> AsyncIterator[AudioStream]:
        """Speak the text of a call, and any further text after it, as one piece of audio.

        Args:
            call: its text is empty if all of it comes in pieces.

        Raises:
            RequestError: a field is invalid; raised while iterating if in later text.
            CallRejectedError: the call is not served; also while iterating.
            EngineError: the engine failed; also while iterating.
            Anything that `further` raises, while iterating.
        """
        call = with_pauses(call, self._pauses)
        request, record = call.request, current_call()
        characters = len(request.text)
        self._check_length(characters)  # before anything reads the text
        if further is not None:
            check_whole(request)
        if self.draining:
            raise ShuttingDownError
        voice, looks_like, steps, format = self._opened(call)
        manifest = voice.manifest
        words = size_of(request.dictionary) if request.dictionary else 0  # also read, and charged
        record.voice, record.characters = manifest.voice, characters
        record.mark = voice.synthesizer.mark_of(steps)
        now = self._clock()
        stream = Stream(
            costs=voice.costs,
            steps=steps,
            arrived_s=now,
            expected_audio_s=request.duration_s or voice.costs.audio_s(characters, request.speed),
            max_batch=voice.synthesizer.engine.max_batch,
            live=call.live,
            first_audio_s=call.first_audio_ms and call.first_audio_ms / 1000,
            reading_s=voice.costs.reading_s(characters),
            ends_s=inf if call.timeout_s is None else now + call.timeout_s,
            peer=record.caller or record.peer,
            more_text=further is not None,
        )

        def on_taken(audio_s: float) -> None:
            if self._quotas:
                self._quotas.take_audio(record.caller, audio_s)
                self._metrics.key_audio_s.labels(record.caller).inc(audio_s)
            self._executor.release_audio(stream, audio_s)

        with (
            self._quotas.hold(record.caller, characters + words) if self._quotas else nullcontext()
        ):
            self.calls += 1
            self._idle.clear()
            try:
                await self._admit(stream, call)
                if self._quotas:
                    self._count(record.caller, characters + words)
                audio = AudioStream(
                    manifest, format, steps, request.seed, on_taken, self._metrics, self._clock,
                    now if call.live else self._clock(),
                )  # fmt: skip
                reader = voice.synthesizer.text_reader
                if words:
                    request = await self._read(partial(reader.parsed, request), words, stream)
                    call = replace(call, request=request)
                job = voice.synthesizer.open_job(request, steps)
                if characters or further is None:
                    read = partial(reader.read, request, looks_like)
                    text = await self._read(read, characters, stream)
                    expected_s = voice.expected_s(text.sentences, request.speed)
                    expected_s = request.duration_s or expected_s
                    self._executor.expect(stream, expected_s)
                    if not call.streamed:
                        check_unary(expected_s * format.bytes_per_s / LENGTH_MARGIN)
                    audio.add_passage(text)
                    job.add(text.sentences)
                if further is None:
                    job.close()
                self._executor.start(stream, job, audio)
                reading = further and asyncio.create_task(
                    self._feed(call, stream, voice, audio, further)
                )
                try:
                    yield audio
                finally:
                    if reading:
                        reading.cancel()
                        with suppress(asyncio.CancelledError):
                            await reading
            finally:
                self._executor.remove(stream)
                self.calls -= 1
                if not self.calls:
                    self._idle.set()
        spoken = len(audio.processed_text)
        if audio.is_complete and spoken and not (request.ssml or request.duration_s):
            voice.costs.observe_text(spoken, audio.audio_s, request.speed)

    def _count(self, caller: str, characters: int) -> None:
        """Count the characters of a caller with a key, for bills."""
        if characters:
            self._metrics.key_characters.labels(caller).inc(characters)

    async def _admit(self, stream: Stream, call: SynthesisCall) -> None:
        """Admit a live call, or wait until it is a whole file's turn.

        Raises:
            OverloadError: there is no room, or for a file none within the setting `queue_s`.
            DeadlineError: see `Scheduler.admit`.
        """
        text, words = call.request.text, call.request.dictionary
        size = max(sys.getsizeof(text) + 4 * size_of(words), current_call().body_bytes)
        size *= not call.live
        self._file_memory.take(size)
        try:
            await self._turn(self._executor.admit(stream), stream, "queue_s")
        finally:
            self._file_memory.give_back(size)

    async def _turn(self, waiting: Waiting | None, stream: Stream, setting: str) -> None:
        """Wait for a turn, for as long as the setting allows and the caller does.

        Raises:
            OverloadError: it did not come.
            Also what the scheduler answers.
        """
        if waiting is None:
            return
        limit_s: float = getattr(self._settings, setting)
        try:
            async with asyncio.timeout(min(limit_s, stream.ends_s - self._clock())):
                await asyncio.wrap_future(waiting.starts)
        except TimeoutError:
            raise waiting.refused_after(limit_s, setting) from None
        finally:
            self._executor.give_up(waiting)

    def _check_length(self, characters: int) -> None:
        if characters > self.max_characters:
            raise too_long(characters, self.max_characters)

    async def _read(self, read: Callable[[], T], characters: int, stream: Stream) -> T:
        """Run `read`: on a thread, unless the text is short and no other call could wait for it."""
        start_s = self._clock()
        if self.calls == 1 and characters <= SLICE:
            result = read()  # passing it to a thread and back takes longer
        else:
            async with self._readers if stream.live else self._file_reader:
                began_s = self._clock()
                result = await asyncio.to_thread(read)
            if stream.live and characters:
                stream.costs.observe_reading(characters, self._clock() - began_s)
        if trace := current_call().trace:
            trace.part("normalise", self._clock() - start_s)
        return result

    async def _feed(
        self,
        call: SynthesisCall,
        stream: Stream,
        voice: LoadedVoice,
        audio: AudioStream,
        further: FurtherText,
    ) -> None:
        """Read further text while the server has room."""
        request, synthesizer = call.request, voice.synthesizer
        limit_s = self._settings.pause_s if request.text else self._settings.first_text_s
        feed: TextFeed | None = None
        try:
            if not request.text:  # all text comes in pieces
                feed = synthesizer.text_reader.feed(request)  # its dictionary has been parsed
            for taken in itertools.count():
                piece = await self._next(further, limit_s)
                limit_s = self._settings.pause_s
                if taken > MAX_PIECES:
                    what = f"comes in more than {MAX_PIECES} pieces; begin another call"
                    raise RequestError(FieldViolation("text", what))
                if isinstance(piece, SpeechRequest):
                    text = replace(request, text=piece.text, ssml=piece.ssml)
                    read = partial(synthesizer.text_reader.read, text)
                    await self._add(stream, voice, audio, request.speed, len(text.text), read)
                    continue
                if feed and isinstance(piece, str):
                    for start in range(0, len(piece), SLICE):
                        part = piece[start : start + SLICE]
                        read = partial(_read_piece, feed, partial(feed.push, part))
                        await self._add(stream, voice, audio, request.speed, len(part), read)
                elif feed:
                    read = partial(_read_piece, feed, feed.flush if piece else feed.finish)
                    await self._add(stream, voice, audio, request.speed, 0, read)
                    if piece:
                        audio.flush()
                if piece is None:
                    break
            self._executor.end_text(stream)
        # Passed to the caller, whose iteration raises it.
        except Exception as error:
            audio.on_error(error)

    async def _next(
        self, further: FurtherText, limit_s: float
    ) -> str | Flush | SpeechRequest | None:
        """The next piece of further text, or None at the end."""
        try:
            async with asyncio.timeout(limit_s):
                return await anext(further, None)
        except TimeoutError as error:
            message = f"no text received for {limit_s:g} s; send end-of-text when done"
            raise StalledError(message) from error

    async def _add(
        self,
        stream: Stream,
        voice: LoadedVoice,
        audio: AudioStream,
        speed: float,
        characters: int,
        read: Callable[[], ProcessedText],
    ) -> None:
        """Admit, parse and speak further text of a stream; `read` gives what can be spoken now."""
        record = audio.record
        record.characters += characters
        record.recheck()
        self._check_length(record.characters)
        if self._quotas:
            self._quotas.take_characters(record.caller, characters)
            self._count(record.caller, characters)
        while stream.left_s > READ_AHEAD_S:  # parsing would take CPU time from others' audio
            await asyncio.sleep(READ_RETRY_S)
        reserved_s, left_s = 0.0, stream.left_s
        if characters >= SLICE:  # slow to parse
            reserved_s = voice.costs.audio_s(characters, speed)
            await self._turn(self._executor.reserve(stream, reserved_s), stream, "text_wait_s")
        if reserved_s and left_s > RELAXED_BACKLOG_S:
            async with self._reader_ahead:
                start_s = self._clock()
                text = await self._read(read, characters, stream)
                await asyncio.sleep(PARSER_REST_RATIO * (self._clock() - start_s))
        else:
            text = await self._read(read, characters, stream)
        audio_s = voice.expected_s(text.sentences, speed)
        if audio_s and not reserved_s:
            await self._turn(self._executor.reserve(stream, audio_s), stream, "text_wait_s")
        audio.add_passage(text)
        self._executor.add(stream, text.sentences, audio_s)


def pauses_of(settings: ServerSettings) -> dict[str, Any]:
    """The pauses that a server sets, by their names in a request."""
    return {name: s for name in PAUSES if (s := getattr(settings, name)) is not None}


def with_pauses(call: SynthesisCall, pauses: Mapping[str, Any]) -> SynthesisCall:
    """The call, with the server's `pauses` where the caller sets none."""
    request = call.request
    unset = {name: s for name, s in pauses.items() if getattr(request, name) is None}
    return replace(call, request=replace(request, **unset)) if unset else call


def check_unary(size: float) -> None:
    """Raise RequestError if audio of `size` bytes does not fit into one reply."""
    if size > MAX_UNARY_BYTES:
        message = (
            f"is longer to speak than the {MAX_UNARY_BYTES} bytes that one reply may hold;"
            " use StreamSynthesize, with Riva's service use SynthesizeOnline"
        )
        raise RequestError(FieldViolation("text", message))


def _read_piece(feed: TextFeed, read: Callable[[], Sequence[Sentence]]) -> ProcessedText:
    before = feed.reading.warnings.dropped
    with text_errors_as_violations():
        found = tuple(read())
    warnings = feed.warnings() if read == feed.finish else ()
    return ProcessedText(found, feed.reading.warnings.dropped - before, warnings)
