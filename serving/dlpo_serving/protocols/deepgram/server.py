"""The routes of Deepgram's API.

On the WebSocket, the text of `Speak` messages up to a `Flush` is one call. `Flushed` follows its
audio; the next call begins when it has been spoken. `Clear` drops what was not sent yet.
"""

from __future__ import annotations

from functools import partial

from aiohttp import web

from dlpo_serving.errors import wrong_value
from dlpo_serving.protocols.deepgram.replies import DeepgramDialect
from dlpo_serving.protocols.deepgram.requests import read_query
from dlpo_serving.protocols.http.dialects import text_of
from dlpo_serving.protocols.http.replies import audio_alone
from dlpo_serving.protocols.http.requests import read_body
from dlpo_serving.protocols.http.speech_body import json_object
from dlpo_serving.protocols.http.speech_route import SpeechAnswers, is_short_file
from dlpo_serving.protocols.http.speech_socket import IDLE_S, SpeechSockets
from dlpo_serving.protocols.http.successive_texts import SuccessiveTexts, successive_texts


def deepgram_routes(answers: SpeechAnswers, sockets: SpeechSockets) -> list[web.RouteDef]:
    """Speech of a whole text, and of a text in pieces."""
    return [
        web.post("/v1/speak", partial(_speak, answers)),
        web.get("/v1/speak", partial(_converse, sockets)),
    ]


async def _speak(answers: SpeechAnswers, request: web.Request) -> web.StreamResponse:
    message = json_object(await read_body(request, answers.limits))
    body = read_query(request, text_of("text", message.get("text")), "mp3")
    return await answers.answer(request, body, audio_alone, is_short_file(body))


async def _converse(sockets: SpeechSockets, request: web.Request) -> web.StreamResponse:
    body, dialect = read_query(request, "", "linear16"), DeepgramDialect(request)
    async with successive_texts(sockets, request, dialect, body, "speak", "a Flushed") as texts:
        await texts.reply.send(dialect.metadata())
        await _read(dialect, texts)
    return texts.reply.response


async def _read(dialect: DeepgramDialect, texts: SuccessiveTexts) -> None:
    """Follow the client's messages to `Close`, and speak what is still open."""
    while True:
        message = await texts.inbox.next(IDLE_S, texts.is_speaking)
        match message:
            case {"type": "Speak"}:
                texts.write(text_of("text", message.get("text")))
            case {"type": "Flush"} if texts.is_speaking():
                texts.end()
            case {"type": "Flush"}:
                texts.count()
                await texts.reply.send(dialect.ended("Flushed"))
            case {"type": "Clear"}:
                texts.count()
                await texts.clear()
                await texts.reply.send(dialect.ended("Cleared"))
            case {"type": "Close"}:
                return await texts.finish()
            case _:
                raise wrong_value("type", message.get("type"), "Speak, Flush, Clear or Close")
