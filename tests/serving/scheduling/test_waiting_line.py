"""Bursts in simulated time: calls that can't start at once wait in order, and nobody else pays."""

from __future__ import annotations

from typing import Any

import pytest

from dlpo_serving.errors import CallRejectedError, DeadlineError, OverloadError, PeerShareError
from dlpo_serving.scheduling.scheduler import Scheduler
from dlpo_serving.scheduling.stream import AdmissionPolicy, Costs, Stream
from dlpo_serving.scheduling.waiting_line import WaitingCall, WaitingLine
from tests.serving.scheduling.test_scheduler import LINES, Listener, SimulatedWork, Simulation

TICK_S = 0.02  # between two attempts to admit waiting calls, as the lanes make


class Queue(Simulation):
    """A simulation whose callers wait for a while."""

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self.line = WaitingLine(self.scheduler)
        self.waited_s: list[float] = []
        self.order_of_start: list[int] = []

    def call(self, time_s: float, audio_s: float, patience_s: float, **of_stream: Any) -> None:
        number = len(self._events)

        def start(stream: Stream) -> None:
            stream.work = SimulatedWork(audio_s)
            self.listeners.append(Listener(stream))
            self._listener_of[stream] = self.listeners[-1]
            self.waited_s.append(self.now - time_s)
            self.order_of_start.append(number)

        def arrive() -> None:
            stream = Stream(self.costs, 3, self.now, audio_s, **of_stream)
            try:
                if refusal := self.line.refusal:
                    raise OverloadError(str(refusal), refusal.retry_after_s)
                self.scheduler.admit(stream, self.now)
            except OverloadError as error:
                call = self.line.join(stream, error)
                self.at(self.now + patience_s, lambda: give_up(call))
                wait(call)
                return
            start(stream)

        def wait(call: WaitingCall) -> None:
            self.line.admit(self.now)
            if not call.starts.done():
                if call in self.line._calls:
                    self.at(self.now + TICK_S, lambda: wait(call))
            elif not call.stream.work:
                start(call.stream)

        def give_up(call: WaitingCall) -> None:
            if not call.starts.done():
                self.line.leave(call)
                self.refusals.append(self.line.refused(call.refusal, self.now))
                self.refused_s.append(self.now)

        self.at(time_s, arrive)


@pytest.mark.parametrize(
    ("callers", "slowness"), [(20, 1.0), (40, 1.0), (20, 2.0), (20, 3.0), (10, 4.0)]
)
def test_a_burst_waits_instead_of_being_refused(callers: int, slowness: float) -> None:
    refused = []
    for patience_s in (0.0, 1.0):
        queue = Queue(slowness=slowness, belief=slowness)
        for _ in range(3):  # which play already
            queue.arrive(0.0, 20.0)
        for _ in range(callers):
            queue.call(5.0, 3.0, patience_s)
        queue.run()
        refused.append(len(queue.refusals))
        assert sum(listener.underrun_s for listener in queue.listeners[:3]) == 0
        assert queue.order_of_start == sorted(queue.order_of_start)
        if patience_s:
            late_s = [one.first_audio_s or 0.0 for one in queue.listeners[3:]]
            assert max(late_s) < 0.5  # once they start
    without, with_line = refused
    assert without >= callers / 4
    assert with_line == 0


def test_callers_refused_together_retry_in_turn() -> None:
    queue = Queue(slowness=4.0, belief=4.0)
    for _ in range(60):
        queue.call(0.0, 3.0, 1.0)
    queue.run(1.5)
    returns_s = [
        at + error.retry_after_s
        for error, at in zip(queue.refusals, queue.refused_s, strict=True)
        if isinstance(error, OverloadError)
    ]
    assert len(returns_s) > 20
    assert returns_s == sorted(returns_s)
    assert len({round(one, 2) for one in returns_s}) > 10


def test_a_share_of_its_own_does_not_hold_up_others() -> None:
    scheduler = Scheduler(AdmissionPolicy(max_streams=4, peer_share=0.5), lanes=2)
    line = WaitingLine(scheduler)
    greedy = [Stream(Costs(LINES), 3, 0.0, 3.0, peer="greedy") for _ in range(3)]
    for one in greedy[:2]:
        scheduler.admit(one, 0.0)
    with pytest.raises(OverloadError) as caught:
        scheduler.admit(greedy[2], 0.0)
    waits = line.join(greedy[2], caught.value)
    assert line.refusal is None  # so that others try at once
    other = line.join(Stream(Costs(LINES), 3, 0.0, 3.0, peer="other"), caught.value)
    line.admit(0.1)
    assert other.starts.done()
    assert not waits.starts.done()
    scheduler.remove(greedy[0])
    line.admit(0.2)
    assert waits.starts.done()


def test_deadline_before_its_turn_is_reported() -> None:
    scheduler = Scheduler(AdmissionPolicy(), lanes=1)
    line = WaitingLine(scheduler)
    hopeless = Stream(Costs(LINES), 3, 0.0, 3.0, ends_s=1.0)
    call = line.join(hopeless, OverloadError("full", 0.1))
    line.admit(1.0)
    error = call.starts.exception()
    assert isinstance(error, CallRejectedError)
    assert isinstance(error, DeadlineError)
    assert not len(line)


def test_many_calls_of_one_caller_are_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    queue, asked = Queue(policy=AdmissionPolicy(max_streams=10, peer_share=0.5)), list[str]()
    for _ in range(5):
        queue.scheduler.admit(Stream(queue.costs, 3, 0.0, 0.0, more_text=True, peer="a"), 0.0)
    for peer in ["a"] * 100 + ["b"]:
        stream = Stream(queue.costs, 3, 0.0, 1.0, peer=peer)
        queue.line.join(stream, PeerShareError("its share is taken", 1.0))
    admit = queue.scheduler.admit

    def noting(stream: Stream, now: float) -> Stream | None:
        asked.append(stream.peer)
        return admit(stream, now)

    monkeypatch.setattr(queue.scheduler, "admit", noting)
    queue.line.admit(1.0)
    assert asked == ["a", "b"]
    assert len(queue.line) == 100
