"""The reply of a call, for asyncio: sync_stream.py's, to be awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import grpc

from dlpo.v1 import speech_pb2
from dlpo_serving.client.connection import Connection, Metadata, new_request_id
from dlpo_serving.client.errors import cut_short, failure_of
from dlpo_serving.client.messages import Chunk, Part, Reply
from dlpo_serving.client.pieces import AsyncSharedMessages
from dlpo_serving.client.retries import Backoff

Call = grpc.aio.UnaryStreamCall[Any, Part] | grpc.aio.StreamStreamCall[Any, Part]


class AsyncSpeechStream:
    """The reply of one call: iterate for the chunks; `totals` is there after the last one.

    In an `async with` statement the call is cancelled where the block is left early.
    """

    def __init__(
        self,
        connection: Connection,
        open_call: Callable[[float | None, Metadata], Call],
        backoff: Backoff,
        sleep: Callable[[float], Awaitable[None]],
        text: AsyncSharedMessages | None = None,
    ) -> None:
        """`open_call` begins a call that has so many seconds, with this metadata."""
        self.request_id = new_request_id()
        """the call's name in the server's log"""
        self._connection = connection
        self._open_call = open_call
        self._backoff = backoff
        self._sleep = sleep
        self._text = text
        self._reply = Reply()
        self._call = self._open()

    @property
    def info(self) -> speech_pb2.SpeechInfo:
        """Format, voice and processed text."""
        assert self._reply.info  # `accepted` has waited for it
        return self._reply.info

    @property
    def totals(self) -> speech_pb2.SpeechTotals | None:
        """Length, steps and seed; None until the stream has ended."""
        return self._reply.totals

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        while self._reply.totals is None:
            chunk = await self._advance()
            if chunk is not None:
                yield chunk
        with suppress(grpc.RpcError):  # all was heard, whatever comes
            await self._call.read()  # waits for the status; else the server's log says CANCELLED
        if self._text and self._text.failure:
            raise self._text.failure

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cancel()

    async def accepted(self) -> Self:
        """Wait until the server has accepted the call; see `AsyncSpeechClient.stream`."""
        while self._reply.info is None:
            await self._advance()
        return self

    def cancel(self) -> None:
        """Stop the server's work on this stream; without effect where it has ended."""
        self._call.cancel()
        if self._text:
            self._text.close()

    def _open(self) -> Call:
        return self._open_call(
            self._backoff.remaining_s(), self._connection.metadata(self.request_id)
        )

    async def _advance(self) -> Chunk | None:
        """Take the next part, and end the call where that fails."""
        try:
            return await self._next()
        except BaseException:
            self.cancel()
            raise

    async def _next(self) -> Chunk | None:
        """Take the next part; while nothing was heard, a refused call is begun again."""
        try:
            part = await self._call.read()
        except grpc.RpcError as error:
            failure = failure_of(self._connection.address, self.request_id, error)
            if self._reply.heard:
                raise failure from error
            await self._sleep(self._backoff.delay_after(failure))
            self._call = self._open()
            return None
        if isinstance(part, Part):
            return self._reply.take(part)
        raise cut_short(self._connection.address, self.request_id)
