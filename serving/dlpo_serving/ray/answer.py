"""One call through Serve, seen from its proxy."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from dlpo_serving.errors import CallRejectedError, NotReadyError, OverloadError
from dlpo_serving.rpc.statuses import Context

APPLICATION = "dlpo"  # its name in Serve
RETRY_S = 1.0  # after which Serve may have another place, or another replica

_log = logging.getLogger(__name__)

Handler = Callable[[Any, Any], AsyncIterator[bytes | None]]
"""Serve's, for a method: gives a replica's messages and None at their end, and sets a status"""


class ReplicaAnswer:
    """What a call is answered with. Serve takes it for the context of the call.

    On the caller's own context Serve would set the status without its details.
    """

    def __init__(self, context: Context) -> None:
        """`context`: of the caller."""
        self._context = context
        self._code: grpc.StatusCode | None = None
        self._details = ""
        self._trailing_metadata: Sequence[tuple[str, str | bytes]] = ()
        self._ended = False  # by the replica, not by Serve

    def __getattr__(self, name: str) -> Any:
        """What Serve asks of a context, such as the peer."""
        return getattr(self._context, name)

    def invocation_metadata(self) -> Sequence[tuple[str, str | bytes]]:
        """The caller's; in front of it what Serve looks for where it has several applications."""
        return (("application", APPLICATION), *(self._context.invocation_metadata() or ()))

    def code(self) -> grpc.StatusCode | None:
        """None until it was set."""
        return self._code

    def details(self) -> str:
        """The message of the status."""
        return self._details

    def trailing_metadata(self) -> Sequence[tuple[str, str | bytes]]:
        """Those of the status; its details in binary are among them."""
        return self._trailing_metadata

    def set_code(self, code: grpc.StatusCode) -> None:
        self._code = code

    def set_details(self, details: str) -> None:
        self._details = details

    def set_trailing_metadata(self, metadata: Sequence[tuple[str, str | bytes]]) -> None:
        self._trailing_metadata = metadata

    @asynccontextmanager
    async def parts(self, serve: Handler, asked: Any) -> AsyncIterator[AsyncIterator[bytes]]:
        """The messages, as they come; where the block ends before, the replica's call is cancelled.

        Args:
            serve: the method.
            asked: an `Asked`, or an iterator of them.

        Raises:
            CallRejectedError: while iterating, where Serve has no replica, or loses it.
        """
        # Serve passes a cancellation on only where it is waiting for the replica. So it always is.
        messages: asyncio.Queue[bytes | None] = asyncio.Queue()
        fetching = asyncio.create_task(self._fetch(serve, asked, messages))
        try:
            yield self._until_end(messages)
        finally:
            fetching.cancel()

    async def end(self, context: Context) -> None:
        """End the caller's call with the status of the replica."""
        trailing = tuple(self._trailing_metadata)
        if self._code is None or self._code is grpc.StatusCode.OK:
            context.set_trailing_metadata(trailing)
        else:
            await context.abort(self._code, self._details, trailing)

    async def _fetch(
        self, serve: Handler, asked: Any, messages: asyncio.Queue[bytes | None]
    ) -> None:
        try:
            async for message in serve(asked, self):
                if message is None:
                    self._ended = True
                else:
                    messages.put_nowait(message)
        finally:
            messages.put_nowait(None)

    async def _until_end(self, messages: asyncio.Queue[bytes | None]) -> AsyncIterator[bytes]:
        while (message := await messages.get()) is not None:
            yield message
        if not self._ended:
            raise self._refusal()

    def _refusal(self) -> CallRejectedError:
        """For a status of Serve's own; its messages name machines and actors."""
        if self._code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            message = "all replicas speak for as many callers as they may; try again later"
            return OverloadError(message, RETRY_S)
        _log.warning("no replica has answered code=%s details=%s", self._code, self._details)
        return NotReadyError("there is no replica, or it was lost; begin again")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request message."""

    method: str
    """/package.Service/Method"""
    timeout_s: float | None
    """after which the caller will not listen any more; None if it has no such time"""
    data: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply message, or the end of a call, whose status goes beside it in Serve's context."""

    data: bytes | None
    """None at the end"""

    def SerializeToString(self) -> bytes | None:
        """Serve takes this for a message; the proxy gets what it returns."""
        return self.data
