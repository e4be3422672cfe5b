"""The calls of `dlpo.v1.SpeechService` on grpc.aio.

The event loop only passes messages. Text is read on one thread and the engine runs on another; each
stream has at most one chunk queued there, so streams take turns chunk by chunk, the queue is no
longer than `max_streams`, and a cancelled stream costs at most the chunk in hand.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from dlpo.v1 import speech_pb2, speech_pb2_grpc
from dlpo_serving.encodings import SAMPLE_BYTES, encode_audio, known_encoding
from dlpo_serving.refusals import NotReadyError, OverloadError, UnknownVoiceError
from dlpo_serving.registration import Undecodable, decoded
from dlpo_serving.rendering import SpeechChunk
from dlpo_serving.request import RequestError, SpeechRequest, Violation
from dlpo_serving.statuses import Context, errors_as_status
from dlpo_serving.synthesizer import Synthesizer, Utterance
from dlpo_serving.v1.wire import field_path

MAX_UNARY_BYTES = 4_000_000  # of audio; a client refuses messages above 4 MiB by default

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Speech:
    """A request that is being spoken."""

    synthesizer: Synthesizer
    utterance: Utterance
    encoding: speech_pb2.AudioEncoding

    def info(self) -> speech_pb2.SpeechInfo:
        manifest = self.synthesizer.manifest
        return speech_pb2.SpeechInfo(
            format=speech_pb2.AudioFormat(
                encoding=self.encoding, sample_rate_hz=manifest.sample_rate_hz
            ),
            voice=manifest.voice,
            processed_text=self.utterance.processed_text,
            dropped_characters=self.utterance.dropped_characters,
        )

    def totals(self, samples: int) -> speech_pb2.SpeechTotals:
        return speech_pb2.SpeechTotals(
            samples=samples,
            audio_s=samples / self.synthesizer.manifest.sample_rate_hz,
            steps=self.utterance.steps,
            seed=self.utterance.request.seed,
        )


class SpeechServicer(speech_pb2_grpc.SpeechServiceServicer):
    """Speaks with the voices that were added; without any it is not ready."""

    def __init__(
        self, text_thread: Executor, engine_thread: Executor, max_streams: int, max_characters: int
    ) -> None:
        """The executors have one thread each; `max_streams` calls are spoken at the same time."""
        self._text_thread = text_thread
        self._engine_thread = engine_thread
        self._max_streams = max_streams
        self._max_characters = max_characters
        self._active_streams = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False
        self._voices: dict[str, Synthesizer] = {}

    @property
    def active_streams(self) -> int:
        """How many calls are being spoken now."""
        return self._active_streams

    def add_voice(self, synthesizer: Synthesizer) -> None:
        """Offer a voice; the first one is the default."""
        self._voices[synthesizer.manifest.voice] = synthesizer

    async def drain(self, grace_s: float) -> None:
        """Refuse new calls; return when the running ones have ended, after `grace_s` at most."""
        self._draining = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), grace_s)

    async def Synthesize(
        self, request: speech_pb2.SynthesizeRequest | Undecodable, context: Context
    ) -> speech_pb2.SynthesizeResponse:
        async with errors_as_status(context, field_path):
            request = decoded(request)
            with self._slot():
                speech = await self._read(request.text, request.config)
                audio = bytearray()
                async for chunk in self._chunks(speech):
                    audio += encode_audio(chunk.samples, speech.encoding)
                    if len(audio) > MAX_UNARY_BYTES:
                        message = (
                            f"is longer to speak than the {MAX_UNARY_BYTES} bytes that one reply"
                            " may hold; use StreamSynthesize"
                        )
                        raise RequestError(Violation("text", message))
            return speech_pb2.SynthesizeResponse(
                info=speech.info(),
                audio=bytes(audio),
                totals=speech.totals(len(audio) // SAMPLE_BYTES[speech.encoding]),
            )
        raise AssertionError("errors_as_status ends the call")

    async def StreamSynthesize(
        self, request: speech_pb2.StreamSynthesizeRequest | Undecodable, context: Context
    ) -> None:
        async with errors_as_status(context, field_path):
            request = decoded(request)
            with self._slot():
                speech = await self._read(request.text, request.config)
                await context.write(speech_pb2.StreamSynthesizeResponse(info=speech.info()))
                samples = 0
                async for chunk in self._chunks(speech):
                    samples += len(chunk.samples)
                    audio = speech_pb2.AudioChunk(
                        audio=encode_audio(chunk.samples, speech.encoding),
                        sample_offset=chunk.sample_offset,
                        sentence=chunk.sentence,
                    )
                    await context.write(speech_pb2.StreamSynthesizeResponse(audio=audio))
                totals = speech.totals(samples)
                await context.write(speech_pb2.StreamSynthesizeResponse(totals=totals))

    async def ListVoices(
        self, request: speech_pb2.ListVoicesRequest | Undecodable, context: Context
    ) -> speech_pb2.ListVoicesResponse:
        async with errors_as_status(context, field_path):
            decoded(request)
            voices = [_voice_message(voice) for voice in self._voices.values()]
            return speech_pb2.ListVoicesResponse(voices=voices)
        raise AssertionError("errors_as_status ends the call")

    @contextmanager
    def _slot(self) -> Iterator[None]:
        """One of the places to speak in; given back however the call ends."""
        if self._draining:
            raise NotReadyError("the server is shutting down; try another one, or again later")
        if self._active_streams >= self._max_streams:
            raise OverloadError(
                f"all {self._max_streams} streams are taken; try again shortly", 1.0
            )
        self._active_streams += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._active_streams -= 1
            if not self._active_streams:
                self._idle.set()

    async def _read(self, text: str, config: speech_pb2.SynthesisConfig) -> _Speech:
        if not self._voices:
            raise NotReadyError("the server is still loading its voice; try again shortly")
        name = config.voice or next(iter(self._voices))
        if name not in self._voices:
            raise UnknownVoiceError(name, list(self._voices))
        if len(text) > self._max_characters:
            message = f"has {len(text)} characters; this server takes {self._max_characters}"
            raise RequestError(Violation("text", f"{message}: send it in parts"))
        encoding = known_encoding(config.encoding)
        request = SpeechRequest(
            text=text,
            speed=config.speed if config.HasField("speed") else 1.0,
            pitch_semitones=config.pitch_semitones,
            seed=config.seed,
            steps=config.steps or None,
            dictionary=dict(config.dictionary),
        )
        synthesizer = self._voices[name]
        loop = asyncio.get_running_loop()
        utterance = await loop.run_in_executor(self._text_thread, synthesizer.read, request)
        return _Speech(synthesizer, utterance, encoding)

    async def _chunks(self, speech: _Speech) -> AsyncIterator[SpeechChunk]:
        loop = asyncio.get_running_loop()
        chunks = speech.synthesizer.stream(speech.utterance)
        start = time.perf_counter()
        first_s, samples = 0.0, 0
        while chunk := await loop.run_in_executor(self._engine_thread, next, chunks, None):
            first_s = first_s or time.perf_counter() - start
            samples += len(chunk.samples)
            yield chunk
        _log.info(
            "spoke voice=%s characters=%d steps=%d audio_s=%.2f first_chunk_ms=%.1f wall_s=%.3f",
            speech.synthesizer.manifest.voice,
            len(speech.utterance.request.text),
            speech.utterance.steps,
            samples / speech.synthesizer.manifest.sample_rate_hz,
            1000 * first_s,
            time.perf_counter() - start,
        )


def _voice_message(synthesizer: Synthesizer) -> speech_pb2.Voice:
    manifest = synthesizer.manifest
    slowest, fastest = manifest.prosody.speed
    lowest, highest = manifest.prosody.pitch_semitones
    return speech_pb2.Voice(
        name=manifest.voice,
        language=manifest.language,
        sample_rate_hz=manifest.sample_rate_hz,
        steps=manifest.available_steps,
        default_steps=manifest.steps,
        speed=speech_pb2.Range(min=slowest, max=fastest),
        pitch_semitones=speech_pb2.Range(min=lowest, max=highest),
        licence=manifest.licence,
    )
