"""Cartesia's API: speech as bytes, as events, and on a WebSocket; the voices."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from dlpo_serving.protocols.api import KeyPlaces
from dlpo_serving.protocols.cartesia.replies import CartesiaDialect, CartesiaSse
from dlpo_serving.protocols.cartesia.requests import NAMES, read_message
from dlpo_serving.protocols.cartesia.voices import voice_alone, voices_page
from dlpo_serving.protocols.http.api import HttpApi, get, post, socket
from dlpo_serving.protocols.http.dialects import text_of
from dlpo_serving.protocols.http.replies import audio_alone
from dlpo_serving.protocols.http.speech_answers import SpeechAnswers
from dlpo_serving.protocols.http.speech_socket import SpeechSockets


async def _speak(
    answers: SpeechAnswers, request: web.Request, as_events: bool = False
) -> web.StreamResponse:
    message = await answers.body_of(request)
    body = read_message(message, text_of("transcript", message.get("transcript")))
    open = partial(CartesiaSse, message) if as_events else audio_alone
    return await answers.answer(request, body, open, live=as_events)


async def _contexts(sockets: SpeechSockets, request: web.Request) -> web.StreamResponse:
    return await sockets.contexts(CartesiaDialect, request)


API = HttpApi(
    name="Cartesia",
    page="http.md#cartesia-deepgram-kokoro-fastapi-jambonz-vapi",
    uses="LiveKit, Pipecat: accurate word times",
    live="WebSocket, events, `raw`",
    pieces="yes, five contexts; `flush_done`",
    interruption="`cancel`",
    times="your words; phonemes",
    keys=KeyPlaces(headers=("X-API-Key",)),
    names=NAMES,
    routes=[
        post("/tts/bytes", _speak, "Cartesia's API: a text in, audio out"),
        post("/tts/sse", partial(_speak, as_events=True), "The same as events"),
        socket("/tts/websocket", _contexts, "The same for text in pieces"),
        get("/voices", voices_page, "Cartesia's API: the voices"),
        get("/voices/{voice}", voice_alone, "One voice"),
    ],
)
