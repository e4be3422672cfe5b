"""The asyncio client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from typing import Any, Self, TypeVar

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dlpo.v1 import speech_pb2, speech_pb2_grpc
from dlpo.v1.speech_pb2 import IncrementalSynthesizeRequest
from dlpo_serving.client.connection import Connection, Tls, new_request_id
from dlpo_serving.client.errors import (
    Backoff,
    CallError,
    Chance,
    RetryPolicy,
    cut_short,
    failure_of,
)
from dlpo_serving.client.messages import (
    Chunk,
    Part,
    Piece,
    Reply,
    ReplyFormat,
    SynthesisResult,
    first_messages,
    piece_message,
    text_message,
)
from dlpo_serving.request import SpeechRequest

GrpcCall = grpc.aio.UnaryStreamCall[Any, Part] | grpc.aio.StreamStreamCall[Any, Part]
T = TypeVar("T")


class AsyncSpeechStream(AbstractAsyncContextManager["AsyncSpeechStream"]):
    """The reply to one call: iterate over its chunks; `totals` is set after the last one.

    In an `async with` statement, leaving the block early cancels the call.
    """

    def __init__(
        self,
        connection: Connection,
        open_call: Callable[..., GrpcCall],
        backoff: Backoff,
        text: SharedMessages | None = None,
    ) -> None:
        """`open_call` starts a call with the given `timeout`, in seconds, and `metadata`."""
        self.request_id = new_request_id()
        """identifies the call in the server's log"""
        self._connection = connection
        self._open_call = open_call
        self._backoff = backoff
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
        with suppress(grpc.RpcError):  # all audio has arrived, so errors no longer matter
            await self._call.read()  # await the status, or the server would log CANCELLED
        if self._text and self._text.failure:
            raise self._text.failure

    async def __aexit__(self, *_: object) -> None:
        self.cancel()

    async def accepted(self) -> Self:
        """Wait until the server has accepted the call; see `AsyncSpeechClient.stream`."""
        while self._reply.info is None:
            await self._advance()
        return self

    def cancel(self) -> None:
        """Stop the server's work on this stream; no effect once it has ended."""
        self._call.cancel()
        if self._text:
            self._text.close()

    def _open(self) -> GrpcCall:
        metadata = self._connection.metadata(self.request_id)
        return self._open_call(timeout=self._backoff.remaining_s(), metadata=metadata)

    async def _advance(self) -> Chunk | None:
        """Take the next part; cancel the call if that fails."""
        try:
            return await self._next()
        except BaseException:
            self.cancel()
            raise

    async def _next(self) -> Chunk | None:
        """Take the next part; until audio has arrived, retry a refused call."""
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
            await self._backoff.wait_after(failure)
            self._call = self._open()
            return None
        if isinstance(part, Part):
            return self._reply.take(part)
        raise cut_short(self._connection.address, self.request_id)


class SharedMessages:
    """The messages of a text sent in pieces, kept so that the call can be retried.

    Every iteration starts at the first message; pieces are read only once, on demand.
    """

    def __init__(
        self, first: Sequence[IncrementalSynthesizeRequest], pieces: AsyncIterable[Piece]
    ) -> None:
        """`first` precedes the messages made from `pieces`."""
        self.failure: Exception | None = None
        """exception raised while reading a piece; the text ends there"""
        self._known = list(first)
        self._pieces = aiter(pieces)
        self._reading: asyncio.Task[None] | None = None  # outlives the call that started it

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
        """Stop reading pieces."""
        if self._reading:
            self._reading.cancel()

    async def _read(self) -> None:
        try:
            self._known.append(piece_message(await anext(self._pieces)))
            self._reading = None
        except StopAsyncIteration:
            pass
        except Exception as error:  # from the caller's iterator; the stream raises it at its end
            self.failure = error


