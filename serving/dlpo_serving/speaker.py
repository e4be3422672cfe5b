"""Speaks for every door: gRPC, Riva and HTTP only translate to and from what is here.

    async with speaker.speak(call) as speech:
        speech.info
        async for piece in speech:
            piece.audio
        speech.totals

A call is admitted by what it will cost, before its text is read. Its place is free again as soon as
the block ends, however it ends.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import TypeVar

from dlpo.bundle import Manifest
from dlpo.text import Sentence
from dlpo_serving.call import Call, Limits
from dlpo_serving.encodings import open_encoder
from dlpo_serving.engine_room import EngineRoom
from dlpo_serving.operations.calls import current_call
from dlpo_serving.operations.metrics import Metrics
from dlpo_serving.operations.quotas import Quotas
from dlpo_serving.refusals import NotReadyError, RefusalError, StalledError, UnknownVoiceError
from dlpo_serving.request import RequestError, SpeechRequest, Violation
from dlpo_serving.scheduling import Costs, Policy, Stream
from dlpo_serving.speech import Speech, SpeechInfo
from dlpo_serving.synthesizer import Synthesizer, Utterance
from dlpo_serving.written_text import Passage, TextPieces, in_time, recited, typed

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice that is warm."""

    synthesizer: Synthesizer
    costs: Costs

    @property
    def manifest(self) -> Manifest:
        """What it says of itself."""
        return self.synthesizer.manifest


