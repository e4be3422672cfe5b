"""Speech as the reply to an HTTP request, for every API.

The reply starts with the first audio, so errors before it have a status. After it, an error can
only cut the reply short; deliveries that can report its cause do so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from dlpo_serving.audio_stream import AudioStream
from dlpo_serving.encodings.formats import Encoding
from dlpo_serving.errors import DeadlineError, RequestError
from dlpo_serving.operations.call_scope import current_call
from dlpo_serving.protocols.http.replies import OpenDelivery, audio_alone, send_audio
from dlpo_serving.protocols.http.requests import (
    HttpLimits,
    first_audio_ms,
    read_body,
    read_call,
)
from dlpo_serving.protocols.http.speech_body import ENCODINGS, SpeechBody
from dlpo_serving.protocols.http.turns import ParsingTurns
from dlpo_serving.service import SynthesisService

# Characters of a text that is sent whole, so that its header has the length. WAV of more than 12 s
# is played as it comes; FLAC is for files, and some readers fail without a length.
WHOLE_UP_TO = {Encoding.WAV: 200, Encoding.FLAC: 4_000}


@dataclass(frozen=True, slots=True)
class SpeechAnswers:
    """Answers requests with speech, in whatever form their API has."""

    service: SynthesisService
    limits: HttpLimits
    turns: ParsingTurns

    async def body_of(self, request: web.Request, most_bytes: int | None = None) -> dict[str, Any]:
        """The JSON object that a request has as its body, of `most_bytes` if others are too few.

        Raises:
            BodyError: it is none, or comes too slowly.
            QuotaError: the caller may not speak now, whatever it has.
        """
        self.service.check_quota()
        if most_bytes:
            request = request.clone(client_max_size=most_bytes)
        content = await read_body(request, self.limits)
        current_call().body_bytes = len(content)
        return await self.turns.parsed(content)

    async def answer(
        self,
        request: web.Request,
        body: SpeechBody,
        open: OpenDelivery,
        whole: bool = False,
        live: bool = False,
    ) -> web.StreamResponse:
        """Speak, sending as it is made, or when it is complete if `whole`; so is a short file.

        Args:
            live: the API's clients listen while it is made, whatever the body says.
        """
        file = whole or not (live or body.is_live)
        whole = whole or (open is audio_alone and _is_short_file(body))
        first_ms, voices = first_audio_ms(request), self.service.voices
        call, warnings = read_call(
            body, voices, self.limits, first_ms, streamed=not whole, file=file
        )
        async with (
            _deadline(body.timeout_s),
            _with_known_formats(self.service.synthesize(call)) as speech,
        ):
            delivery = open(body, speech)
            reply = await send_audio(request, delivery, self.limits, warnings, whole)
        await reply.write(reply.delivery.end(speech), last=True)  # the slot is already free
        return reply.response


def _is_short_file(body: SpeechBody) -> bool:
    """Whether a reply is sent when complete, so that its header has the length."""
    return not body.stream and len(body.request.text) <= WHOLE_UP_TO.get(body.encoding, 0)


@asynccontextmanager
async def _with_known_formats(
    synthesis: AbstractAsyncContextManager[AudioStream],
) -> AsyncIterator[AudioStream]:
    """Add the available formats to the error for an unavailable one."""
    try:
        async with synthesis as speech:
            yield speech
    except RequestError as error:
        (first, *others) = error.violations
        if first.field != "encoding":
            raise
        offered = ", ".join(name for name, one in ENCODINGS.items() if one is not Encoding.AAC)
        message = f"{first.message}; this server has {offered}"
        raise RequestError(replace(first, message=message), *others) from error


@asynccontextmanager
async def _deadline(timeout_s: float | None) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(timeout_s) as timeout:
            yield
    except TimeoutError as error:
        if not timeout.expired():
            raise
        raise DeadlineError(f"the reply was not complete within timeout_s={timeout_s:g}") from error
