"""POST /v1/audio/speech: the reply begins with the first sound, so errors before it have a status.

After it, an error can only cut the reply short; deliveries that have a way to name it do so.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from dlpo_serving.audio_stream import AudioStream, EncodedChunk
from dlpo_serving.encodings.formats import media_type
from dlpo_serving.errors import DeadlineError, StalledError
from dlpo_serving.http.speech_body import SpeechBody, parse_speech_body
from dlpo_serving.http.statuses import BodyError, ErrorReply
from dlpo_serving.request import SynthesisCall
from dlpo_serving.service import SynthesisService
from dlpo_serving.synthesis.timing import WordTiming


class Delivery:
    """Writes the body of one reply: the encoded audio and nothing else."""

    def __init__(self, content_type: str) -> None:
        self.content_type = content_type

    def begin(self) -> bytes:
        """What comes before the first chunk."""
        return b""

    def chunk(self, chunk: EncodedChunk) -> bytes:
        """The next chunk of the audio; may be empty."""
        return chunk.audio

    def end(self, speech: AudioStream) -> bytes:
        """What follows the last chunk."""
        return b""

    def error(self, reply: ErrorReply) -> bytes:
        """What follows the chunks that were sent when no more will come; empty if nothing can."""
        return b""  # the missing end of the body tells it


def open_delivery(body: SpeechBody, speech: AudioStream) -> Delivery:
    """The way of delivery that a client asks for."""
    match body.stream_format:
        case "sse":
            return OpenAIEvents(len(body.request.text))
        case "dlpo":
            return DlpoEvents(speech)
        case _:
            return Delivery(media_type(speech.format.encoding))


class OpenAIEvents(Delivery):
    """Server-sent events as OpenAI documents them for `stream_format: "sse"`."""

    def __init__(self, characters: int) -> None:
        """`characters` of the text: this server counts them in the place of tokens."""
        super().__init__("text/event-stream")
        self._characters = characters

    def chunk(self, chunk: EncodedChunk) -> bytes:
        if not chunk.audio:
            return b""
        return _event({"type": "speech.audio.delta", "audio": b64encode(chunk.audio).decode()})

    def end(self, speech: AudioStream) -> bytes:
        usage = {
            "input_tokens": self._characters,
            "output_tokens": speech.samples,
            "total_tokens": self._characters + speech.samples,
        }
        return _event({"type": "speech.audio.done", "usage": usage})

    def error(self, reply: ErrorReply) -> bytes:
        return _event({"type": "error", **reply.json()})


class DlpoEvents(Delivery):
    """Our own events, one JSON object a line: speech.info, speech.audio with words, speech.done."""

    def __init__(self, speech: AudioStream) -> None:
        super().__init__("application/x-ndjson")
        self._speech = speech
        self._rate = speech.format.sample_rate_hz

    def begin(self) -> bytes:
        speech = self._speech
        return _line(
            {
                "type": "speech.info",
                "voice": speech.manifest.voice,
                "encoding": speech.format.encoding,
                "sample_rate": speech.format.sample_rate_hz,
                "steps": speech.steps,
                "seed": speech.seed,
                "processed_text": speech.processed_text,
                "dropped_characters": speech.dropped_characters,
            }
        )

    def chunk(self, chunk: EncodedChunk) -> bytes:
        marks = [{"name": mark.name, "at_s": self._seconds(mark.sample)} for mark in chunk.marks]
        return _line(
            {
                "type": "speech.audio",
                "audio": b64encode(chunk.audio).decode(),
                "sample_offset": chunk.sample_offset,
                "sentence": chunk.sentence,
                "words": [self._word(word) for word in chunk.words],
                "marks": marks,
            }
        )

    def end(self, speech: AudioStream) -> bytes:
        done = {"type": "speech.done", "samples": speech.samples, "audio_s": speech.audio_s}
        return _line(done)

    def error(self, reply: ErrorReply) -> bytes:
        return _line({"type": "error", **reply.json()})

    def _word(self, word: WordTiming) -> dict[str, Any]:
        return {
            "word": word.word,
            "start_s": self._seconds(word.start),
            "stop_s": self._seconds(word.stop),
            "start_character": word.text_start,
            "stop_character": word.text_end,
            "phonemes": [
                {
                    "phoneme": phoneme.phoneme,
                    "start_s": self._seconds(phoneme.start),
                    "stop_s": self._seconds(phoneme.stop),
                }
                for phoneme in word.phonemes
            ],
        }

    def _seconds(self, samples: int) -> float:
        return round(samples / self._rate, 6)


def _event(value: dict[str, Any]) -> bytes:
    return b"data: %s\n\n" % json.dumps(value).encode()


def _line(value: dict[str, Any]) -> bytes:
    return b"%s\n" % json.dumps(value).encode()


LAST_WORDS_S = 1.0  # for what is said about an error before the connection is cut

OPENAI_VOICES = frozenset((
    "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage",
    "shimmer", "verse",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What a client may cost beside the work that it asks for."""

    body_bytes: int = 1 << 18
    """of a request; the longest text takes half of it even where all of it is escaped"""
    body_s: float = 10.0
    """seconds that a client has to send it"""
    stall_s: float = 30.0
    """seconds that a client may leave a reply unread"""


