"""Text of a call that comes after its beginning: pieces, flushes, further requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from dlpo_serving.errors import FieldViolation, RequestError
from dlpo_serving.request import SpeechRequest


class Flush:
    """Between pieces of text: speak everything so far now."""


FurtherText = AsyncIterator[str | Flush | SpeechRequest]
"""Pieces of a text, cut anywhere; or requests with whole texts, of which only `text` and `ssml` are
used."""


class TextPieces(AsyncIterator[str | Flush | SpeechRequest]):
    """Later text of a call, put in by one task while another speaks it."""

    def __init__(self, limit: int) -> None:
        """`limit`: characters plus pieces per call, since a waiting piece costs memory."""
        self._limit = limit
        self._taken = 0
        self._queue: asyncio.Queue[str | Flush | None] = asyncio.Queue()
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether the text is complete."""
        return self._ended

    def put(self, piece: str | Flush | None) -> None:
        """Add the next piece, or None to end the text; anything after that is dropped.

        Raises:
            RequestError: the limit is exceeded.
        """
        if self._ended:
            return
        self._taken += 1 + (len(piece) if isinstance(piece, str) else 0)
        if self._taken > self._limit:
            what = f"is more than {self._limit} characters and pieces in one call; begin another"
            raise RequestError(FieldViolation("text", what))
        self._queue.put_nowait(piece)
        self._ended = piece is None

    async def __anext__(self) -> str | Flush:
        if (piece := await self._queue.get()) is None:
            raise StopAsyncIteration
        return piece
