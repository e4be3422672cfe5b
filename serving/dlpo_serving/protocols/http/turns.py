"""Turns in which a server reads what callers send, so that they never stop its event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from dlpo_serving.protocols.http.speech_body import json_object

T = TypeVar("T")

SMALL_BYTES = 4_096  # read in some 20 us


class ParsingTurns:
    """For a whole server: reads what is large one at a time, within half of its loop's time.

    Each is followed by as much time for everybody else: 256 bodies of 250 kB that were complete
    at the same moment stopped the loop for seconds. Threads would not help: what parses JSON, and
    the frames of sockets, holds the interpreter's lock.
    """

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], object]] = deque()
        self._is_timed = False  # the next turn
        self._free_s = 0.0  # when it may begin

    def take(self, read: Callable[[], object]) -> None:
        """Run `read` in a turn of its own."""
        self._waiting.append(read)
        if not self._is_timed:
            self._time_next()

    async def run(self, read: Callable[[], T]) -> T:
        """What `read` gives, or raises, in a turn of its own."""
        found: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def settle() -> None:
            if found.done():  # the caller has left
                return
            try:
                found.set_result(read())
            except Exception as error:  # the caller's
                found.set_exception(error)

        self.take(settle)
        return await found

    async def parsed(self, content: bytes, what: str = "body") -> dict[str, Any]:
        """A JSON object; see `json_object`."""
        if len(content) <= SMALL_BYTES:
            return json_object(content, what)
        return await self.run(partial(json_object, content, what))

    def _time_next(self) -> None:
        self._is_timed = True
        asyncio.get_running_loop().call_at(self._free_s, self._next)

    def _next(self) -> None:
        clock = asyncio.get_running_loop().time
        begun_s = clock()
        try:
            self._waiting.popleft()()
        finally:
            ended_s = clock()
            self._free_s = ended_s + (ended_s - begun_s)
            self._is_timed = False
            if self._waiting:
                self._time_next()
