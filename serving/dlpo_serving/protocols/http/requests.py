"""HTTP requests -> calls; `speech_body` reads the fields."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from aiohttp import web

from dlpo.bundle import Manifest
from dlpo_serving.errors import wrong_value
from dlpo_serving.protocols.http.speech_body import SpeechBody, named
from dlpo_serving.protocols.http.statuses import BodyError
from dlpo_serving.request import SynthesisCall
from dlpo_serving.voices.names import voice_named


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What a client may consume besides synthesis, and how its mistakes are handled."""

    body_bytes: int = 1 << 18
    """of a request; even fully escaped, the longest text takes half of it"""
    body_s: float = 10.0
    """seconds a client has to send it"""
    stall_s: float = 30.0
    """seconds a client may leave a reply unread"""
    strict: bool = False
    """reject unknown fields and out-of-range speeds instead of warning about them"""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """name that clients use -> voice; takes precedence over the built-in rules"""
    origins: tuple[str, ...] = ()
    """of web pages that may read replies (CORS); * for all"""
    mark_key: bytes = b""
    """the operator's own key, if speech is marked by one"""
    hosts: frozenset[str] | None = None
    """names by which the server may be addressed, beside private ones; None for all"""


async def read_body(request: web.Request, limits: HttpLimits) -> bytes:
    """The bytes of a JSON body.

    Raises:
        BodyError: it is not JSON by its type, or comes too slowly.
    """
    if request.content_type != "application/json":  # which cross-origin pages can't send
        expected = "application/json; with curl: -H 'Content-Type: application/json'"
        raise BodyError(f"Content-Type is {request.content_type}; expected {expected}", 415)
    return await received(request, limits.body_s)


async def received(request: web.Request, body_s: float) -> bytes:
    """The bytes of a body; raises BodyError if it comes too slowly."""
    try:
        async with asyncio.timeout(body_s):
            return await request.read()
    except TimeoutError as error:
        message = f"the body did not arrive within {body_s:g} s; send it immediately"
        raise BodyError(message, 408) from error


def first_audio_ms(request: web.Request) -> float | None:
    """`SynthesisCall.first_audio_ms` from the query, which every API has.

    Raises:
        RequestError: it is no number.
    """
    given = request.query.get("first_audio_ms")
    try:
        return None if given is None else float(given)
    except ValueError:
        raise wrong_value("first_audio_ms", given, "milliseconds") from None


def read_call(
    body: SpeechBody,
    voices: Sequence[Manifest],
    limits: HttpLimits,
    first_audio_ms: float | None = None,
    **kind: bool,
) -> tuple[SynthesisCall, list[str]]:
    """The call that a client asks for, and warnings about anything changed or ignored.

    Args:
        first_audio_ms: unless the body names one.
        kind: `streamed` and `file` of `SynthesisCall`.
    """
    voice = voice_named(body.voice, [one.voice for one in voices], limits.aliases)
    spoken, warnings = body.request, []
    if body.ignored:
        warnings.append(f"unknown fields were ignored: {named(body.ignored)}")
    if body.has_instructions:
        warnings.append("instructions were ignored: the voices have no adjustable style")
    speed = spoken.speed if limits.strict else _within_reach(spoken.speed, voice, voices)
    if speed != spoken.speed:
        spoken = replace(spoken, speed=speed)
        warnings.append(f"speed is {speed:g}, the nearest that the voice supports")
    first = first_audio_ms if body.first_audio_ms is None else body.first_audio_ms
    timeout_s, rate_hz = body.timeout_s, body.sample_rate_hz
    call = SynthesisCall(
        spoken, voice, body.encoding, rate_hz, timeout_s, first_audio_ms=first, **kind
    )
    return call, warnings


def _within_reach(speed: float, voice: str, manifests: Sequence[Manifest]) -> float:
    """Clamp a speed to the voice's range, which may be narrower than that of OpenAI's API."""
    for manifest in manifests:
        if voice in ("", manifest.voice) or manifest.mixes(voice):
            slowest, fastest = manifest.prosody.speed
            return min(max(speed, slowest), fastest)
    return speed
