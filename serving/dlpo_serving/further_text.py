"""Text of a call that comes after its beginning: pieces, flushes, further requests."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

from dlpo_serving.errors import FieldViolation, OverloadError, RequestError
from dlpo_serving.request import SpeechRequest

MOST_BYTES = 64 << 20  # of text that waits in a server
PIECE_BYTES = 64  # of a piece that waits, beside its text
RETRY_S = 1.0


class Flush:
    """Between pieces of text: speak everything so far now."""

    __slots__ = ()


FurtherText = AsyncIterator[str | Flush | SpeechRequest]
"""Pieces of a text, cut anywhere; or requests with whole texts, of which only `text` and `ssml` are
used."""


class TextMemory:
    """Memory for text that callers have sent and nothing has read yet, of a whole server."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self.held_bytes = 0
        """taken now"""

    def take(self, size: int) -> None:
        """Take memory.

        Raises:
            OverloadError: there is not enough.
        """
        if self.held_bytes + size > self._most_bytes:
            raise OverloadError("too much text waits in this server; send it later", RETRY_S)
        self.held_bytes += size

    def give_back(self, size: int) -> None:
        """Return memory."""
        self.held_bytes -= size


class TextPieces(AsyncIterator[str | Flush | SpeechRequest]):
    """Later text of a call, put in by one task while another speaks it.

    Its memory is bounded where the text is taken: what is too long is not kept.

    Args:
        limit: characters of the text; and as many pieces may wait, since each costs memory.
        memory: of the server.
    """

    def __init__(self, limit: int, memory: TextMemory) -> None:
        self._limit = limit
        self._memory = memory
        self.characters = 0
        """taken so far"""
        self._held_bytes = 0
        self._queue: asyncio.Queue[str | Flush | None] = asyncio.Queue()
        self._refusal: OverloadError | RequestError | None = None
        self._ended = False

    def __del__(self) -> None:  # what is dropped unread, for whatever reason
        self._memory.give_back(self._held_bytes)

    @property
    def ended(self) -> bool:
        """Whether the text is complete."""
        return self._ended

    def put(self, piece: str | Flush | None) -> bool:
        """Add the next piece, or None to end the text; anything after that is dropped.

        Returns:
            Whether it was added. A piece that is too much ends the text with an error, which
            iterating raises.
        """
        if self._ended:
            return False
        try:
            self._take(piece)
        except (OverloadError, RequestError) as error:
            self._refusal = error.with_traceback(None)  # which holds the piece
            piece = None
        self._queue.put_nowait(piece)
        self._ended = piece is None
        return self._refusal is None

    def _take(self, piece: str | Flush | None) -> None:
        characters = self.characters + (len(piece) if isinstance(piece, str) else 0)
        if characters > self._limit:
            raise too_long(characters, self._limit)
        if piece is not None and self._queue.qsize() >= self._limit:
            what = f"is more than {self._limit} pieces at once; send fewer"
            raise RequestError(FieldViolation("text", what))
        self._memory.take(size := _size_of(piece))
        self._held_bytes += size
        self.characters = characters

    async def __anext__(self) -> str | Flush:
        piece = await self._queue.get()
        if piece is None:
            raise self._refusal or StopAsyncIteration
        self._held_bytes -= (size := _size_of(piece))
        self._memory.give_back(size)
        return piece


def too_long(characters: int, limit: int) -> RequestError:
    """The error of a text that has more characters than the server takes."""
    what = f"has {characters} characters; this server takes {limit}: send it in parts"
    return RequestError(FieldViolation("text", what))


def _size_of(piece: str | Flush | None) -> int:
    """Bytes that a piece holds while it waits."""
    return PIECE_BYTES + sys.getsizeof(piece) if piece is not None else 0
