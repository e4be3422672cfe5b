"""The routes of jambonz's custom speech vendor; the key of its portal goes there, too.

On the WebSocket, the text of `stream` messages up to a `flush` is one call, spoken while it is
written; the connection lasts until `stop`, or 300 s of silence.

Reference: https://docs.jambonz.org/guides/features/custom-tts-providers
"""

from __future__ import annotations

from functools import partial

from aiohttp import web

from dlpo_serving.errors import wrong_value
from dlpo_serving.protocols.http.dialects import text_of
from dlpo_serving.protocols.http.replies import audio_alone
from dlpo_serving.protocols.http.requests import read_body
from dlpo_serving.protocols.http.speech_body import json_object
from dlpo_serving.protocols.http.speech_route import SpeechAnswers
from dlpo_serving.protocols.http.speech_socket import IDLE_S, SpeechSockets
from dlpo_serving.protocols.http.successive_texts import SuccessiveTexts, successive_texts
from dlpo_serving.protocols.jambonz.replies import JambonzDialect
from dlpo_serving.protocols.jambonz.requests import read_message, read_query


def jambonz_routes(answers: SpeechAnswers, sockets: SpeechSockets) -> list[web.RouteDef]:
    """Speech of a whole text, and of a text in pieces."""
    return [
        web.post("/v1/jambonz", partial(_speak, answers)),
        web.get("/v1/jambonz", partial(_converse, sockets)),
    ]


async def _speak(answers: SpeechAnswers, request: web.Request) -> web.StreamResponse:
    body = read_message(json_object(await read_body(request, answers.limits)))
    return await answers.answer(request, body, audio_alone)


async def _converse(sockets: SpeechSockets, request: web.Request) -> web.StreamResponse:
    body, dialect = read_query(request.query), JambonzDialect()
    end = "its last audio"
    async with successive_texts(sockets, request, dialect, body, "jambonz", end) as texts:
        await texts.reply.send(dialect.connected(body))
        await _read(texts)
    return texts.reply.response


async def _read(texts: SuccessiveTexts) -> None:
    """Follow the client's messages to `stop`, which drops what was not sent yet."""
    while True:
        message = await texts.inbox.next(IDLE_S, texts.is_speaking)
        match message:
            case {"type": "stream", "text": str(text)} if not (text.strip() or texts.is_open):
                texts.count()
            case {"type": "stream"}:
                # jambonz cuts between words, and the blank may be lost.
                texts.write(text_of("text", message.get("text")) + " ")
            case {"type": "flush"}:
                texts.count()
                texts.end()
            case {"type": "clear"}:
                texts.count()
                await texts.clear()
            case {"type": "keepalive"}:
                texts.count()
            case {"type": "stop"}:
                return await texts.clear()
            case _:
                known = "stream, flush, clear, keepalive or stop"
                raise wrong_value("type", message.get("type"), known)
