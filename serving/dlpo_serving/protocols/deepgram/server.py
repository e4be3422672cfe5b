"""The routes of Deepgram's API.

On the WebSocket, the text of `Speak` messages up to a `Flush` is one call. `Flushed` follows its
audio; the next call begins when it has been spoken. `Clear` drops what was not sent yet.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial

from aiohttp import web

from dlpo_serving.errors import FieldViolation, RequestError
from dlpo_serving.protocols.deepgram.replies import DeepgramDialect
from dlpo_serving.protocols.deepgram.requests import read_query
from dlpo_serving.protocols.http.dialects import text_of
from dlpo_serving.protocols.http.replies import audio_alone
from dlpo_serving.protocols.http.requests import read_body
from dlpo_serving.protocols.http.speech_body import SpeechBody, json_object
from dlpo_serving.protocols.http.speech_route import SpeechAnswers, is_short_file
from dlpo_serving.protocols.http.speech_socket import (
    IDLE_S,
    MAX_KEEP_ALIVES,
    Inbox,
    SocketReply,
    SpeechSockets,
    counted,
    tasks_of_connection,
)
from dlpo_serving.service import TextPieces

MOST_WAITING = 20  # texts between two flushes that are not spoken yet


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
    reply = await sockets.open(request, dialect)
    await reply.send(dialect.metadata())
    async with tasks_of_connection() as tasks:
        conversation = DeepgramConversation(sockets, reply, dialect, body, tasks)
        await conversation.read(Inbox(reply.response))
    await reply.response.close()
    return reply.response


class DeepgramConversation:
    """The texts of one connection, spoken one after another."""

    def __init__(
        self,
        sockets: SpeechSockets,
        reply: SocketReply,
        dialect: DeepgramDialect,
        body: SpeechBody,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._sockets = sockets
        self._reply = reply
        self._dialect = dialect
        self._body = body
        self._tasks = tasks
        self._waiting: deque[TextPieces] = deque()
        self._open: TextPieces | None = None  # the text that is being written
        self._speaking: asyncio.Task[None] | None = None
        self._without_text = 0  # messages in a row

    async def read(self, inbox: Inbox) -> None:
        """Follow the client's messages to `Close`, and speak what is still open."""
        while True:
            message = await inbox.next(IDLE_S, self._is_speaking)
            match message:
                case {"type": "Speak"}:
                    self._write(text_of("text", message.get("text")))
                case {"type": "Flush"} if self._is_speaking():
                    self._end()
                case {"type": "Flush"}:
                    self._count()
                    await self._reply.send(self._dialect.ended("Flushed"))
                case {"type": "Clear"}:
                    self._count()
                    await self._clear()
                case {"type": "Close"}:
                    self._end()
                    if self._speaking:
                        await asyncio.wait({self._speaking})
                    return
                case _:
                    what = "is unknown; expected Speak, Flush, Clear or Close"
                    raise RequestError(FieldViolation("type", what))

    def _count(self) -> None:
        """Bound the replies to messages that say nothing."""
        self._without_text = counted(self._without_text, MAX_KEEP_ALIVES, "messages without text")

    def _is_speaking(self) -> bool:
        return self._speaking is not None and not self._speaking.done()

    def _write(self, text: str) -> None:
        self._without_text = 0
        if self._open is None:
            if len(self._waiting) >= MOST_WAITING:
                what = f"is one more than the {MOST_WAITING} that may wait; send it after a Flushed"
                raise RequestError(FieldViolation("text", what))
            self._open = TextPieces(self._sockets.limits.body_bytes)
            self._waiting.append(self._open)
            if not self._is_speaking():
                self._speaking = self._tasks.create_task(self._speak())
        self._open.put(text)

    def _end(self) -> None:
        """No more text comes before the next one."""
        if self._open:
            self._open.put(None)
        self._open = None

    async def _clear(self) -> None:
        self._end()
        self._waiting.clear()
        if self._speaking:
            self._speaking.cancel()
            await asyncio.wait({self._speaking})
        await self._reply.send(self._dialect.ended("Cleared"))

    async def _speak(self) -> None:
        while self._waiting:
            pieces = self._waiting.popleft()
            await self._sockets.utter("speak", self._reply, self._body, pieces)
