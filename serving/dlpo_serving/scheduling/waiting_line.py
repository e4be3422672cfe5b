"""Whole files and later texts of conversations that wait for their turn.

First come, first served, in fair shares: the caller with the fewest files under way is next. Live
calls never wait: they are heard in time or refused.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from dlpo_serving.errors import CallRejectedError, OverloadError, PeerShareError
from dlpo_serving.scheduling.scheduler import MIN_RETRY_S, Scheduler
from dlpo_serving.scheduling.stream import Stream

MOST = 1_000  # that wait


@dataclass(slots=True, eq=False)
class Waiting:
    """A file before its turn, or text that does not fit yet."""

    stream: Stream
    ask: Callable[[float], object]
    """asks the scheduler for room, at a time, and raises what it answers"""
    refusal: OverloadError | None = None
    """why it waits"""
    starts: Future[None] = field(default_factory=Future)
    """done once there is room; fails if there never will be, for example by its deadline"""

    def refused_after(self, limit_s: float, setting: str) -> OverloadError:
        """The error if it has waited in vain for `limit_s`, the value of a setting."""
        why, retry_s = (str(self.refusal), self.refusal.retry_after_s) if self.refusal else ("", 0)
        message = f"its turn did not come within {limit_s:g} s ({setting}); {why}".rstrip("; ")
        return OverloadError(message, max(retry_s, MIN_RETRY_S))


class WaitingLine:
    """Without a clock or thread, like the scheduler. Call it from one thread at a time."""

    def __init__(self, scheduler: Scheduler, most: int = MOST) -> None:
        self._scheduler = scheduler
        self._most = most
        self._line: dict[Waiting, None] = {}  # in order of arrival

    def __len__(self) -> int:
        return len(self._line)

    def join(self, stream: Stream, ask: Callable[[float], object]) -> Waiting:
        """Wait at the end.

        Raises:
            OverloadError: too many wait already, in all or of this caller.
        """
        share = self._scheduler.policy.peer_share
        own = sum(one.stream.peer == stream.peer for one in self._line)
        if len(self) >= self._most:
            raise OverloadError(f"{len(self)} wait already; try again later", self._retry_s())
        if stream.peer and own >= share * self._most:
            what = f"{own} of this caller wait already (peer_share); try again later"
            raise PeerShareError(what, self._retry_s())
        waiting = Waiting(stream, ask)
        self._line[waiting] = None
        return waiting

    def leave(self, waiting: Waiting) -> None:
        """Take out what gives up, or has found room."""
        self._line.pop(waiting, None)
        waiting.stream.waiting_s = 0.0

    def admit(self, now: float) -> None:
        """Ask for room until there is none; callers with too much of their own are passed by."""
        full: set[str] = set()  # peers; hundreds of files of one are asked for once
        while ahead := [one for one in self._line if one.stream.peer not in full]:
            first = min(ahead, key=lambda one: self._scheduler.held(one.stream.peer, False))
            error: CallRejectedError | None = None
            try:
                first.ask(now)
            except OverloadError as refusal:
                first.refusal = refusal
                if not isinstance(refusal, PeerShareError):
                    return
                full.add(first.stream.peer)
                continue
            except CallRejectedError as never:
                error = never
            self.leave(first)
            if not first.starts.set_running_or_notify_cancel():  # it has just given up
                self._scheduler.remove(first.stream)
            elif error:
                first.starts.set_exception(error)
            else:
                first.starts.set_result(None)

    def _retry_s(self) -> float:
        return next((one.refusal.retry_after_s for one in self._line if one.refusal), MIN_RETRY_S)
