"""Noticing that files changed: certificates, keys."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dlpo.errors import ConfigError

Clock = Callable[[], float]  # seconds, such as time.monotonic

POLL_S = 2.0  # between two looks at the files: a rotated key or certificate is in use this soon


class FileWatch:
    """Tells whether files changed since it was last asked. Calls come from one thread at a time."""

    def __init__(self, paths: Sequence[Path], clock: Clock) -> None:
        """Begin to watch; read the files after this, so that no change is missed.

        Args:
            paths: files; links are followed, so that a Kubernetes secret is seen to change.
            clock: seconds.
        """
        self._paths = paths
        self._clock = clock
        self._looked_s = clock()
        self._seen = self._look()

    def changed(self) -> bool:
        """Whether one was written, replaced, removed or came since the last call that looked."""
        now_s = self._clock()
        if now_s - self._looked_s < POLL_S:
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


def check_mode(path: Path, bits: int, why: str, *, of_owner: bool = False) -> None:
    """Refuse a file that others than its owner may read or write.

    Args:
        bits: of the mode that must not be set, such as 0o022.
        why: what others may do, for the message.
        of_owner: only where this process owns the file; a mounted secret may belong to root.

    Raises:
        ConfigError: they may.
        OSError: the file can't be looked at.
    """
    found = path.stat()
    mode = stat.S_IMODE(found.st_mode)
    if mode & bits and not (of_owner and found.st_uid != os.geteuid()):
        raise ConfigError(
            f"{path} has mode {mode:04o}: {why}; run: chmod 600 {path}, or mount the secret with"
            " defaultMode: 0400"
        )


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Its content.

    Args:
        what: a message calls the file so, such as "keys file".

    Raises:
        ConfigError: it can't be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{what} {path} can't be read: {error.strerror}; check that it exists and is"
            " readable by the server's user"
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{what} {path} can't be read as TOML: {error}") from error
