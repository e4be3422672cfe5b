"""A folder of bundles, whose voices are offered while they are in it.

A bundle in the folder is loaded once its files have settled and its seal verifies, so none is
loaded half-written. If loading fails, the bundle is refused until its files change, and any
previous voice of that name stays; if disk or memory was short, or another bundle had its name, it
is tried again. Copy a bundle next to the folder, then move it in: overwriting
in place would change files under the streams that use them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from math import inf
from pathlib import Path

from dlpo.bundle import MANIFEST
from dlpo.errors import ConfigError
from dlpo.operating_system import this_user
from dlpo_serving.operations.files import Clock
from dlpo_serving.voices.offered import LoadedVoice

_log = logging.getLogger(__name__)

SETTLE_S = 1.0  # a bundle must be unchanged for this long; a copy in progress changes faster
RETRY_S = 30.0  # until a bundle is tried again that was refused for want of disk or memory
OUTSIDE = (OSError, MemoryError)  # errors that are not the bundle's fault


@dataclass(frozen=True, slots=True)
class VoiceChange:
    """A voice to offer, replacing any of the same name, or to withdraw.

    Streams that use the old voice keep it until they end.
    """

    name: str
    voice: LoadedVoice | None = None
    """None withdraws it"""


@dataclass(slots=True)
class _Entry:
    """State of one entry of the folder."""

    state: object
    """state of its files after their last observed change; None if they are gone"""
    since_s: float
    tried: bool = False
    """whether this state has been loaded or refused"""
    offers: tuple[str, ...] = ()
    """names of the voices last loaded from this entry, the bundle's default first"""
    refused: str = ""
    """why this state was refused, as logged"""
    retry_s: float | None = None
    """when to try it again, if the reason may be gone by then; -inf: once a name is free"""


class VoiceDirectory:
    """Detects changes in a folder of bundles. Call it from one thread at a time."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        open_voice: Callable[[Path], LoadedVoice],
        taken: Collection[str] = (),
    ) -> None:
        """
        Args:
            path: the folder; each bundle in it is a directory or a .dlpo file.
            clock: seconds.
            open_voice: verifies, loads and warms a voice; if it raises, the bundle is refused.
            taken: names of voices from elsewhere, which can't be replaced from here.
        """
        self._path = path
        self._clock = clock
        self._open = open_voice
        self._taken = frozenset(taken)
        self._entries: dict[str, _Entry] = {}
        self._readable = True

    def poll(self) -> list[VoiceChange]:
        """The changes since the last call. Loads voices, so it may take a while."""
        found = self._scan()
        if found is None:
            return []
        events: list[VoiceChange] = []
        now_s = self._clock()
        for name in sorted(found.keys() | self._entries.keys()):
            state = found.get(name)
            entry = self._entries.setdefault(name, _Entry(state, now_s))
            if entry.state != state:
                entry.state = state
                entry.since_s = now_s
                entry.tried = False
                entry.refused, entry.retry_s = "", None
        settled = [
            name
            for name, entry in sorted(self._entries.items())
            if not entry.tried and now_s - entry.since_s >= SETTLE_S
        ]
        # What is gone for a while, not just between two renames, frees its names first.
        for name in [one for one in settled if self._entries[one].state is None]:
            events += self._withdraw(name)
        for name in [one for one in settled if one in self._entries]:
            events += self._take(self._path / name, self._entries[name], now_s)
        for entry in self._entries.values():
            if entry.retry_s is not None and now_s >= entry.retry_s:
                entry.tried, entry.retry_s = False, None
        return events

    def _scan(self) -> dict[str, object] | None:
        """Entry -> state of its files; None if the folder can't be read, and voices then stay."""
        try:
            names = sorted(entry.name for entry in os.scandir(self._path) if _is_candidate(entry))
            found = {name: _state(self._path / name) for name in names}  # errors are states
        except OSError as error:
            if self._readable:  # log once, not at every poll
                _log.error("voice directory can't be read: %s; keeping its voices", error)
            self._readable = False
            return None
        self._readable = True
        return found

    def _withdraw(self, name: str) -> list[VoiceChange]:
        offered = self._entries.pop(name).offers
        if not offered:
            return []
        self._names_are_free()
        _log.info("voice withdrawn voice=%s entry=%s", offered[0], name)
        return [VoiceChange(offered[0])]

    def _names_are_free(self) -> None:
        """Have entries tried again that were refused because another one had their name."""
        for entry in self._entries.values():
            if entry.retry_s == -inf:
                entry.tried, entry.retry_s = False, None

    def _take(self, path: Path, entry: _Entry, now_s: float) -> list[VoiceChange]:
        entry.tried = True
        try:
            voice = self._open(path)
        # Whatever error a file dropped here causes, the server carries on with the voices it has.
        except Exception as error:
            if isinstance(error, OUTSIDE) or isinstance(error.__cause__, OUTSIDE):
                entry.retry_s = now_s + RETRY_S
            return self._refuse(path, entry, f"{type(error).__name__}: {error}")
        others = (other.offers for other in self._entries.values() if other is not entry)
        taken = self._taken.union(*others)
        if twice := taken.intersection(voice.manifest.offered_voices):
            entry.retry_s = -inf
            message = f"voice {min(twice)!r} is already offered; export it under another name"
            return self._refuse(path, entry, message)
        name, before = voice.manifest.voice, entry.offers
        entry.offers = voice.manifest.offered_voices
        entry.refused = ""
        entry.retry_s = None
        if set(before) - set(entry.offers):
            self._names_are_free()
        _log.info("voice offered voice=%s entry=%s", name, path.name)
        withdrawn = [VoiceChange(before[0])] if before and before[0] != name else []
        return [*withdrawn, VoiceChange(name, voice)]

    def _refuse(self, path: Path, entry: _Entry, reason: str) -> list[VoiceChange]:
        if reason != entry.refused:  # once, however often it is tried
            _log.error("voice refused entry=%s reason=%s", path.name, reason)
        entry.refused = reason
        return []


def check_directory(path: Path) -> None:
    """Raise ConfigError unless the folder can be listed; for use at startup.

    Later it may be unavailable for a while, for example if it is mounted and its server restarts.
    """
    try:
        os.listdir(path)
    except OSError as error:
        raise ConfigError(
            f"voice directory {path} can't be read: {error.strerror}; create or mount it, and let"
            f" {this_user()} list it, before the server starts"
        ) from error


def _is_candidate(entry: os.DirEntry[str]) -> bool:
    """Whether an entry looks like a bundle: a .dlpo file or folder with a manifest, not hidden."""
    if entry.name.startswith("."):
        return False
    try:
        is_folder = entry.is_dir()
    except OSError:  # a link to itself: not a bundle, and no reason to stop looking
        return False
    if is_folder:
        return os.path.exists(os.path.join(entry.path, MANIFEST))
    return entry.name.endswith(".dlpo")


def _state(path: Path) -> object:
    """A value that changes whenever any file of a bundle does."""
    try:
        files = [path, *sorted(path.iterdir())] if path.is_dir() else [path]
        stats = [(file.name, file.stat()) for file in files]
    except OSError as error:  # being removed, or a broken link: loading it will report which
        return str(error)
    return [(name, stat.st_mtime_ns, stat.st_size, stat.st_ino) for name, stat in stats]
