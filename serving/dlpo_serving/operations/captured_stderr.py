"""What libraries write to standard error past `logging`, as lines of the log.

gRPC's core writes lines of its own, such as `I1125 10:00:00.000000 7 tls.cc:25] Handshake failed`,
which a collector of JSON can't read. Here file descriptor 2 becomes a pipe, whose lines are logged.
A line that the process writes as it crashes may be lost; Python's own traceback of a crash is not,
since `faulthandler` gets the real standard error.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from dlpo_serving.operations.logs import PAUSE_S

STDERR = 2  # the file descriptor
MOST_BYTES = 8_192  # of a line; the rest of a longer one is another line
LAST_S = 0.5  # to wait for the last lines
_ABSL = re.compile(r"([IWEF])\d{4} [\d:.]+ +\d+ ([^ \]]+)\] (.*)")
_LEVELS = {"I": logging.INFO, "W": logging.WARNING, "E": logging.ERROR, "F": logging.CRITICAL}

_log = logging.getLogger("stderr")


@contextmanager
def stderr_captured() -> Iterator[IO[str]]:
    """Log what is written to file descriptor 2; yields the real standard error, for the log."""
    real = os.fdopen(os.dup(STDERR), "w", encoding="utf-8", errors="backslashreplace", buffering=1)
    reader, writer = os.pipe()
    os.dup2(writer, STDERR)
    os.close(writer)
    was_enabled = faulthandler.is_enabled()
    faulthandler.enable(real)
    lines = CapturedStderr(time.monotonic)
    thread = threading.Thread(
        target=lines.read, args=(reader,), daemon=True, name="captured-stderr"
    )
    thread.start()
    try:
        yield real
    finally:
        os.dup2(real.fileno(), STDERR)  # with the last copy of the pipe's end, the thread ends
        thread.join(LAST_S)
        faulthandler.disable()
        if was_enabled:
            faulthandler.enable()


class CapturedStderr:
    """Logs lines; those of one place in gRPC's code at most once in `PAUSE_S`.

    Clients cause them at will: each failed handshake is one.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last_s: dict[str, float] = {}

    def read(self, descriptor: int) -> None:
        """Log the lines of a pipe until nobody can write to it."""
        with os.fdopen(descriptor, "rb") as pipe:
            while line := pipe.readline(MOST_BYTES):
                self.log(line.decode("utf-8", "backslashreplace").rstrip())

    def log(self, line: str) -> None:
        """Log one line."""
        if (match := _ABSL.fullmatch(line)) is None:
            if line:
                _log.warning("%s", line)
            return
        letter, place, message = match.groups()
        now = self._clock()
        if now - self._last_s.get(place, -PAUSE_S) >= PAUSE_S:
            self._last_s[place] = now
            logging.getLogger("grpc").log(_LEVELS[letter], "%s (%s)", message, place)
