"""The routes of Cartesia's API."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from dlpo_serving.protocols.cartesia.replies import CartesiaDialect, CartesiaSse
from dlpo_serving.protocols.cartesia.requests import read_message
from dlpo_serving.protocols.cartesia.voices import voice_alone, voices_page
from dlpo_serving.protocols.http.dialects import text_of
from dlpo_serving.protocols.http.replies import audio_alone
from dlpo_serving.protocols.http.requests import read_body
from dlpo_serving.protocols.http.speech_body import json_object
from dlpo_serving.protocols.http.speech_route import SpeechAnswers, is_short_file
from dlpo_serving.protocols.http.speech_socket import SpeechSockets


def cartesia_routes(answers: SpeechAnswers, sockets: SpeechSockets) -> list[web.RouteDef]:
    """Speech as bytes, as events, and on a WebSocket; the voices."""
    return [
        web.post("/tts/bytes", partial(_speak, answers, False)),
        web.post("/tts/sse", partial(_speak, answers, True)),
        web.get("/tts/websocket", partial(sockets.contexts, CartesiaDialect)),
        web.get("/voices", partial(voices_page, answers.service)),
        web.get("/voices/{voice}", partial(voice_alone, answers.service)),
    ]


async def _speak(
    answers: SpeechAnswers, as_events: bool, request: web.Request
) -> web.StreamResponse:
    message = json_object(await read_body(request, answers.limits))
    body = read_message(message, text_of("transcript", message.get("transcript")))
    if as_events:
        return await answers.answer(request, body, partial(CartesiaSse, message))
    return await answers.answer(request, body, audio_alone, is_short_file(body))
