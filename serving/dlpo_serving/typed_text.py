"""Text that somebody, or a program, writes while it is being spoken."""

from __future__ import annotations

import codecs
import os
import select
from collections.abc import Iterator

from dlpo.errors import InputError
from dlpo.v1.speech_pb2 import Flush

QUIET_S = 0.1  # after a whole line, nothing for so long: its writer waits to hear it
_MOST = 1 << 16  # bytes of one piece


def typed_pieces(descriptor: int, quiet_s: float = QUIET_S) -> Iterator[str | Flush]:
    """What comes from a file descriptor, as it comes; a line that is followed by nothing is spoken.

    Args:
        descriptor: of a terminal or a pipe, in UTF-8.
        quiet_s: seconds of silence of the writer after which a line counts as ended.

    Raises:
        InputError: the bytes are not UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    line_ended = False
    while True:
        if line_ended and not select.select([descriptor], [], [], quiet_s)[0]:
            yield Flush()
        data = os.read(descriptor, _MOST)
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            message = f"standard input is not UTF-8 ({error.reason}); convert it"
            raise InputError(message) from error
        if text:
            yield text
        if not data:
            return
        line_ended = text.endswith("\n")
