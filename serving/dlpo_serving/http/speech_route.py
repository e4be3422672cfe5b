"""POST /v1/audio/speech: the reply begins with the first sound, so errors before it have a status.

After it, an error can only cut the reply short; deliveries that have a way to name it do so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from dlpo_serving.audio_stream import AudioStream, SpeechInfo, SpeechTotals
from dlpo_serving.call import SynthesisCall
from dlpo_serving.errors import DeadlineError, StalledError
from dlpo_serving.http.deliveries import Delivery, open_delivery
from dlpo_serving.http.speech_body import SpeechBody, parse_speech_body
from dlpo_serving.http.statuses import BodyError, ErrorReply
from dlpo_serving.service import SynthesisService

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
    last_s: float = 30.0
    """seconds that a client has to take the end of a reply; before that, the speaker watches"""


@dataclass(frozen=True, slots=True)
class SpeechReply:
    """A reply whose status has been sent."""

    request: web.Request
    response: web.StreamResponse
    delivery: Delivery
    last_s: float

    async def end(self, totals: SpeechTotals) -> web.StreamResponse:
        """What follows the last piece, and the body's end.

        Raises:
            StalledError: the client does not take it.
        """
        try:
            async with asyncio.timeout(self.last_s):
                await self.response.write(self.delivery.end(totals))
                await self.response.write_eof()
        except TimeoutError as error:
            message = f"the end of the reply was not taken for {self.last_s:g} s"
            raise StalledError(message) from error
        return self.response

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


def speech_routes(speaker: SynthesisService, limits: HttpLimits) -> list[web.RouteDef]:
    """The route of the speech."""

    async def speech(request: web.Request) -> web.StreamResponse:
        body = parse_speech_body(await _content(request, limits))
        voice = _voice_named(body.voice, speaker)
        call = SynthesisCall(
            body.request, voice, body.encoding, body.sample_rate_hz, body.timeout_s
        )
        async with _deadline(body.timeout_s), speaker.synthesize(call) as speech:
            reply = await _send(request, body, speech, limits.last_s)
        assert speech.totals  # all of it was sent
        return await reply.end(speech.totals)  # the place is free already

    return [web.post("/v1/audio/speech", speech)]


def _voice_named(name: str, speaker: SynthesisService) -> str:
    """OpenAI's own voices are not here: their names mean the default one, as clients send them."""
    ours = {manifest.voice for manifest in speaker.voices}
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
    request: web.Request, body: SpeechBody, speech: AudioStream, last_s: float
) -> SpeechReply:
    delivery = open_delivery(body, speech.info)
    held = delivery.begin()
    reply = None
    async for piece in speech:
        held += delivery.piece(piece)
        if reply is None and piece.audio:
            reply = await _begin(request, delivery, speech.info, last_s)
        if reply and held:
            await reply.response.write(held)
            held = b""
    return reply or await _begin(request, delivery, speech.info, last_s)


async def _begin(
    request: web.Request, delivery: Delivery, info: SpeechInfo, last_s: float
) -> SpeechReply:
    response = web.StreamResponse(
        headers={
            "Content-Type": delivery.content_type,
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",  # nginx would wait for the end
            "X-Voice": info.manifest.voice,
            "X-Sample-Rate": str(info.format.sample_rate_hz),
        }
    )
    await response.prepare(request)
    request[BEGUN] = reply = SpeechReply(request, response, delivery, last_s)
    return reply
