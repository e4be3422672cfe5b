"""The routes of ElevenLabs' API."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from dlpo_serving.errors import UnknownVoiceError
from dlpo_serving.protocols.elevenlabs.replies import (
    ContextsDialect,
    ElevenLabsDialect,
    TimedEvents,
    TimedObject,
)
from dlpo_serving.protocols.elevenlabs.requests import SpeechQuery
from dlpo_serving.protocols.elevenlabs.voices import listed
from dlpo_serving.protocols.http.dialects import text_of
from dlpo_serving.protocols.http.replies import OpenDelivery, audio_alone
from dlpo_serving.protocols.http.requests import read_body
from dlpo_serving.protocols.http.speech_body import json_object
from dlpo_serving.protocols.http.speech_route import SpeechAnswers, is_short_file
from dlpo_serving.protocols.http.speech_socket import SpeechSockets
from dlpo_serving.service import SynthesisService


def elevenlabs_routes(answers: SpeechAnswers, sockets: SpeechSockets) -> list[web.RouteDef]:
    """Speech over HTTP and WebSockets, and the voices."""
    speech = "/v1/text-to-speech/{voice}"
    routes: dict[str, tuple[OpenDelivery, bool]] = {  # and whether the reply is sent when complete
        speech: (audio_alone, False),
        f"{speech}/stream": (audio_alone, False),
        f"{speech}/stream/with-timestamps": (TimedEvents, False),
        f"{speech}/with-timestamps": (TimedObject, True),
    }
    return [
        *(web.post(path, partial(_speak, answers, *how)) for path, how in routes.items()),
        web.get(f"{speech}/stream-input", partial(sockets.converse, ElevenLabsDialect)),
        web.get(f"{speech}/multi-stream-input", partial(sockets.contexts, ContextsDialect)),
        web.get("/v2/voices", partial(_voices, answers.service)),
        web.get("/v1/voices/{voice}", partial(_voice, answers.service)),
    ]


async def _speak(
    answers: SpeechAnswers, open: OpenDelivery, whole: bool, request: web.Request
) -> web.StreamResponse:
    query = SpeechQuery(request)
    message = json_object(await read_body(request, answers.limits))
    text = text_of("text", message.get("text"))
    body = query.body(message, text)
    return await answers.answer(request, body, open, whole or is_short_file(body))


async def _voices(service: SynthesisService, request: web.Request) -> web.Response:
    """All voices on one page; `search` looks for a part of a name."""
    sought = request.query.get("search", "").lower()
    found = listed(one for one in service.loaded_voices() if sought in one.voice.lower())
    page = {"voices": found, "has_more": False, "total_count": len(found), "next_page_token": None}
    return web.json_response(page)


async def _voice(service: SynthesisService, request: web.Request) -> web.Response:
    name = request.match_info["voice"]
    for one in listed(manifest for manifest in service.voices if manifest.voice == name):
        return web.json_response(one)
    raise UnknownVoiceError(name, [manifest.voice for manifest in service.voices])
