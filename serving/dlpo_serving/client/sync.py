"""The client for threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self, TypeVar

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dlpo.v1 import speech_pb2, speech_pb2_grpc
from dlpo_serving.client.connection import Connection, Metadata, Tls, new_request_id
from dlpo_serving.client.errors import cut_short, failure_of
from dlpo_serving.client.messages import (
    Piece,
    ReplyFormat,
    SynthesisResult,
    first_messages,
    stream_message,
    unary_message,
)
from dlpo_serving.client.pieces import SharedMessages
from dlpo_serving.client.retries import Backoff, Chance, RetryPolicy
from dlpo_serving.client.sync_stream import Call, SpeechStream
from dlpo_serving.request import SpeechRequest

T = TypeVar("T")


class SpeechClient:
    """Talks to one server; use it in a `with` statement. Threads may share it.

    What a server that is full or not there refuses is tried again, as `retries` says, as long as
    nothing was heard of it yet.
    """

    def __init__(
        self,
        address: str,
        *,
        tls: Tls | None = None,
        token: str | None = None,
        retries: RetryPolicy | None = None,
        chance: Chance | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Nothing is sent before the first call.

        Args:
            address: host:port; calls take turns where the host has several addresses, or where they
                are listed, `ipv4:HOST:PORT,HOST:PORT`.
            tls: encryption; None speaks in plaintext.
            token: bearer token, where the server wants one.
            retries: None are four attempts within 20 s.
            chance, sleep: clock, random numbers and waiting of the retries.

        Raises:
            InputError: the address has no port, or a file of `tls` can't be read.
        """
        self._connection = Connection(address, tls, token)
        self._retries = retries or RetryPolicy()
        self._chance = chance or Chance()
        self._sleep = sleep
        self._channel = self._connection.open()
        self._speech = speech_pb2_grpc.SpeechServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the calls that still run, and the connection."""
        self._channel.close()

    def wait_until_serving(self, timeout_s: float = 10.0) -> None:
        """Return as soon as health says SERVING.

        Raises:
            CallError: it did not within `timeout_s`.
        """
        health = health_pb2_grpc.HealthStub(self._channel)
        request = health_pb2.HealthCheckRequest(service="dlpo.v1.SpeechService")
        request_id = new_request_id()
        metadata = self._connection.metadata(request_id)
        try:
            for reply in health.Watch(
                request, timeout=timeout_s, wait_for_ready=True, metadata=metadata
            ):
                if reply.status == health_pb2.HealthCheckResponse.SERVING:
                    return
        except grpc.RpcError as error:
            raise failure_of(self._connection.address, request_id, error) from error
        raise cut_short(self._connection.address, request_id)

    def voices(self, *, timeout_s: float | None = None) -> list[speech_pb2.Voice]:
        """The voices of the server, the default one first.

        Raises:
            CallError: the server can't be reached or failed.
        """
        method, request = self._speech.ListVoices, speech_pb2.ListVoicesRequest()
        reply: speech_pb2.ListVoicesResponse = self._unary(method, request, timeout_s)
        return list(reply.voices)

    def speak(
        self,
        request: SpeechRequest,
        voice: str = "",
        reply: ReplyFormat | None = None,
        *,
        timeout_s: float | None = None,
    ) -> SynthesisResult:
        """The whole audio at once, 4 MiB at most; see `stream` for arguments and errors."""
        message = unary_message(request, voice, reply or ReplyFormat())
        return SynthesisResult(self._unary(self._speech.Synthesize, message, timeout_s))

    def stream(
        self,
        request: SpeechRequest,
        voice: str = "",
        reply: ReplyFormat | None = None,
        *,
        timeout_s: float | None = None,
    ) -> SpeechStream:
        """Begin to speak; returns once the server has accepted the text.

        Args:
            request: what to say.
            voice: the server's default if empty.
            reply: None is float samples at the voice's rate, with the times of the words.
            timeout_s: seconds until the stream must have ended, retries included; None: no limit.

        Raises:
            InputError: the server refuses a field of the request, or has no such voice.
            CallError: the server can't be reached, is full or failed.
        """
        message = stream_message(request, voice, reply or ReplyFormat())

        def open_call(left_s: float | None, metadata: Metadata) -> Call:
            call: Call = self._speech.StreamSynthesize(message, timeout=left_s, metadata=metadata)
            return call

        return self._stream(open_call, timeout_s)

    def stream_pieces(
        self,
        pieces: Iterable[Piece],
        request: SpeechRequest | None = None,
        voice: str = "",
        reply: ReplyFormat | None = None,
        *,
        timeout_s: float | None = None,
    ) -> SpeechStream:
        """Speak a text while it is being written; returns once the server listens.

        Args:
            pieces: of the text, as they come; `Flush()` has all before it spoken now. They are
                read in another thread.
            request: how to say it; its text, if it has any, comes first.
            voice, reply, timeout_s: see `stream`.

        Raises:
            InputError, CallError: see `stream`. What reading `pieces` raises comes at the end of
                the stream, after what was sent before it.
        """
        first = first_messages(request or SpeechRequest(""), voice, reply or ReplyFormat())
        text = SharedMessages(first, pieces)

        def open_call(left_s: float | None, metadata: Metadata) -> Call:
            method = self._speech.IncrementalSynthesize
            call: Call = method(iter(text), timeout=left_s, metadata=metadata)
            return call

        return self._stream(open_call, timeout_s, text)

    def _stream(
        self,
        open_call: Callable[[float | None, Metadata], Call],
        timeout_s: float | None,
        text: SharedMessages | None = None,
    ) -> SpeechStream:
        backoff = self._backoff(timeout_s)
        return SpeechStream(self._connection, open_call, backoff, self._sleep, text)

    def _unary(self, method: Callable[..., T], request: object, timeout_s: float | None) -> T:
        request_id = new_request_id()
        metadata = self._connection.metadata(request_id)
        backoff = self._backoff(timeout_s)
        while True:
            try:
                return method(request, timeout=backoff.remaining_s(), metadata=metadata)
            except grpc.RpcError as error:
                failure = failure_of(self._connection.address, request_id, error)
                self._sleep(backoff.delay_after(failure))

    def _backoff(self, timeout_s: float | None) -> Backoff:
        return Backoff(self._retries, self._chance, timeout_s)
