"""Texts of one WebSocket connection that are spoken one after another, each written in pieces."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from dlpo_serving.errors import FieldViolation, RequestError
from dlpo_serving.further_text import TextPieces
from dlpo_serving.protocols.http.dialects import Dialect
from dlpo_serving.protocols.http.socket_inbox import counted
from dlpo_serving.protocols.http.socket_reply import SocketReply
from dlpo_serving.protocols.http.speech_body import SpeechBody
from dlpo_serving.protocols.http.speech_socket import (
    MAX_KEEP_ALIVES,
    SpeechSockets,
    tasks_of_connection,
)

MOST_WAITING = 20  # texts that are not spoken yet
MOST_TEXTS = 4  # of full length that they may have together


class SuccessiveTexts:
    """The texts of a connection; the next one begins when the last has been spoken.

    Args:
        method: of the calls, for log and metrics.
        end: what tells a client that a text was spoken, for errors.
    """

    def __init__(
        self,
        sockets: SpeechSockets,
        reply: SocketReply,
        body: SpeechBody,
        tasks: asyncio.TaskGroup,
        method: str,
        end: str,
    ) -> None:
        self.body = body
        """how texts that begin from now on are spoken; their own text is empty"""
        self.reply = reply
        """the connection"""
        self.inbox = reply.inbox
        self._sockets = sockets
        self._tasks = tasks
        self._method = method
        self._end = end
        self._waiting: deque[tuple[SpeechBody, TextPieces]] = deque()
        self._open: TextPieces | None = None  # the text that is being written
        self._speaking: asyncio.Task[None] | None = None
        self._without_text = 0  # messages in a row

    def count(self) -> None:
        """Bound the replies to messages that say nothing."""
        self._without_text = counted(self._without_text, MAX_KEEP_ALIVES, "messages without text")

    @property
    def left(self) -> int:
        """How many texts wait for the one that is being spoken."""
        return len(self._waiting)

    @property
    def is_open(self) -> bool:
        """Whether a text is being written."""
        return self._open is not None

    def is_speaking(self) -> bool:
        """Whether a text is being spoken, or waits for the rest of its words."""
        return self._speaking is not None and not self._speaking.done()

    def write(self, text: str) -> None:
        """Append to the open text, which begins with it if there is none.

        Raises:
            RequestError: too many texts wait, or too much text.
        """
        self._without_text = 0
        service = self._sockets.service
        waiting = sum(pieces.characters for _, pieces in self._waiting)
        if waiting >= (most := MOST_TEXTS * service.max_characters):
            what = (
                f"is more text after the {most} characters that may wait; send it after {self._end}"
            )
            raise RequestError(FieldViolation("text", what))
        if self._open is None:
            if len(self._waiting) >= MOST_WAITING:
                what = (
                    f"is one more than the {MOST_WAITING} that may wait; send it after {self._end}"
                )
                raise RequestError(FieldViolation("text", what))
            self._open = service.pieces()
            self._waiting.append((self.body, self._open))
            if not self.is_speaking():
                self._speaking = self._tasks.create_task(self._speak())
        self._open.put(text)

    def end(self) -> None:
        """No more text comes before the next one."""
        if self._open:
            self._open.put(None)
        self._open = None

    async def finish(self) -> None:
        """End the open text, and wait until all are spoken."""
        self.end()
        if self._speaking:
            await asyncio.wait({self._speaking})

    async def clear(self) -> None:
        """Drop what has not been sent yet."""
        self.end()
        self._waiting.clear()
        if self._speaking:
            self._speaking.cancel()
            await asyncio.wait({self._speaking})

    async def _speak(self) -> None:
        while self._waiting:
            body, pieces = self._waiting.popleft()
            await self._sockets.utter(self._method, self.reply.another(), body, pieces)


@asynccontextmanager
async def successive_texts(
    sockets: SpeechSockets,
    request: web.Request,
    dialect: Dialect,
    body: SpeechBody,
    method: str,
    end: str,
) -> AsyncIterator[SuccessiveTexts]:
    """The texts of a new connection, which ends with the block; see `SuccessiveTexts`.

    Raises:
        CallRejectedError, RequestError: what `body` asks for is refused.
    """
    sockets.check(body)
    reply = await sockets.open(request, dialect)
    async with tasks_of_connection() as tasks:
        yield SuccessiveTexts(sockets, reply, body, tasks, method, end)
    await reply.response.close()
