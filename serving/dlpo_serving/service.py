"""Synthesis for gRPC, Riva and HTTP, which only translate their requests and replies.

    async with speaker.synthesize(call) as speech:
        speech.info
        async for piece in speech:
            piece.audio
        speech.totals

A call is admitted by what it will cost, before its text is read; text that comes later is weighed
when it comes. The place is free again as soon as the block ends, however it ends.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import TypeVar

from dlpo.bundle import Manifest
from dlpo.errors import InputError
from dlpo.text import Sentence
from dlpo_serving.audio_stream import LONGER, AudioStream, SpeechInfo, check_unary
from dlpo_serving.call import Limits, SynthesisCall
from dlpo_serving.encodings import open_encoder
from dlpo_serving.errors import (
    CallRejectedError,
    FieldViolation,
    NotReadyError,
    RequestError,
    StalledError,
    UnknownVoiceError,
)
from dlpo_serving.operations.calls import current_call
from dlpo_serving.operations.metrics import Metrics
from dlpo_serving.operations.quotas import Quotas
from dlpo_serving.scheduling import AdmissionPolicy, Costs, Stream
from dlpo_serving.scheduling.executor import EngineExecutor
from dlpo_serving.synthesizer import Synthesizer
from dlpo_serving.written_text import SLICE, TextPart, TextSource, in_time, whole_texts

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LoadedVoice:
    """A voice that is warm."""

    synthesizer: Synthesizer
    costs: Costs

    @property
    def manifest(self) -> Manifest:
        """What it says of itself."""
        return self.synthesizer.manifest


class SynthesisService:
    """Speaks with the voices that were added; without any it is not ready. For one event loop."""

    def __init__(
        self,
        room: EngineExecutor,
        text_threads: Executor,
        policy: AdmissionPolicy,
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
        self._voices: dict[str, LoadedVoice] = {}
        self._leaving = False
        self._draining = False
        self._calls = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def voices(self) -> list[Manifest]:
        """What the voices say of themselves, the default one first."""
        manifests = [voice.manifest for voice in self._voices.values()]
        return [each.with_voice(name) for each in manifests for name in each.offered_voices]

    @property
    def ready(self) -> bool:
        """There is a voice, and balancers may send calls here."""
        return bool(self._voices) and not self._leaving

    @property
    def calls(self) -> int:
        """How many are being spoken now."""
        return self._calls

    def add_voice(self, voice: LoadedVoice) -> None:
        """Offer a voice, or a new version of one; calls that run keep theirs."""
        self._voices[voice.manifest.voice] = voice

    def remove_voice(self, name: str) -> LoadedVoice:
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
    async def synthesize(
        self, call: SynthesisCall, source: TextSource | None = None
    ) -> AsyncIterator[AudioStream]:
        """Speak the text of a call, and what its source brings after it, as one audio.

        Args:
            call: what the caller wants; its text is empty where all of it comes in pieces.
            source: the text; None for the request's own alone.

        Raises:
            RequestError: a field can't be used; while iterating for a part that came later.
            CallRejectedError: the call is not served; also while iterating.
            EngineError: the engine failed; also while iterating.
            and whatever `source` raises, while iterating.
        """
        characters = len(call.request.text)
        more_text = source is not None and call.streamed
        source = source or partial(whole_texts, None, None)
        async with self._place(call, characters, more_text) as (voice, stream, speech):
            parts = source(call.request, voice.synthesizer)
            parts = in_time(parts, self._limits.first_text_s, self._limits.pause_s)
            rendering = voice.synthesizer.begin(call.request)
            if characters:
                passage = await self._read((await anext(parts)).read)
                stream.expected_audio_s = _expected_s(voice, passage.sentences, call.request.speed)
                if not call.streamed:
                    check_unary(stream.expected_audio_s * speech.info.format.bytes_per_s / LONGER)
                rendering.add(speech.info.extend(passage))
            self._room.start(stream, rendering, speech)
            reading = asyncio.create_task(self._feed(call, stream, voice, speech, parts))
            speech.await_caller()
            try:
                yield speech
            finally:
                reading.cancel()
                with suppress(asyncio.CancelledError):
                    await reading
            spoken = sum(map(len, speech.info.processed_text.splitlines()))
            if speech.totals and spoken and not call.request.ssml:
                voice.costs.observe_text(spoken, speech.totals.audio_s, call.request.speed)

    async def _read(self, read: Callable[[], T]) -> T:
        """Run `read` on a text thread."""
        with current_call().span.child("normalise"):
            return await asyncio.get_running_loop().run_in_executor(self._text_threads, read)

    async def _feed(
        self,
        call: SynthesisCall,
        stream: Stream,
        voice: LoadedVoice,
        speech: AudioStream,
        parts: AsyncIterator[TextPart],
    ) -> None:
        """Read the parts of a text that come after its first, as far as the server has room."""
        in_all = len(call.request.text)
        speed = call.request.speed
        try:
            async for part in parts:
                in_all += part.characters
                self._take_text(part.characters, in_all)
                reserved_s = 0.0
                if part.characters > SLICE:  # long to read
                    reserved_s = voice.costs.audio_s(part.characters, speed)
                    await self._reserve(stream, reserved_s)
                passage = await self._read(part.read)
                audio_s = _expected_s(voice, passage.sentences, speed)
                if audio_s and not reserved_s:
                    await self._reserve(stream, audio_s)
                self._room.add(stream, speech.info.extend(passage), audio_s)
            self._room.end_text(stream)
        except CallRejectedError as error:
            self._metrics.shed(error.reason)
            speech.on_error(error)
        # It belongs to the caller, who iterates elsewhere.
        except Exception as error:
            speech.on_error(error)

    def _take_text(self, characters: int, in_all: int) -> None:
        """Further text of a call; raises RequestError or QuotaError where it is too much."""
        self._check_length(in_all)
        current_call().characters = in_all
        if self._quotas:
            self._quotas.take_characters(current_call().caller, characters)

    async def _reserve(self, stream: Stream, audio_s: float) -> None:
        """Return when further text of a stream fits; its writer waits as long.

        Raises:
            OverloadError: it did not fit within `Limits.text_wait_s`.
            DeadlineError: it will not before the caller's deadline.
        """
        loop = asyncio.get_running_loop()
        fits: asyncio.Future[None] = loop.create_future()

        def settle(refusal: CallRejectedError | None) -> None:
            if fits.done():
                return
            if refusal:
                fits.set_exception(refusal)
            else:
                fits.set_result(None)

        def on_fit(refusal: CallRejectedError | None) -> None:
            loop.call_soon_threadsafe(settle, refusal)

        waiting = self._room.reserve(stream, audio_s, on_fit)
        if waiting is None:
            return
        try:
            async with asyncio.timeout(self._limits.text_wait_s):
                await fits
        except TimeoutError:
            raise waiting.refusal from None
        finally:
            self._room.give_up_text(waiting)

    @asynccontextmanager
    async def _place(
        self, call: SynthesisCall, characters: int, more_text: bool
    ) -> AsyncIterator[tuple[LoadedVoice, Stream, AudioStream]]:
        """A place among the streams for as long as the block lasts."""
        try:
            voice = self._voice(call.voice)
            self._check_length(characters)
            stream = self._stream(call, voice, characters, more_text)
            current_call().voice = voice.manifest.voice
            current_call().characters = characters
            form = call.format(voice.manifest.sample_rate_hz)
            with self._share(characters) as take_audio, self._admitted(stream):
                async with self._patience() as patience:

                    def on_taken(audio_s: float) -> None:
                        take_audio(audio_s)
                        self._room.took(stream, audio_s)

                    speech = AudioStream(
                        SpeechInfo(voice.manifest, form, stream.steps, call.request.seed),
                        open_encoder(form, voice.manifest.sample_rate_hz),
                        on_taken,
                        self._metrics,
                        self._clock,
                        patience,
                        self._limits.stall_s,
                    )
                    yield voice, stream, speech
        except CallRejectedError as error:
            self._metrics.shed(error.reason)
            raise

    def _voice(self, name: str) -> LoadedVoice:
        if self._draining:
            raise NotReadyError("the server is shutting down; try another one, or again later")
        if not self._voices:
            raise NotReadyError("the server is still loading its voice; try again shortly")
        name = name or next(iter(self._voices))
        if name in self._voices:
            return self._voices[name]
        for voice in self._voices.values():
            if voice.manifest.voices:
                with suppress(InputError):
                    return replace(voice, synthesizer=voice.synthesizer.speaking(name))
        raise UnknownVoiceError(name, [manifest.voice for manifest in self.voices])

    def _check_length(self, characters: int) -> None:
        limit = self._limits.max_characters
        if characters > limit:
            message = f"has {characters} characters; this server takes {limit}: send it in parts"
            raise RequestError(FieldViolation("text", message))

    def _stream(
        self, call: SynthesisCall, voice: LoadedVoice, characters: int, more_text: bool
    ) -> Stream:
        """The call as the scheduler weighs it; raises RequestError for its numbers."""
        now = self._clock()
        return Stream(
            costs=voice.costs,
            steps=voice.synthesizer.steps_of(call.request),
            arrived_s=now,
            expected_audio_s=voice.costs.audio_s(characters, call.request.speed),
            max_batch=voice.synthesizer.max_batch,
            slack_s=0.0 if call.streamed else self._policy.unary_slack_s,
            ends_s=inf if call.timeout_s is None else now + call.timeout_s,
            peer=current_call().caller or current_call().peer,
            more_text=more_text,
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


def _expected_s(voice: LoadedVoice, sentences: Sequence[Sentence], speed: float) -> float:
    """Predicted seconds of audio, now that the words are known."""
    pauses_s = sum(s.pause_before_s + (s.pause_after_s or 0.0) for s in sentences)
    characters = sum(len(sentence.normalized) for sentence in sentences)
    return pauses_s + voice.costs.audio_s(characters, speed)