class AsyncSpeechClient(AbstractAsyncContextManager["AsyncSpeechClient"]):
    """Connects to one server; use it in an `async with` statement. Tasks may share it.

    If the server is full or unreachable, calls are retried according to `retries`, as long as no
    audio has arrived.
    """

    def __init__(
        self,
        address: str,
        *,
        tls: Tls | None = None,
        token: str | None = None,
        retries: RetryPolicy | None = None,
        chance: Chance | None = None,
    ) -> None:
        """Create it in the event loop that will use it; nothing is sent before the first call.

        Args:
            address: host:port; calls rotate over the addresses if the host has several, or if
                several are listed, as in `ipv4:HOST:PORT,HOST:PORT`.
            tls: encryption; None means plaintext.
            token: bearer token, if the server requires one.
            retries: None means four attempts within 20 s.
            chance: clock, random numbers and sleep function for the retries.

        Raises:
            InputError: the address has no port, or a file of `tls` can't be read.
        """
        self._connection = Connection(address, tls, token)
        self._retries = retries or RetryPolicy()
        self._chance = chance or Chance()
        self._channel: grpc.aio.Channel = self._connection.open(grpc.aio)
        self._speech = speech_pb2_grpc.SpeechServiceStub(self._channel)

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Cancel calls in progress and close the connection."""
        await self._channel.close()

    async def wait_until_serving(self, timeout_s: float = 10.0) -> None:
        """Wait until the server's health status is SERVING.

        Raises:
            CallError: it was not SERVING within `timeout_s`.
        """
        request_id = new_request_id()
        call = health_pb2_grpc.HealthStub(self._channel).Watch(
            health_pb2.HealthCheckRequest(service="dlpo.v1.SpeechService"),
            timeout=timeout_s,
            wait_for_ready=True,
            metadata=self._connection.metadata(request_id),
        )
        try:
            async for reply in call:
                if reply.status == health_pb2.HealthCheckResponse.SERVING:
                    return
        except grpc.RpcError as error:
            raise failure_of(self._connection.address, request_id, error) from error
        finally:
            call.cancel()
        raise cut_short(self._connection.address, request_id)

    async def voices(self, *, timeout_s: float | None = None) -> list[speech_pb2.Voice]:
        """The server's voices, the default first.

        Raises:
            CallError: the server can't be reached or failed.
        """
        method, request = self._speech.ListVoices, speech_pb2.ListVoicesRequest()
        reply: speech_pb2.ListVoicesResponse = await self._unary(method, request, timeout_s)
        return list(reply.voices)

    async def speak(
        self,
        request: SpeechRequest | str,
        voice: str = "",
        reply: ReplyFormat | None = None,
        *,
        timeout_s: float | None = None,
    ) -> SynthesisResult:
        """The complete audio in one reply, up to 4 MB; see `stream` for arguments and errors."""
        kind = speech_pb2.SynthesizeRequest
        message = text_message(kind, request, voice, reply or ReplyFormat())
        return SynthesisResult(await self._unary(self._speech.Synthesize, message, timeout_s))

    async def stream(
        self,
        request: SpeechRequest | str,
        voice: str = "",
        reply: ReplyFormat | None = None,
        *,
        timeout_s: float | None = None,
    ) -> AsyncSpeechStream:
        """Start a stream; returns once the server has accepted the text.

        Args:
            request: what to say.
            voice: the server's default if empty.
            reply: None means float samples at the voice's rate, with word timestamps.
            timeout_s: seconds for the whole stream, retries included; None means no limit.

        Raises:
            InputError: the server rejects a field of the request, or has no such voice.
            CallError: the server can't be reached, is full or failed.
        """
        kind = speech_pb2.StreamSynthesizeRequest
        message = text_message(kind, request, voice, reply or ReplyFormat())
        return await self._stream(partial(self._speech.StreamSynthesize, message), timeout_s)

    async def stream_pieces(
        self,
        pieces: AsyncIterable[Piece],
        request: SpeechRequest | None = None,
        voice: str = "",
        reply: ReplyFormat | None = None,
        *,
        timeout_s: float | None = None,
    ) -> AsyncSpeechStream:
        """Speak text as it is being written; returns once the server has accepted the call.

        Args:
            pieces: the text as it arrives; `Flush()` speaks everything before it right away.
            request: how to say it; its text, if any, is spoken first.
            voice, reply, timeout_s: see `stream`.

        Raises:
            InputError, CallError: see `stream`. Errors from reading `pieces` are raised at the
                end of the stream, after the audio of the pieces already sent.
        """
        first = first_messages(request or SpeechRequest(""), voice, reply or ReplyFormat())
        text = SharedMessages(first, pieces)

        def open_call(**options: Any) -> GrpcCall:
            call: GrpcCall = self._speech.IncrementalSynthesize(aiter(text), **options)
            return call

        return await self._stream(open_call, timeout_s, text)

    async def _stream(
        self,
        open_call: Callable[..., GrpcCall],
        timeout_s: float | None,
        text: SharedMessages | None = None,
    ) -> AsyncSpeechStream:
        backoff = Backoff(self._retries, self._chance, timeout_s)
        stream = AsyncSpeechStream(self._connection, open_call, backoff, text)
        return await stream.accepted()

    async def _unary(
        self, method: Callable[..., Awaitable[T]], request: object, timeout_s: float | None
    ) -> T:
        request_id = new_request_id()
        metadata = self._connection.metadata(request_id)
        backoff = Backoff(self._retries, self._chance, timeout_s)
        while True:
            try:
                return await method(request, timeout=backoff.remaining_s(), metadata=metadata)
            except grpc.RpcError as error:
                failure = failure_of(self._connection.address, request_id, error)
                await backoff.wait_after(failure)