class Speaker:
    """Speaks with the voices that were added; without any it is not ready. For one event loop."""

    def __init__(
        self,
        room: EngineRoom,
        text_threads: Executor,
        policy: Policy,
        limits: Limits,
        metrics: Metrics,
        quotas: Quotas | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            room: computes.
            text_threads: read texts.
            policy: the scheduler's.
            limits: of each call.
            metrics: told of every call.
            quotas: shares of the callers; none has one if None.
            clock: that of the room.
        """
        self._room = room
        self._text_threads = text_threads
        self._policy = policy
        self._limits = limits
        self._metrics = metrics
        self._quotas = quotas
        self._clock = clock
        self._voices: dict[str, Voice] = {}
        self._leaving = False
        self._draining = False
        self._calls = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def voices(self) -> list[Manifest]:
        """What the voices say of themselves, the default one first."""
        return [voice.manifest for voice in self._voices.values()]

    @property
    def ready(self) -> bool:
        """There is a voice, and balancers may send calls here."""
        return bool(self._voices) and not self._leaving

    @property
    def calls(self) -> int:
        """How many are being spoken now."""
        return self._calls

    def add_voice(self, voice: Voice) -> None:
        """Offer a voice, or a new version of one; calls that run keep theirs."""
        self._voices[voice.manifest.voice] = voice

    def remove_voice(self, name: str) -> Voice:
        """Offer a voice no more; calls that run keep it."""
        return self._voices.pop(name)

    def leave(self) -> None:
        """Be ready no more; calls that come nevertheless are served until `drain`."""
        self._leaving = True

    async def drain(self, grace_s: float) -> None:
        """Refuse new calls; return when the running ones have ended, after `grace_s` at most."""
        self.leave()
        self._draining = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), grace_s)

    @asynccontextmanager
    async def speak(self, call: Call) -> AsyncIterator[Speech]:
        """Speak a text.

        Raises:
            RequestError: a field can't be used.
            RefusalError: the call is not served, see `refusals`.
            EngineError: the engine failed; also while iterating.
        """
        request = call.request
        async with self._place(call, len(request.text)) as (voice, stream, speech):
            utterance = await self.read(partial(voice.synthesizer.read, request))
            _note(speech, Passage(utterance.sentences, utterance.dropped_characters))
            stream.expected_audio_s = _expected_s(voice, utterance.sentences, request.speed)
            self._room.start(stream, voice.synthesizer.render(utterance), speech)
            speech.await_caller()
            yield speech
            if speech.totals and not request.ssml:
                characters = _characters(utterance.sentences)
                voice.costs.saw_text(characters, speech.totals.audio_s, request.speed)

    def converse(self, call: Call, pieces: TextPieces) -> AbstractAsyncContextManager[Speech]:
        """Speak a text while it is written.

        Raises:
            as `speak` does, but while iterating for what is wrong with the text; and whatever
            `pieces` raises.
        """
        return self._follow(
            call, 0, lambda voice: typed(pieces, call.request, voice.synthesizer, self)
        )

    def recite(
        self,
        call: Call,
        texts: AsyncIterator[SpeechRequest],
        on_read: Callable[[Utterance], None],
    ) -> AbstractAsyncContextManager[Speech]:
        """Speak a text, and further ones that come while it is spoken, as one audio.

        Args:
            call: the first text, and how to speak all of them.
            texts: the further ones; what they say beside `text` and `ssml` is not read.
            on_read: told of each text, the first one too, before any of its audio comes.

        Raises:
            as `speak` does, but while iterating for what is wrong with a further text; and whatever
            `texts` raises.
        """
        return self._follow(
            call,
            len(call.request.text),
            lambda voice: recited(call.request, texts, on_read, voice.synthesizer, self),
        )

    async def read(self, read: Callable[[], T]) -> T:
        """Run `read` on a text thread."""
        with current_call().span.child("normalise"):
            return await asyncio.get_running_loop().run_in_executor(self._text_threads, read)

    def take_text(self, characters: int, in_all: int) -> None:
        """Further text of a call; raises RequestError or QuotaError where it is too much."""
        self._check_length(in_all)
        current_call().characters = in_all
        if self._quotas:
            self._quotas.take_characters(current_call().caller, characters)

    @asynccontextmanager
    async def _follow(
        self, call: Call, characters: int, passages: Callable[[Voice], AsyncIterator[Passage]]
    ) -> AsyncIterator[Speech]:
        """Speak passages as they come; the first `characters` are there already."""
        async with self._place(call, characters) as (voice, stream, speech):
            texts = in_time(passages(voice), self._limits.pause_s)
            rendering = voice.synthesizer.begin(call.request)
            if characters:
                sentences = _note(speech, await anext(texts))
                stream.expected_audio_s = _expected_s(voice, sentences, call.request.speed)
                rendering.add(sentences)
            self._room.start(stream, rendering, speech)
            reading = asyncio.create_task(self._feed(call, stream, voice, speech, texts))
            speech.await_caller()
            try:
                yield speech
            finally:
                reading.cancel()
                with suppress(asyncio.CancelledError):
                    await reading

    async def _feed(
        self,
        call: Call,
        stream: Stream,
        voice: Voice,
        speech: Speech,
        passages: AsyncIterator[Passage],
    ) -> None:
        try:
            async for passage in passages:
                sentences = _note(speech, passage)
                self._room.add(stream, sentences, _expected_s(voice, sentences, call.request.speed))
            self._room.end_text(stream)
        # It belongs to the caller, who iterates elsewhere.
        except Exception as error:
            speech.on_error(error)

    @asynccontextmanager
    async def _place(
        self, call: Call, characters: int
    ) -> AsyncIterator[tuple[Voice, Stream, Speech]]:
        """A place among the streams for as long as the block lasts."""
        try:
            voice = self._voice(call.voice)
            self._check_length(characters)
            stream = self._stream(call, voice, characters)
            current_call().voice = voice.manifest.voice
            current_call().characters = characters
            form = call.format(voice.manifest.sample_rate_hz)
            with self._share(characters) as take_audio, self._admitted(stream):
                async with self._patience() as patience:

                    def on_taken(audio_s: float) -> None:
                        take_audio(audio_s)
                        self._room.took(stream, audio_s)

                    speech = Speech(
                        SpeechInfo(voice.manifest, form, stream.steps, call.request.seed),
                        open_encoder(form, voice.manifest.sample_rate_hz),
                        on_taken,
                        self._metrics,
                        self._clock,
                        patience,
                        self._limits.stall_s,
                    )
                    yield voice, stream, speech
        except RefusalError as error:
            self._metrics.shed(error.reason)
            raise

    def _voice(self, name: str) -> Voice:
        if self._draining:
            raise NotReadyError("the server is shutting down; try another one, or again later")
        if not self._voices:
            raise NotReadyError("the server is still loading its voice; try again shortly")
        name = name or next(iter(self._voices))
        if name not in self._voices:
            raise UnknownVoiceError(name, list(self._voices))
        return self._voices[name]

    def _check_length(self, characters: int) -> None:
        limit = self._limits.max_characters
        if characters > limit:
            message = f"has {characters} characters; this server takes {limit}: send it in parts"
            raise RequestError(Violation("text", message))

    def _stream(self, call: Call, voice: Voice, characters: int) -> Stream:
        """The call as the scheduler is to weigh it; raises RequestError for its numbers."""
        now = self._clock()
        return Stream(
            costs=voice.costs,
            steps=voice.synthesizer.steps_of(call.request),
            arrived_s=now,
            expected_audio_s=voice.costs.audio_s(characters, call.request.speed),
            max_batch=voice.synthesizer.max_batch,
            slack_s=0.0 if call.streamed else self._policy.unary_slack_s,
            ends_s=inf if call.timeout_s is None else now + call.timeout_s,
        )

    @contextmanager
    def _share(self, characters: int) -> Iterator[Callable[[float], None]]:
        """Within the caller's quota; gives what is to be told the audio that it takes."""
        if not self._quotas:
            yield lambda audio_s: None
            return
        caller = current_call().caller
        self._quotas.check_audio(caller)
        with self._quotas.stream(caller):
            self._quotas.take_characters(caller, characters)
            yield partial(self._quotas.take_audio, caller)

    @contextmanager
    def _admitted(self, stream: Stream) -> Iterator[None]:
        self._room.admit(stream)
        self._calls += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._room.remove(stream)
            self._calls -= 1
            if not self._calls:
                self._idle.set()

    @asynccontextmanager
    async def _patience(self) -> AsyncIterator[asyncio.Timeout]:
        """Ends the block where its timeout, not running yet, is set and runs out."""
        try:
            async with asyncio.timeout(None) as patience:
                yield patience
        except TimeoutError as error:
            if not patience.expired():
                raise
            raise StalledError(
                f"no audio was taken for {self._limits.stall_s:g} s; read the stream as it comes"
            ) from error


def _note(speech: Speech, passage: Passage) -> Sequence[Sentence]:
    """Write down what will be spoken; the sentences of the passage."""
    lines = [speech.info.processed_text, *(s.normalized for s in passage.sentences)]
    speech.info.processed_text = "\n".join(filter(None, lines))
    speech.info.dropped_characters = passage.dropped_characters
    return passage.sentences


def _expected_s(voice: Voice, sentences: Sequence[Sentence], speed: float) -> float:
    """Predicted seconds of audio, now that the words are known."""
    pauses_s = sum(s.pause_before_s + (s.pause_after_s or 0.0) for s in sentences)
    return pauses_s + voice.costs.audio_s(_characters(sentences), speed)


def _characters(sentences: Sequence[Sentence]) -> int:
    """Of the words as they are spoken; SSML has more in its text than is heard."""
    return sum(len(sentence.normalized) for sentence in sentences)
