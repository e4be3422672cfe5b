"""A folder of bundles that may come, change and go while the server speaks.

A bundle is taken when it has rested for a while and its seal is sound, so that none is taken half
written. One that can't be loaded is refused, once for each state of its files, and the one of that
name that was there before stays. Copy a bundle beside the folder and move it in: what is written
over in place would change under the streams that are using it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from dlpo.bundle import MANIFEST, Manifest
from dlpo.errors import ConfigError
from dlpo_serving.operations.files import Clock

SETTLE_S = 1.0  # that no file of a bundle may have changed for; a copy under way changes faster

_log = logging.getLogger(__name__)


class Voice(Protocol):
    """What is loaded of a bundle, such as a `Synthesizer`."""

    @property
    def manifest(self) -> Manifest:
        """What the bundle says of itself."""
        ...


V = TypeVar("V", bound=Voice)


@dataclass(frozen=True, slots=True)
class VoiceAdded(Generic[V]):
    """A voice is to be offered, in place of one of the same name if there is one.

    Streams that speak with the old one keep it to their end.
    """

    name: str
    voice: V


@dataclass(frozen=True, slots=True)
class VoiceRemoved:
    """A voice is no longer to be offered to new streams; its last stream frees it."""

    name: str


@dataclass(frozen=True, slots=True)
class VoiceRefused:
    """A bundle can't be used; nothing changes."""

    path: Path
    reason: str


@dataclass(slots=True)
class _Entry:
    """What is known of one name in the folder."""

    state: object
    """of its files, when they were last seen to change; None when they are gone"""
    since_s: float
    tried: bool = False
    """whether this state was loaded, or refused"""
    offers: str = ""
    """name of the voice that was last loaded from here"""


class VoiceDirectory(Generic[V]):
    """Tells what has changed in a folder of bundles. Calls come from one thread at a time."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        open_voice: Callable[[Path], V],
        taken: Collection[str] = (),
        settle_s: float = SETTLE_S,
    ) -> None:
        """
        Args:
            path: the folder; each bundle is a directory or a .dlpo file in it.
            clock: seconds.
            open_voice: verifies, loads and warms one; what it raises refuses the bundle.
            taken: names of voices that come from elsewhere and can't be replaced from here.
            settle_s: how long the files of a bundle must have rested.
        """
        self._path = path
        self._clock = clock
        self._open = open_voice
        self._taken = frozenset(taken)
        self._settle_s = settle_s
        self._entries: dict[str, _Entry] = {}
        self._readable = True

    def poll(self) -> list[VoiceAdded[V] | VoiceRemoved | VoiceRefused]:
        """What is to be done since the last call. Loads voices, so it may take a while."""
        found = self._scan()
        if found is None:
            return []
        events: list[VoiceAdded[V] | VoiceRemoved | VoiceRefused] = []
        now_s = self._clock()
        for name in sorted(found.keys() | self._entries.keys()):
            state = found.get(name)
            entry = self._entries.setdefault(name, _Entry(state, now_s))
            if entry.state != state:
                entry.state, entry.since_s, entry.tried = state, now_s, False
            if entry.tried or now_s - entry.since_s < self._settle_s:
                continue
            entry.tried = True
            if state is None:  # for a while now, and not just between two renames
                events += self._withdraw(name)
            else:
                events += self._take(self._path / name, entry)
        return events

    def _scan(self) -> dict[str, object] | None:
        """Entry -> state of its files; None, with what is offered kept, if it can't be read."""
        try:
            names = sorted(entry.name for entry in os.scandir(self._path) if _is_candidate(entry))
            found = {name: _state(self._path / name) for name in names}
        except OSError as error:
            if self._readable:  # once, not at every poll
                _log.error("voice directory can't be read: %s; its voices stay", error)
            self._readable = False
            return None
        self._readable = True
        return found

    def _withdraw(self, name: str) -> list[VoiceRemoved]:
        offered = self._entries.pop(name).offers
        if not offered:
            return []
        _log.info("voice withdrawn voice=%s entry=%s", offered, name)
        return [VoiceRemoved(offered)]

    def _take(self, path: Path, entry: _Entry) -> list[VoiceAdded[V] | VoiceRemoved | VoiceRefused]:
        try:
            voice = self._open(path)
        # Whatever a file dropped here makes a run-time do, the server goes on with what it has.
        except Exception as error:
            return [_refused(path, f"{type(error).__name__}: {error}")]
        name = voice.manifest.voice
        others = {other.offers for other in self._entries.values() if other is not entry}
        if name in self._taken | others:
            return [_refused(path, f"voice {name!r} is offered already; export it by another name")]
        events: list[VoiceAdded[V] | VoiceRemoved | VoiceRefused] = []
        if entry.offers not in ("", name):
            events.append(VoiceRemoved(entry.offers))
        entry.offers = name
        _log.info("voice offered voice=%s entry=%s", name, path.name)
        return [*events, VoiceAdded(name, voice)]


def check_directory(path: Path) -> None:
    """Raise ConfigError unless the folder can be listed, as it should be at a server's start.

    Later it may be away for a while, as a mounted one is when its server restarts.
    """
    try:
        os.listdir(path)
    except OSError as error:
        raise ConfigError(
            f"voice directory {path} can't be read: {error.strerror}; create or mount it, and let"
            f" user {os.geteuid()} list it, before the server starts"
        ) from error


def _refused(path: Path, reason: str) -> VoiceRefused:
    _log.error("voice refused entry=%s reason=%s", path.name, reason)
    return VoiceRefused(path, reason)


def _is_candidate(entry: os.DirEntry[str]) -> bool:
    """Whether an entry means to be a bundle: .dlpo, or a folder with a manifest; no hidden ones."""
    if entry.name.startswith("."):
        return False
    if entry.is_dir():
        return os.path.exists(os.path.join(entry.path, MANIFEST))
    return entry.name.endswith(".dlpo")


def _state(path: Path) -> object:
    """What changes when any file of a bundle does."""
    try:
        files = [path, *sorted(path.iterdir())] if path.is_dir() else [path]
        stats = [(file.name, file.stat()) for file in files]
    except OSError as error:  # on its way out, or a link to nowhere: loading it will tell
        return str(error)
    return [(name, stat.st_mtime_ns, stat.st_size, stat.st_ino) for name, stat in stats]
