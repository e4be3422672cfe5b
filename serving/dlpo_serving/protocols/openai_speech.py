"""OpenAI's speech route with our own fields, and our own WebSocket for text in pieces."""

from __future__ import annotations

from aiohttp import web

from dlpo_serving.protocols.api import KeyPlaces
from dlpo_serving.protocols.http.api import HttpApi, post, socket
from dlpo_serving.protocols.http.dialects import Dialect
from dlpo_serving.protocols.http.replies import delivery_of
from dlpo_serving.protocols.http.speech_answers import SpeechAnswers
from dlpo_serving.protocols.http.speech_body import read_speech_fields
from dlpo_serving.protocols.http.speech_socket import SpeechSockets
from dlpo_serving.protocols.http.statuses import OWN


async def _speak(answers: SpeechAnswers, request: web.Request) -> web.StreamResponse:
    body = read_speech_fields(await answers.body_of(request), answers.limits.strict)
    return await answers.answer(request, body, delivery_of(body))


async def _converse(sockets: SpeechSockets, request: web.Request) -> web.StreamResponse:
    return await sockets.converse(lambda _: Dialect(sockets.limits.strict), request)


SOCKET_API = HttpApi(
    name="WebSocket",
    page="http.md#text-in-pieces-a-websocket",
    uses="agents and browsers without gRPC",
    pieces="yes",
    interruption="`cancel`, answered by what was heard",
    times="words, phonemes, marks; your characters",
    keys=KeyPlaces(subprotocol="openai-insecure-api-key."),  # for browsers, which can't set headers
    names=OWN,
    routes=[
        socket(
            "/v1/audio/speech/stream",
            _converse,
            "Text in pieces in, audio and times of words out",
        )
    ],
)
SPEECH_API = HttpApi(
    name="OpenAI's speech route",
    page="http.md#the-request",
    uses="whole texts, files, captions; the widest choice of clients",
    live="with `stream`, events or samples (`pcm`, `mulaw`, `alaw`)",
    times='with `stream_format: "dlpo"`, and as captions',
    routes=[
        post("/v1/audio/speech", _speak, "Speak a text; the reply starts with the first audio")
    ],
)
