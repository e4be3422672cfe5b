"""Stopping between two updates when someone asks for it."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Within the block, Ctrl-C and SIGTERM are noted instead of obeyed at once; the second time
    they raise KeyboardInterrupt, for whoever can't wait for an update or a measurement to end.

    >>> with Interrupts() as asked:
    ...     while asked.signal is None:
    ...         asked.signal = signal.SIGTERM  # an update
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        self._handlers = {s: signal.signal(s, self._note) for s in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for s, handler in self._handlers.items():
            signal.signal(s, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number
