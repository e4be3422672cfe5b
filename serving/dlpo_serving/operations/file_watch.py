"""Noticing that files changed: certificates, keys."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

Clock = Callable[[], float]  # seconds, such as time.monotonic

POLL_S = 2.0  # a rotated key or certificate is in use this soon


class FileWatch:
    """Tells whether files changed since it was last asked. Calls come from one thread at a time."""

    def __init__(self, paths: Sequence[Path], clock: Clock, poll_s: float = POLL_S) -> None:
        """Begin to watch; read the files after this, so that no change is missed.

        Args:
            paths: files; links are followed, so that a Kubernetes secret is seen to change.
            clock: seconds.
            poll_s: the files are looked at no more often than this.
        """
        self._paths = paths
        self._clock = clock
        self._poll_s = poll_s
        self._looked_s = clock()
        self._seen = self._look()

    def changed(self) -> bool:
        """Whether one was written, replaced, removed or came since the last call that looked."""
        now_s = self._clock()
        if now_s - self._looked_s < self._poll_s:
            return False
        self._looked_s = now_s
        before, self._seen = self._seen, self._look()
        return self._seen != before

    def _look(self) -> list[tuple[int, int, int] | None]:
        return [_mark(path) for path in self._paths]


def _mark(path: Path) -> tuple[int, int, int] | None:
    """What changes with a file's content; None where it can't be seen."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
