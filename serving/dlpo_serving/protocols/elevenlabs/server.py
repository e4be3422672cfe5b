"""ElevenLabs' API: speech over HTTP and WebSockets, and the voices."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from xml.sax.saxutils import escape, quoteattr

from aiohttp import web

from dlpo_serving.errors import UnknownVoiceError, wrong_value
from dlpo_serving.protocols.api import KeyPlaces
from dlpo_serving.protocols.elevenlabs.replies import (
    ContextsDialect,
    ElevenLabsDialect,
    TimedEvents,
)
from dlpo_serving.protocols.elevenlabs.requests import NAMES, SpeechQuery, voice_of
from dlpo_serving.protocols.elevenlabs.voices import ACCOUNT, listed, models_listed
from dlpo_serving.protocols.http.api import HttpApi, get, post, socket
from dlpo_serving.protocols.http.dialects import text_of
from dlpo_serving.protocols.http.replies import OpenDelivery, audio_alone
from dlpo_serving.protocols.http.speech_answers import SpeechAnswers
from dlpo_serving.protocols.http.speech_socket import SpeechSockets

SPEECH = "/v1/text-to-speech/{voice}"


async def _speak(
    answers: SpeechAnswers,
    request: web.Request,
    open: OpenDelivery = audio_alone,
    **kind: bool,
) -> web.StreamResponse:
    query = SpeechQuery(request)
    message = await answers.body_of(request)
    text = text_of("text", message.get("text"))
    body = query.body(message, text)
    return await answers.answer(request, body, open, **kind)


async def _dialogue(
    answers: SpeechAnswers, request: web.Request, open: OpenDelivery = audio_alone
) -> web.StreamResponse:
    """Passages of several voices, as one document."""
    message = await answers.body_of(request)
    inputs = message.get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(one, dict) for one in inputs):
        raise wrong_value("inputs", inputs, "a list of objects with text and voice_id")
    passages = [
        f"<voice name={quoteattr(voice_of(str(one.get('voice_id', ''))))}>"
        f"{escape(text_of('text', one.get('text')))}</voice>"
        for one in inputs
    ]
    given = {name: value for name, value in message.items() if name not in ("inputs", "settings")}
    body = SpeechQuery(request).body(given, f"<speak>{''.join(passages)}</speak>")
    return await answers.answer(request, body, open)


async def _constant(
    answers: SpeechAnswers, request: web.Request, reply: Mapping[str, object]
) -> web.Response:
    """What a client asks about its account, for which nothing here depends on the caller."""
    return web.json_response(reply)


async def _converse(sockets: SpeechSockets, request: web.Request) -> web.StreamResponse:
    return await sockets.converse(ElevenLabsDialect, request)


async def _contexts(sockets: SpeechSockets, request: web.Request) -> web.StreamResponse:
    return await sockets.contexts(ContextsDialect, request)


async def _voices(answers: SpeechAnswers, request: web.Request) -> web.Response:
    """All voices on one page; `search` looks for a part of a name."""
    sought = request.query.get("search", "").lower()
    found = listed(one for one in answers.service.loaded_voices() if sought in one.voice.lower())
    page = {"voices": found, "has_more": False, "total_count": len(found), "next_page_token": None}
    return web.json_response(page)


async def _voice(answers: SpeechAnswers, request: web.Request) -> web.Response:
    name, voices = request.match_info["voice"], answers.service.voices
    for one in listed(manifest for manifest in voices if manifest.voice == name):
        return web.json_response(one)
    raise UnknownVoiceError(name, [manifest.voice for manifest in voices])


API = HttpApi(
    name="ElevenLabs",
    page="http.md#elevenlabs",
    uses="code written for it; LiveKit, Pipecat",
    live="WebSockets, `/stream`, samples",
    pieces="yes, five contexts",
    interruption="new context",
    times="characters of your text",
    keys=KeyPlaces(headers=("xi-api-key",)),
    names=NAMES,
    lists=lambda voices: {"voices": listed(voices)},
    models=models_listed,
    routes=[
        post(SPEECH, _speak, "ElevenLabs' API: a text in, audio out"),
        post(f"{SPEECH}/stream", partial(_speak, live=True), "The same, streamed"),
        post(
            f"{SPEECH}/stream/with-timestamps",
            partial(_speak, open=partial(TimedEvents, in_one=False), live=True),
            "The same, streamed, with times of characters",
        ),
        post(
            f"{SPEECH}/with-timestamps",
            partial(_speak, open=partial(TimedEvents, in_one=True), whole=True),
            "The same with times of characters",
        ),
        socket(f"{SPEECH}/stream-input", _converse, "Text in pieces, in ElevenLabs' messages"),
        socket(f"{SPEECH}/multi-stream-input", _contexts, "Several texts over one connection"),
        get("/v2/voices", _voices, "ElevenLabs' API: the voices"),
        get("/v1/voices/{voice}", _voice, "One voice"),
        post("/v1/text-to-dialogue", _dialogue, "Passages of several voices"),
        post("/v1/text-to-dialogue/stream", _dialogue, "The same, streamed"),
        *(
            get(path, partial(_constant, reply=reply), summary)
            for path, (summary, reply) in ACCOUNT.items()
        ),
    ],
)
