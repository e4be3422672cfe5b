"""Text that comes while it is spoken, from a pipe that the test writes to."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from dlpo.errors import InputError
from dlpo.v1.speech_pb2 import Flush
from dlpo_serving.local.say import typed_pieces


@pytest.fixture
def pipe() -> Iterator[tuple[int, list[int]]]:
    """The end to read, and the end to write, which a test closes by taking it out of the list."""
    reader, writer = os.pipe()
    open_ends = [writer]
    yield reader, open_ends
    for descriptor in (reader, *open_ends):
        os.close(descriptor)


def test_a_line_is_spoken_before_the_next_one_is_written(pipe: tuple[int, list[int]]) -> None:
    reader, ends = pipe
    pieces = typed_pieces(reader, quiet_s=0)

    os.write(ends[0], b"One.\n")
    assert next(pieces) == "One.\n"
    assert next(pieces) == Flush()
    os.write(ends[0], b"Two, ")
    assert next(pieces) == "Two, "
    os.write(ends[0], b"three.")
    assert next(pieces) == "three."
    os.close(ends.pop())
    assert list(pieces) == []


def test_lines_that_come_together_are_one_text(pipe: tuple[int, list[int]]) -> None:
    reader, ends = pipe
    os.write(ends[0], b"A line that\nis broken\n")
    os.close(ends.pop())

    assert list(typed_pieces(reader, quiet_s=0)) == ["A line that\nis broken\n"]


def test_a_character_may_be_cut_in_two(pipe: tuple[int, list[int]]) -> None:
    reader, ends = pipe
    pieces = typed_pieces(reader, quiet_s=0)

    os.write(ends[0], b"caf" + "é".encode()[:1])
    assert next(pieces) == "caf"
    os.write(ends[0], "é".encode()[1:])
    assert next(pieces) == "é"


@pytest.mark.parametrize("data", [b"\xff\xfe", b"caf\xc3"])
def test_what_is_not_utf_8_is_an_input_error(pipe: tuple[int, list[int]], data: bytes) -> None:
    reader, ends = pipe
    os.write(ends[0], data)
    os.close(ends.pop())

    with pytest.raises(InputError, match="not UTF-8"):
        list(typed_pieces(reader, quiet_s=0))
