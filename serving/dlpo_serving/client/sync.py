"""The synchronous client: an `AsyncSpeechClient` in an event loop on its own thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from dlpo.v1 import speech_pb2
from dlpo_serving.client.aio import AsyncSpeechClient, AsyncSpeechStream
from dlpo_serving.client.connection import Tls
from dlpo_serving.client.errors import Chance, RetryPolicy
from dlpo_serving.client.messages import Chunk, Piece, ReplyFormat, SynthesisResult
from dlpo_serving.request import SpeechRequest

T = TypeVar("T")


class _LoopThread:
    """An event loop on a thread that does not keep the process alive."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="client", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` in the loop; return its result or raise its exception."""
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result()
        finally:  # if the wait was interrupted, for example by Ctrl-C
            future.cancel()

    def close(self) -> None:
        """Stop the loop and its thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class SpeechClient(AbstractContextManager["SpeechClient"]):
    """Connects to one server; use it in a `with` statement. Threads may share it.

    Arguments, results and errors are the same as for `AsyncSpeechClient`.
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
        """See `AsyncSpeechClient`."""

        async def open_client() -> AsyncSpeechClient:
            return AsyncSpeechClient(address, tls=tls, token=token, retries=retries, chance=chance)

        self._thread: _LoopThread | None = _LoopThread()
        try:
            self.asynchronous = self._thread.run(open_client())
            """the client in the event loop, for `run`"""
        except BaseException:
            self._thread.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Cancel calls in progress and close the connection."""
        if self._thread:
            self._thread.run(self.asynchronous.close())
            self._thread.close()
            self._thread = None

    def wait_until_serving(self, timeout_s: float = 10.0) -> None:
        """Wait until the server reports SERVING; see `AsyncSpeechClient.wait_until_serving`."""
        self.run(self.asynchronous.wait_until_serving(timeout_s))

    def voices(self, *, timeout_s: float | None = None) -> list[speech_pb2.Voice]:
        """The server's voices, the default first; see `AsyncSpeechClient.voices`."""
        return self.run(self.asynchronous.voices(timeout_s=timeout_s))

    def speak(
        self,
        request: SpeechRequest | str,
        voice: str = "",
        reply: ReplyFormat | None = None,
        *,
        timeout_s: float | None = None,
    ) -> SynthesisResult:
        """The complete audio in one reply, up to 4 MB; see `stream` for arguments and errors."""
        return self.run(self.asynchronous.speak(request, voice, reply, timeout_s=timeout_s))

    def stream(
        self,
        request: SpeechRequest | str,
        voice: str = "",
        reply: ReplyFormat | None = None,
        *,
        timeout_s: float | None = None,
    ) -> SpeechStream:
        """Start a stream; returns once the server has accepted the text.

        For arguments and errors see `AsyncSpeechClient.stream`.
        """
        stream = self.asynchronous.stream(request, voice, reply, timeout_s=timeout_s)
        return SpeechStream(self.run(stream), self)

    def stream_pieces(
        self,
        pieces: Iterable[Piece],
        request: SpeechRequest | None = None,
        voice: str = "",
        reply: ReplyFormat | None = None,
        *,
        timeout_s: float | None = None,
    ) -> SpeechStream:
        """Speak text as it is being written; `pieces` are read in another thread.

        For arguments and errors see `AsyncSpeechClient.stream_pieces`.
        """
        incoming = read_in_thread(pieces)
        stream = self.asynchronous.stream_pieces(
            incoming, request, voice, reply, timeout_s=timeout_s
        )
        return SpeechStream(self.run(stream), self)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` in the event loop; return its result or raise its exception."""
        if self._thread is None:
            work.close()
            raise ValueError("the client is closed")
        return self._thread.run(work)

    def each(self, items: AsyncIterator[T]) -> Iterator[T]:
        """The items, each awaited in the event loop."""
        end: list[T] = []

        async def following() -> list[T]:
            async for item in items:
                return [item]
            return end

        while found := self.run(following()):
            yield found[0]


class SpeechStream(AbstractContextManager["SpeechStream"]):
    """The reply to one call: iterate over its chunks; `totals` is set after the last one.

    In a `with` statement, leaving the block early cancels the call.
    """

    def __init__(self, stream: AsyncSpeechStream, client: SpeechClient) -> None:
        self._stream = stream
        self._client = client
        self.request_id = stream.request_id
        """identifies the call in the server's log"""

    @property
    def info(self) -> speech_pb2.SpeechInfo:
        """Format, voice and processed text."""
        return self._stream.info

    @property
    def totals(self) -> speech_pb2.SpeechTotals | None:
        """Length, steps and seed; None until the stream has ended."""
        return self._stream.totals

    def __iter__(self) -> Iterator[Chunk]:
        return self._client.each(aiter(self._stream))

    def __exit__(self, *_: object) -> None:
        self.cancel()

    def cancel(self) -> None:
        """Stop the server's work on this stream; no effect once it has ended."""

        async def cancel() -> None:
            self._stream.cancel()

        self._client.run(cancel())


async def read_in_thread(pieces: Iterable[Piece]) -> AsyncIterator[Piece]:
    """The pieces, each read on demand; a blocked reader does not keep the process alive."""
    loop = asyncio.get_running_loop()
    wanted = threading.Semaphore(0)
    found: asyncio.Queue[Piece | Exception | None] = asyncio.Queue()

    def read() -> None:
        try:
            wanted.acquire()
            for piece in pieces:
                loop.call_soon_threadsafe(found.put_nowait, piece)
                wanted.acquire()
            loop.call_soon_threadsafe(found.put_nowait, None)
        except Exception as error:  # from the caller's iterator, or the loop is closed
            if not loop.is_closed():
                loop.call_soon_threadsafe(found.put_nowait, error)

    threading.Thread(target=read, name="text", daemon=True).start()
    while True:
        wanted.release()
        piece = await found.get()
        if piece is None:
            return
        if isinstance(piece, Exception):
            raise piece
        yield piece
