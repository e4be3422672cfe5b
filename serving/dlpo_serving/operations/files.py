"""Watching files such as certificates and keys, checking their modes, reading TOML."""

from __future__ import annotations

import logging
import os
import re
import stat
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from dlpo.errors import ConfigError
from dlpo.operating_system import has_modes, owns

Clock = Callable[[], float]  # seconds, such as time.monotonic

T = TypeVar("T")
_log = logging.getLogger(__name__)

POLL_S = 2.0  # between checks of the files: how soon a rotated key or certificate is in use


class FileWatch:
    """Tells whether files differ from those last accepted. For one thread at a time."""

    def __init__(self, paths: Sequence[Path], clock: Clock) -> None:
        """Start watching; read the files after this, so that no change is missed.

        Args:
            paths: files; links are followed, so that changes to a Kubernetes secret are seen.
            clock: seconds.
        """
        self._paths = paths
        self._clock = clock
        self._looked_s = clock()
        self._seen = self._accepted = self._look()

    def changed(self) -> bool:
        """Whether any was written, replaced, removed, created, or had its mode or owner changed.

        Until `accept` is called, the answer stays the same, at most once in `POLL_S`: files that
        could not be used may become usable without any change that can be seen.
        """
        now_s = self._clock()
        if now_s - self._looked_s < POLL_S:
            return False
        self._looked_s = now_s
        self._seen = self._look()
        return self._seen != self._accepted

    def accept(self) -> None:
        """The files are in use as `changed` has seen them."""
        self._accepted = self._seen

    def _look(self) -> list[tuple[int, ...] | None]:
        return [_mark(path) for path in self._paths]


def _mark(path: Path) -> tuple[int, ...] | None:
    """A fingerprint that changes with the file's content, mode and owner; None without access."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    changes = found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
    return *changes, found.st_mode, found.st_uid, found.st_gid


class Reloaded(Generic[T]):
    """What files say, read again when they change. For one thread at a time.

    What can't be used is reported once, and tried again until it can be; meanwhile what was read
    before stays in use.
    """

    def __init__(self, paths: Sequence[Path], read: Callable[[], T], clock: Clock) -> None:
        """`read` raises ConfigError if the files can't be used, here and later."""
        self._watch = FileWatch(paths, clock)
        self._read = read
        self._name = str(paths[0])
        self._complaint = ""
        self._value = read()

    def value(self) -> T:
        """The latest usable content: another object whenever the files were read again."""
        if self._watch.changed():
            try:
                self._value = self._read()
            except ConfigError as error:
                if (kind := re.sub(r"\d+", "#", str(error))) != self._complaint:  # times differ
                    _log.error("%s; what was read before stays in use, this is tried again", error)
                self._complaint = kind
            else:
                self._watch.accept()
                self._complaint = ""
                _log.info("read again file=%s", self._name)
        return self._value


def check_mode(path: Path, bits: int, why: str, *, of_owner: bool = False) -> None:
    """Reject a file that users other than its owner may read or write.

    Args:
        bits: mode bits that must not be set, such as 0o022; Windows has none to look at.
        why: what others may do, for the message.
        of_owner: check only if this process owns the file; a mounted secret may be root's.

    Raises:
        ConfigError: one of the bits is set.
        OSError: the file can't be accessed.
    """
    found = path.stat()
    mode = stat.S_IMODE(found.st_mode)
    if mode & bits and has_modes() and not (of_owner and not owns(found.st_uid)):
        raise ConfigError(
            f"{path} has mode {mode:04o}: {why}; run: chmod 600 {path}, or mount the secret with"
            " defaultMode: 0400"
        )


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Read a TOML file.

    Args:
        what: what error messages call the file, such as "keys file".

    Raises:
        ConfigError: it can't be read, or is not TOML.
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
