"""The messages of a text that comes in pieces, so that a call can be begun again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence

from dlpo.v1.speech_pb2 import IncrementalSynthesizeRequest
from dlpo_serving.client.messages import Piece, piece_message


class SharedMessages:
    """Every iteration begins at the first message; the pieces are read once, as far as needed.

    An iteration may still wait for a piece, in the thread of a call that has failed, when the next
    one begins; what it gets is then the other's as well.
    """

    def __init__(
        self, first: Sequence[IncrementalSynthesizeRequest], pieces: Iterable[Piece]
    ) -> None:
        """`first` comes before the messages of `pieces`."""
        self.failure: Exception | None = None
        """what reading a piece has raised; the text ends there"""
        self._known = list(first)
        self._pieces = iter(pieces)
        self._turn = threading.Lock()  # to read the next piece

    def __iter__(self) -> Iterator[IncrementalSynthesizeRequest]:
        position = 0
        while position < len(self._known) or self._read(position):
            yield self._known[position]
            position += 1

    def _read(self, position: int) -> bool:
        """Wait for the message at `position`; False where the text has ended."""
        with self._turn:
            if position == len(self._known) and self.failure is None:
                try:
                    self._known.append(piece_message(next(self._pieces)))
                except StopIteration:
                    pass
                except Exception as error:  # a foreign iterator; the stream raises it at its end
                    self.failure = error
            return position < len(self._known)


class AsyncSharedMessages:
    """The same for an event loop."""

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
