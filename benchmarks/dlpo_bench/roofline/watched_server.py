"""The server with meters at the places of `PLACES`: python -m dlpo_bench.roofline.watched_server

It takes the server's options, and before them the file of the meters. That file is shared memory:
who started the server reads it while it runs. Times are processor times of threads, so that waiting
does not count.
"""

from __future__ import annotations

import functools
import mmap
import struct
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dlpo_bench.roofline.places import PLACES, Place, owner_of

_METER = struct.Struct("=dd")  # seconds, calls


class Meters:
    """Seconds and calls of each place, in a file that several processes map."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.thread_time) -> None:
        """Maps a file that `create` made; `clock` is read in the thread that is watched."""
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _METER.size * len(PLACES))
        self._clock = clock
        self._lock = threading.Lock()
        self._stacks = threading.local()

    @staticmethod
    def create(path: Path) -> None:
        """Write a file of zeros."""
        path.write_bytes(bytes(_METER.size * len(PLACES)))

    def read(self) -> list[tuple[float, float]]:
        """Seconds and calls of each of `PLACES` so far."""
        return [_METER.unpack_from(self._memory, _METER.size * i) for i in range(len(PLACES))]

    def watch(self, index: int, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed as place number `index`."""

        @functools.wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            stack: list[float] = self._stacks.__dict__.setdefault("inner_s", [])
            stack.append(0.0)
            begin = self._clock()
            try:
                return function(*arguments, **named)
            finally:
                took_s = self._clock() - begin
                own_s = took_s - stack.pop()
                if stack:  # whoever called this does not count it as its own
                    stack[-1] += took_s
                self._add(index, own_s)

        return timed

    def _add(self, index: int, seconds: float) -> None:
        at = _METER.size * index
        with self._lock:  # there are several lanes
            before_s, calls = _METER.unpack_from(self._memory, at)
            _METER.pack_into(self._memory, at, before_s + seconds, calls + 1)


def install(meters: Meters, places: Sequence[Place] = PLACES) -> None:
    """Put a meter around every place.

    Raises:
        EngineError: a place is not there any more.
    """
    for index, place in enumerate(places):
        owner, name = owner_of(place)
        setattr(owner, name, meters.watch(index, getattr(owner, name)))


if __name__ == "__main__":
    install(Meters(Path(sys.argv.pop(1))))
    from dlpo_serving.__main__ import main

    sys.exit(main())
