"""Bearer tokens: who may call. Their file holds only hashes, and is reloaded when it changes.

    [[key]]
    caller = "alice"
    sha256 = "…"                     # of the token, which `dlpo keys new` printed once

    [quota.alice]                    # optional; see `Quota`
    max_streams = 4
    characters_per_minute = 20000

A caller may have several keys, so that a new one can be issued before the old one is deleted.
Tokens have 256 random bits, so their plain hashes can't be brute-forced.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from dlpo.config.fields import Count, Positive
from dlpo.config.strict import check, from_dict
from dlpo.errors import ConfigError, InputError
from dlpo_serving.errors import UnauthenticatedError
from dlpo_serving.operations.files import Clock, Reloaded, check_mode, read_toml

CALLER = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"  # its name: apart from ".", also a bare TOML key

_SEND = "send it as 'authorization: Bearer TOKEN', a header or metadata"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One accepted token."""

    caller: str
    """name of its holder; appears in logs"""
    sha256: str
    """of the token, in 64 lower-case hex digits"""

    def __post_init__(self) -> None:
        if not re.fullmatch(CALLER, self.caller):
            raise ConfigError(f"key.caller is {self.caller!r}; expected {CALLER}")
        if not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ConfigError(
                f"key.sha256 of {self.caller} is {len(self.sha256)} characters long; expected 64"
                ' lower-case hex digits, as "dlpo keys new" writes them'
            )


@dataclass(frozen=True, slots=True)
class Quota:
    """A caller's quota; None means no limit."""

    max_streams: Count | None = None
    """calls spoken concurrently"""
    characters_per_minute: Positive | None = None
    """of text; one minute's worth may arrive at once"""
    audio_s_per_minute: Positive | None = None
    """seconds of audio; one minute's worth may be generated at once"""

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True)
class Keys:
    """The content of a keys file."""

    key: tuple[ApiKey, ...] = ()
    quota: dict[str, Quota] = field(default_factory=dict)
    """caller -> its quota"""

    def __post_init__(self) -> None:
        callers = {key.caller for key in self.key}
        if unknown := sorted(self.quota.keys() - callers):
            raise ConfigError(
                f"quota.{unknown[0]}: no such caller; callers are {', '.join(sorted(callers))}"
            )
        hashes = [key.sha256 for key in self.key]
        for key in self.key:
            if hashes.count(key.sha256) > 1:
                raise ConfigError(f"duplicate key for {key.caller}; delete one")


def read_keys(path: Path) -> Keys:
    """Read a keys file.

    Raises:
        ConfigError: it can't be read, is not TOML, is invalid, or others may write it.
    """
    content = read_toml(path, "keys file")
    try:
        check_mode(path, 0o022, "others than its owner may add keys")
        return from_dict(Keys, content)
    except (OSError, ConfigError) as error:
        raise ConfigError(f"keys file {path}: {error}") from error


def new_key(path: Path, caller: str) -> str:
    """Make a token for `caller`, add its hash to the keys file, and return the token.

    Raises:
        InputError: `caller` is not a valid name.
        ConfigError: the existing file can't be read.
    """
    if not re.fullmatch(CALLER, caller):
        raise InputError(f"the caller's name is {caller!r}; expected {CALLER}")
    if path.exists():
        read_keys(path)  # fail here rather than append a key that won't work
    token = f"dlpo_{secrets.token_urlsafe(32)}"
    block = f'\n[[key]]\ncaller = "{caller}"\nsha256 = "{_hash(token)}"\n'
    # A single append: a server that reads concurrently sees the whole key or none of it.
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    try:
        descriptor = os.open(path, flags, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(block)
    except OSError as error:
        raise InputError(f"can't write {path}: {error.strerror}") from error
    return token


def bearer_token(headers: Sequence[str]) -> str:
    """The token in the values of a call's `authorization` headers.

    NVIDIA's client sends its header twice over TLS, with the call and with the channel.

    Raises:
        UnauthenticatedError: there isn't exactly one value, or its scheme is not Bearer.
    """
    if len(set(headers)) != 1:
        got = f"{len(headers)} authorization headers received" if headers else "no token received"
        raise UnauthenticatedError(f"{got}; {_SEND}")
    scheme, _, token = headers[0].strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthenticatedError(f"the authorization header is not a Bearer token; {_SEND}")
    return token.strip()


class KeyRing:
    """The current keys of a file. For one thread at a time."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Raises ConfigError if the file can't be used."""
        self._keys = Reloaded([path], partial(read_keys, path), clock)

    def authorize(self, token: str) -> str:
        """The name of the caller whose token this is.

        Raises:
            UnauthenticatedError: the token is unknown.
        """
        found = ""
        wanted = _hash(token)
        for key in self._keys.value().key:  # all of them, so that timing reveals nothing
            if hmac.compare_digest(key.sha256, wanted):
                found = key.caller
        if not found:
            raise UnauthenticatedError("unknown token; ask the operator for one")
        return found

    def quota(self, caller: str) -> Quota | None:
        """The caller's quota, unlimited if the file has none; None if the caller has no key."""
        keys = self._keys.value()
        if any(key.caller == caller for key in keys.key):
            return keys.quota.get(caller, Quota())
        return None


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
