"""Whole files that wait for their turn: nobody hears them yet, so they take what lanes are free.

First come, first served, in fair shares: the caller with the fewest files under way is next.
Live calls never wait for them.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field

from dlpo_serving.errors import CallRejectedError, OverloadError, PeerShareError
from dlpo_serving.scheduling.scheduler import MAX_RETRY_S, MIN_RETRY_S, Scheduler
from dlpo_serving.scheduling.stream import Stream

MOST_FILES = 1_000  # that wait


@dataclass(slots=True, eq=False)
class WaitingFile:
    """A whole file in the queue."""

    stream: Stream
    starts: Future[None] = field(default_factory=Future)
    """done once it is admitted; fails if it never will be"""


class FileQueue:
    """Without a clock or thread, like the scheduler. Call it from one thread at a time."""

    def __init__(self, scheduler: Scheduler, most: int = MOST_FILES) -> None:
        self._scheduler = scheduler
        self._most = most
        self._files: dict[WaitingFile, None] = {}  # in order of arrival

    def __len__(self) -> int:
        return len(self._files)

    def join(self, stream: Stream, now: float) -> WaitingFile:
        """Add a file at the end.

        Raises:
            OverloadError: too many wait already, in all or of this caller.
        """
        if len(self) >= self._most:
            raise OverloadError(
                f"{self._most} whole files wait already; try again later", self._retry_after_s(now)
            )
        share = self._scheduler.policy.peer_share
        own = sum(file.stream.peer == stream.peer for file in self._files)
        if stream.peer and share * self._most <= own:
            raise PeerShareError(
                f"{own} files of this caller wait already (peer_share); try again later",
                self._retry_after_s(now),
            )
        file = WaitingFile(stream)
        self._files[file] = None
        return file

    def leave(self, file: WaitingFile) -> None:
        """Remove a file whose caller gives up, or that has started."""
        self._files.pop(file, None)

    def admit(self, now: float) -> None:
        """Admit files until one does not fit; those of a caller with too many are passed by."""
        full: set[str] = set()  # peers; hundreds of files of one are asked for once
        while waiting := [file for file in self._files if file.stream.peer not in full]:
            file = min(waiting, key=lambda file: self._scheduler.held(file.stream.peer, False))
            refusal = None
            try:
                self._scheduler.admit(file.stream, now)
            except PeerShareError:
                full.add(file.stream.peer)
                continue
            except OverloadError:
                return
            except CallRejectedError as error:
                refusal = error
            self.leave(file)
            if not file.starts.set_running_or_notify_cancel():  # its caller has just given up
                self._scheduler.remove(file.stream)
            elif refusal:
                file.starts.set_exception(refusal)
            else:
                file.starts.set_result(None)

    def refusal(self, queue_s: float, now: float) -> OverloadError:
        """The error for a file that has waited for `queue_s` in vain."""
        return OverloadError(
            f"the file's turn did not come within {queue_s:g} s (queue_s); try again later, or"
            " another server",
            self._retry_after_s(now),
        )

    def _retry_after_s(self, now: float) -> float:
        """Predicted seconds until one more file starts: until one that is being made is ready."""
        return min(max(self._scheduler.file_after_s(now), MIN_RETRY_S), MAX_RETRY_S)
