"""The messages that a WebSocket client sends: their pace, their limits, and the end of waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from aiohttp import WSMsgType, web

from dlpo_serving.errors import ShuttingDownError, StalledError
from dlpo_serving.protocols.http.dialects import Message
from dlpo_serving.protocols.http.statuses import BodyError
from dlpo_serving.protocols.http.turns import ParsingTurns

BURST, PER_S = 2_000, 500.0  # messages of a connection that are read without a pause; per second
LEAVING_S = 0.1  # between two looks whether all is spoken, while the server shuts down


class Pace:
    """How soon a client's next message may be read: a burst at once, then so many per second."""

    def __init__(self, burst: float, per_s: float, clock: Callable[[], float]) -> None:
        self._burst = burst
        self._per_s = per_s
        self._clock = clock
        self._room = burst
        self._seen_s = clock()

    def wait_s(self) -> float:
        """Take one message; seconds to wait before it is read."""
        now_s = self._clock()
        grown = self._room + self._per_s * (now_s - self._seen_s)
        self._room = min(grown, self._burst) - 1
        self._seen_s = now_s
        return max(-self._room, 0.0) / self._per_s


class Inbox:
    """The messages of a client. Everybody else's work has a turn before each of them."""

    def __init__(self, socket: web.WebSocketResponse, turns: ParsingTurns) -> None:
        self._socket = socket
        self._turns = turns
        self.unread: Message | None = None
        """a message that was put back"""
        self._pace = Pace(BURST, PER_S, asyncio.get_running_loop().time)
        self._leaving = False
        self._waiting: asyncio.Timeout | None = None  # of a connection that may be idle

    def put_back(self, message: Message) -> None:
        """Let the client's last message be its next one again."""
        self.unread = message

    def leave(self) -> None:
        """From now on, wait for no message while nothing is spoken."""
        self._leaving = True
        if self._waiting:
            with suppress(RuntimeError):  # its time is over by itself
                self._waiting.reschedule(0.0)

    async def next(
        self, limit_s: float | None = None, busy: Callable[[], object] = bool
    ) -> Message:
        """The client's next message.

        `receive` does not suspend while messages are there: without the turns, those of one
        client would be read for seconds on end.

        Args:
            limit_s: of silence, unless the server is `busy` then; None while it speaks anyway.

        Raises:
            BodyError: it is not a JSON object.
            ConnectionResetError: the client has left, or its message was too large.
            ShuttingDownError: the server leaves, and was not `busy`.
            StalledError: none came in time.
        """
        if (unread := self.unread) is not None:
            self.unread = None
            return unread
        await asyncio.sleep(self._pace.wait_s())
        while True:
            may_leave = self._leaving and limit_s is not None
            if may_leave and not busy():
                raise ShuttingDownError
            try:
                async with asyncio.timeout(LEAVING_S if may_leave else limit_s) as timeout:
                    self._waiting = timeout if limit_s is not None else None
                    message = await self._socket.receive()
                    break
            except TimeoutError as error:
                if not (self._leaving or busy()):
                    what = f"no message came within {limit_s:g} s; begin at once"
                    raise StalledError(what) from error
        match message.type:
            case WSMsgType.TEXT:
                content = message.data.encode("utf-8", "surrogatepass")
                return await self._turns.parsed(content, "message")
            case WSMsgType.BINARY:
                raise BodyError("a message is binary; expected a JSON object as text", 400)
        raise ConnectionResetError


def counted(before: int, most: int, what: str) -> int:
    """One more than `before`; raises StalledError, which ends the connection, beyond `most`."""
    if before >= most:
        raise StalledError(f"more than {most} {what} came; connect again, and send fewer")
    return before + 1
