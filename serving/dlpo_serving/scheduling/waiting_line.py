"""Calls that can't start now and wait in order, since most of a burst has room a moment later.

Calls that are being spoken never pay for them: each is admitted by the same tests as a call that
arrives at that moment.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field

from dlpo_serving.errors import CallRejectedError, OverloadError, PeerShareError
from dlpo_serving.scheduling.scheduler import MAX_RETRY_S, MIN_RETRY_S, Scheduler
from dlpo_serving.scheduling.stream import Stream

PACE = 0.2  # weight of the latest interval between two admissions


@dataclass(slots=True, eq=False)
class WaitingCall:
    """A call in the line."""

    stream: Stream
    refusal: OverloadError
    """why it waits"""
    starts: Future[None] = field(default_factory=Future)
    """done once it is admitted; fails if it never will be"""


class WaitingLine:
    """Without a clock or thread, like the scheduler. Call it from one thread at a time."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._calls: deque[WaitingCall] = deque()  # in order of arrival
        self._admitted_s: float | None = None
        self._interval_s = MIN_RETRY_S  # between two admissions from the line
        self._promised_s = 0.0  # the latest time for which a refused call was asked to return

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def refusal(self) -> OverloadError | None:
        """Why a newcomer has to wait, too; None if nobody waits, but for a share of its own."""
        waiting = (call.refusal for call in self._calls)
        return next((one for one in waiting if not isinstance(one, PeerShareError)), None)

    def join(self, stream: Stream, refusal: OverloadError) -> WaitingCall:
        """Add a call at the end."""
        call = WaitingCall(stream, refusal)
        self._calls.append(call)
        return call

    def leave(self, call: WaitingCall) -> None:
        """Remove a call that gives up, or has started."""
        if call in self._calls:
            self._calls.remove(call)

    def admit(self, now: float) -> list[Stream]:
        """Admit calls, oldest first, until one does not fit.

        Calls of a caller that has used up its share are passed by, so that others need not wait.

        Returns:
            Idle streams that lost their slots, see `Scheduler.admit`.
        """
        displaced = []
        full: set[str] = set()  # peers; hundreds of calls of one are asked for once
        for call in tuple(self._calls):
            if call.stream.peer in full:
                continue
            refusal = None
            call.stream.arrived_s = now
            try:
                if lost := self._scheduler.admit(call.stream, now):
                    displaced.append(lost)
            except OverloadError as error:
                call.refusal = error
                if not isinstance(error, PeerShareError):
                    break
                full.add(call.stream.peer)
                continue
            except CallRejectedError as error:
                refusal = error
            self._calls.remove(call)
            if refusal is None:
                self._note_admission(now)
            if not call.starts.set_running_or_notify_cancel():  # it has just given up
                if refusal is None:
                    self._scheduler.remove(call.stream)
            elif refusal:
                call.starts.set_exception(refusal)
            else:
                call.starts.set_result(None)
        return displaced

    def refused(self, error: OverloadError, now: float) -> OverloadError:
        """The error for a call that found no place, with the time at which there will be one.

        Calls that are refused together return one after another, at the pace of the line.
        """
        behind_s = len(self._calls) * self._interval_s
        earliest_s = now + max(error.retry_after_s, MIN_RETRY_S) + behind_s
        self._promised_s = max(earliest_s, self._promised_s + self._interval_s)
        error.retry_after_s = min(self._promised_s - now, MAX_RETRY_S)
        return error

    def _note_admission(self, now: float) -> None:
        if self._admitted_s is not None:
            interval_s = min(now - self._admitted_s, 1.0)
            self._interval_s += PACE * (interval_s - self._interval_s)
        self._admitted_s = now
