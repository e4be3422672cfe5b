"""The WebSocket of OpenAI's Realtime API."""

from __future__ import annotations

import asyncio

from aiohttp import web

from dlpo_serving.errors import (
    CallRejectedError,
    RequestError,
    ShuttingDownError,
    StalledError,
)
from dlpo_serving.protocols.api import KeyPlaces
from dlpo_serving.protocols.http.api import HttpApi, socket
from dlpo_serving.protocols.http.dialects import Message
from dlpo_serving.protocols.http.socket_inbox import counted
from dlpo_serving.protocols.http.socket_reply import SocketReply
from dlpo_serving.protocols.http.speech_socket import (
    IDLE_S,
    MAX_ERRORS,
    SpeechSockets,
    tasks_of_connection,
)
from dlpo_serving.protocols.http.statuses import BodyError, reply_to
from dlpo_serving.protocols.openai_realtime.replies import RealtimeDialect
from dlpo_serving.protocols.openai_realtime.requests import read_output


async def _realtime(sockets: SpeechSockets, request: web.Request) -> web.StreamResponse:
    """One response after another; an invalid message only gets an error in reply."""
    dialect = RealtimeDialect(request, sockets.service.max_characters)
    reply = await sockets.open(request, dialect)
    await reply.send(dialect.session("created"))
    errors = 0
    async with tasks_of_connection() as tasks:
        responses = _Responses(sockets, reply, dialect, tasks)
        while True:
            message: Message = {}
            try:
                message = await reply.inbox.next(IDLE_S, lambda: dialect.speaking)
                await responses.take(message)
            except (ShuttingDownError, StalledError):
                raise
            except (BodyError, CallRejectedError, RequestError) as error:
                errors = counted(errors, MAX_ERRORS, "invalid messages")
                await reply.send(*dialect.error(reply_to(error, reply.names), message))
    await reply.response.close()
    return reply.response


class _Responses:
    """What a connection's messages ask for; one response is spoken at a time."""

    def __init__(
        self,
        sockets: SpeechSockets,
        reply: SocketReply,
        dialect: RealtimeDialect,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._sockets = sockets
        self._reply = reply
        self._dialect = dialect
        self._tasks = tasks
        self._task: asyncio.Task[None] | None = None

    async def take(self, message: Message) -> None:
        """Do what a message asks for.

        Raises:
            BodyError, CallRejectedError, RequestError: it is rejected, and changes nothing.
        """
        match message:
            case {"type": "session.update", "session": dict(settings)}:
                output, body = read_output(settings, self._dialect.output)
                self._sockets.check(body)
                self._dialect.output = output
                await self._reply.send(self._dialect.session("updated"))
            case {"type": "response.create"}:
                await self._begin(message)
            case {"type": "response.cancel"} if self._task and self._dialect.speaking:
                await self._cancel(self._task)
            case _:
                await self._reply.send(*self._dialect.answer(message))

    async def _begin(self, message: Message) -> None:
        if self._task and not self._dialect.speaking:
            await asyncio.wait({self._task})  # sends its last messages
        body, created = self._dialect.respond(message)
        await self._reply.send(created)
        speaking = self._sockets.utter("response", self._reply.another(), body)
        self._task = self._tasks.create_task(speaking)

    async def _cancel(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        await asyncio.wait({task})
        if self._dialect.speaking:
            ended = self._dialect.ended("cancelled", reason="client_cancelled")
            await self._reply.send(*ended)


API = HttpApi(
    name="OpenAI Realtime",
    page="howto/openai-realtime.md",
    uses="applications that use it already",
    pieces="no: items",
    interruption="`response.cancel`",
    times="transcript",
    keys=KeyPlaces(subprotocol="openai-insecure-api-key."),
    routes=[socket("/v1/realtime", _realtime, "Events of OpenAI's Realtime API")],
)
