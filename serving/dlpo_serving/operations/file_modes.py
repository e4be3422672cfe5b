"""Who else may read or write the files that decide who is let in.

The rules are those of OpenSSH. A private key that belongs to the user of this process must be
readable by nobody else; one that is of another user, such as a secret that Kubernetes mounts for a
container without root, is left to whoever gave it. A list of those who are let in must be writable
by its owner alone; it holds hashes, so all may read it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from dlpo.errors import ConfigError


def check_private(path: Path) -> None:
    """Refuse a private key that others than its owner may read.

    Raises:
        ConfigError: they may.
        OSError: the file can't be looked at.
    """
    found = path.stat()
    if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) & 0o077:
        raise _too_open(path, found.st_mode, "others than its owner may read this private key")


def check_unwritable(path: Path) -> None:
    """Refuse a list of callers that others than its owner may write.

    Raises:
        ConfigError: they may.
        OSError: the file can't be looked at.
    """
    found = path.stat()
    if stat.S_IMODE(found.st_mode) & 0o022:
        raise _too_open(path, found.st_mode, "others than its owner may add keys")


def _too_open(path: Path, mode: int, why: str) -> ConfigError:
    return ConfigError(
        f"{path} has mode {stat.S_IMODE(mode):04o}: {why}; run: chmod 600 {path}, or mount the"
        " secret with defaultMode: 0400"
    )