@dataclass(frozen=True, slots=True)
class SpeechReply:
    """A reply whose status has been sent."""

    request: web.Request
    response: web.StreamResponse
    delivery: Delivery
    stall_s: float

    async def write(self, data: bytes, last: bool = False) -> None:
        """Send the next bytes, and the end of the body where they are the last.

        Raises:
            StalledError: the client does not read.
        """
        try:
            async with asyncio.timeout(self.stall_s):
                await self.response.write(data)
                if last:
                    await self.response.write_eof()
        except TimeoutError as error:
            message = f"no audio was taken for {self.stall_s:g} s; read the reply as it comes"
            raise StalledError(message) from error

    async def cut(self, error: ErrorReply) -> None:
        """End the connection without the body's end, so that no client takes it for all."""
        transport = self.request.transport
        if transport is None or transport.is_closing():
            return
        try:
            async with asyncio.timeout(LAST_WORDS_S):
                await self.response.write(self.delivery.error(error))
            transport.close()
        except (TimeoutError, ConnectionResetError):
            transport.abort()


BEGUN = web.RequestKey("begun", SpeechReply)  # in a request whose reply has begun


def speech_routes(service: SynthesisService, limits: HttpLimits) -> list[web.RouteDef]:
    """The route of the speech."""

    async def speech(request: web.Request) -> web.StreamResponse:
        body = parse_speech_body(await _content(request, limits))
        voice = _voice_named(body.voice, service)
        call = SynthesisCall(
            body.request, voice, body.encoding, body.sample_rate_hz, body.timeout_s
        )
        async with _deadline(body.timeout_s), service.synthesize(call) as speech:
            reply = await _send(request, body, speech, limits.stall_s)
        await reply.write(reply.delivery.end(speech), last=True)  # the place is free already
        return reply.response

    return [web.post("/v1/audio/speech", speech)]


def _voice_named(name: str, service: SynthesisService) -> str:
    """OpenAI's own voices are not here: their names mean the default one, as clients send them."""
    ours = {manifest.voice for manifest in service.voices}
    return "" if name in OPENAI_VOICES and name not in ours else name


async def _content(request: web.Request, limits: HttpLimits) -> bytes:
    if request.content_type != "application/json":  # which pages of other origins can't send
        raise BodyError(f"Content-Type is {request.content_type}; expected application/json", 415)
    try:
        async with asyncio.timeout(limits.body_s):
            return await request.read()
    except TimeoutError as error:
        message = f"the body did not come within {limits.body_s:g} s; send it at once"
        raise BodyError(message, 408) from error


@asynccontextmanager
async def _deadline(timeout_s: float | None) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(timeout_s) as timeout:
            yield
    except TimeoutError as error:
        if not timeout.expired():
            raise
        raise DeadlineError(f"the reply was not complete after timeout_s, {timeout_s:g}") from error


async def _send(
    request: web.Request, body: SpeechBody, speech: AudioStream, stall_s: float
) -> SpeechReply:
    delivery = open_delivery(body, speech)
    held = delivery.begin()
    reply = None
    async for chunk in speech:
        held += delivery.chunk(chunk)
        if reply is None and chunk.audio:
            reply = await _begin(request, delivery, speech, stall_s)
        if reply and held:
            await reply.write(held)
            held = b""
    return reply or await _begin(request, delivery, speech, stall_s)


async def _begin(
    request: web.Request, delivery: Delivery, speech: AudioStream, stall_s: float
) -> SpeechReply:
    response = web.StreamResponse(
        headers={
            "Content-Type": delivery.content_type,
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",  # nginx would wait for the end
            "X-Voice": speech.manifest.voice,
            "X-Sample-Rate": str(speech.format.sample_rate_hz),
        }
    )
    await response.prepare(request)
    request[BEGUN] = reply = SpeechReply(request, response, delivery, stall_s)
    return reply
