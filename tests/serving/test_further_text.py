"""Text in pieces: what a caller may have waiting, and that its memory is given back."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from dlpo_serving.errors import OverloadError, RequestError
from dlpo_serving.further_text import Flush, TextMemory, TextPieces


async def test_pieces_come_as_they_were_put() -> None:
    memory = TextMemory()
    pieces = TextPieces(10, memory)
    sent = ["One", Flush(), " two", ""]
    assert all(pieces.put(piece) for piece in [*sent, None])
    assert memory.held_bytes > 0
    assert not pieces.put("late")
    assert [piece async for piece in pieces] == sent
    assert memory.held_bytes == 0


@pytest.mark.parametrize(
    ("put", "message"),
    [
        (["a" * 9, "bb"], "has 11 characters; this server takes 10: send it in parts"),
        ([Flush()] * 11, "more than 10 pieces at once"),
    ],
)
async def test_what_is_too_much_is_not_kept(put: list[Any], message: str) -> None:
    memory = TextMemory()
    pieces = TextPieces(10, memory)
    assert [pieces.put(piece) for piece in put] == [True] * (len(put) - 1) + [False]
    assert pieces.ended
    with pytest.raises(RequestError, match=message):
        _ = [piece async for piece in pieces]
    assert memory.held_bytes == 0


def test_a_refused_piece_is_not_held() -> None:
    class Piece(str):  # to which there are weak references
        pass

    pieces, large = TextPieces(10, TextMemory()), Piece("a" * 1_000)
    held = weakref.ref(large)
    assert not pieces.put(large)
    del large
    assert held() is None


async def test_a_full_server_refuses_more_text() -> None:
    memory = TextMemory(5_000)
    first, second = TextPieces(10_000, memory), TextPieces(10_000, memory)
    assert first.put("a" * 3_000)
    assert not second.put("a" * 3_000)
    with pytest.raises(OverloadError, match="too much text waits"):
        await anext(second)
    del first, second
    gc.collect()
    assert memory.held_bytes == 0
    assert TextPieces(10_000, memory).put("a" * 3_000)
