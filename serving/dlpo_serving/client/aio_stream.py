"""The reply of a call, and the messages of a text that comes in pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import grpc

from dlpo.v1 import speech_pb2
from dlpo.v1.speech_pb2 import IncrementalSynthesizeRequest
from dlpo_serving.client.connection import Connection, Metadata, new_request_id
from dlpo_serving.client.errors import CallError, cut_short, failure_of
from dlpo_serving.client.messages import Chunk, Part, Piece, Reply, piece_message
from dlpo_serving.client.retries import Backoff

GrpcCall = grpc.aio.UnaryStreamCall[Any, Part] | grpc.aio.StreamStreamCall[Any, Part]


class AsyncSpeechStream:
    """The reply of one call: iterate for the chunks; `totals` is there after the last one.

    In an `async with` statement the call is cancelled where the block is left early.
    """

    def __init__(
        self,
        connection: Connection,
        open_call: Callable[[float | None, Metadata], GrpcCall],
        backoff: Backoff,
        sleep: Callable[[float], Awaitable[None]],
        text: SharedMessages | None = None,
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

    def _open(self) -> GrpcCall:
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
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self._call.cancelled() or (task and task.cancelling()):
                raise
            message = f"{self._connection.address}: CANCELLED: this stream was cancelled"
            code = grpc.StatusCode.CANCELLED
            raise CallError(message, code, request_id=self.request_id) from None
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


class SharedMessages:
    """The messages of a text in pieces, so that a call can be begun again.

    Every iteration begins at the first message; the pieces are read once, as far as needed.
    """

    def __init__(
        self, first: Sequence[IncrementalSynthesizeRequest], pieces: AsyncIterable[Piece]
    ) -> None:
        """`first` comes before the messages of `pieces`."""
        self.failure: Exception | None = None
        """what reading a piece has raised; the text ends there"""
        self._known = list(first)
        self._pieces = aiter(pieces)
        self._reading: asyncio.Task[None] | None = None  # outlives the call that began it

    async def __aiter__(self) -> AsyncIterator[IncrementalSynthesizeRequest]:
        position = 0
        while True:
            if position == len(self._known):
                self._reading = self._reading or asyncio.create_task(self._read())
                await asyncio.shield(self._reading)
                if position == len(self._known):
                    return
            yield self._known[position]
            position += 1

    def close(self) -> None:
        """No more pieces are wanted."""
        if self._reading:
            self._reading.cancel()

    async def _read(self) -> None:
        try:
            self._known.append(piece_message(await anext(self._pieces)))
            self._reading = None
        except StopAsyncIteration:
            pass
        except Exception as error:  # a foreign iterator; the stream raises it at its end
            self.failure = error
