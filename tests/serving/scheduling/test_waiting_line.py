"""Whole files in simulated time: they wait in order, all are served, and no live call pays."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dlpo_serving.errors import DeadlineError, OverloadError, PeerShareError
from dlpo_serving.scheduling.scheduler import Scheduler
from dlpo_serving.scheduling.stream import AdmissionPolicy, Costs, Stream
from dlpo_serving.scheduling.waiting_line import Waiting, WaitingLine
from tests.serving.scheduling.test_scheduler import (
    ALONE_S,
    LINES,
    Listener,
    SimulatedWork,
    Simulation,
    poisson,
)

TICK_S = 0.02  # between two attempts to admit files, as the lanes make
UNIT_S = 0.001 + 0.0001 * 158  # the longest


class Shop(Simulation):
    """A simulation in which files wait for their turn."""

    def __init__(self, policy: AdmissionPolicy | None = None, slowness: float = 1.0) -> None:
        super().__init__(policy, slowness=slowness, belief=slowness)
        self.line = WaitingLine(self.scheduler)
        self.files: list[Listener] = []
        self.begun: list[str] = []  # whose, in order

    def send(self, time_s: float, audio_s: float, peer: str = "") -> None:
        def arrive() -> None:
            stream = Stream(self.costs, 3, self.now, audio_s, live=False, peer=peer)
            wait(join(self.line, self.scheduler, stream))

        def wait(file: Waiting) -> None:
            self.line.admit(self.now)
            if not file.starts.done():
                self.at(self.now + TICK_S, lambda: wait(file))
                return
            file.stream.work = SimulatedWork(audio_s)
            self.files.append(Listener(file.stream))
            self._listener_of[file.stream] = self.files[-1]
            self.begun.append(peer)

        self.at(time_s, arrive)


@pytest.mark.parametrize("slowness", [1.0, 4.0])
def test_eighty_files_at_once_are_all_made_in_order(slowness: float) -> None:
    shop = Shop(slowness=slowness)
    for _ in range(3):
        shop.arrive(0.0, 20.0)
    for number in range(80):
        shop.send(1.0, 3.0, str(number))
    shop.run()
    assert shop.begun == [str(number) for number in range(80)]
    assert all(file.ended_s is not None for file in shop.files)
    assert sum(listener.underrun_s for listener in shop.listeners) == 0


def test_live_calls_are_admitted_and_heard_as_without_files() -> None:
    heard = []
    for files in (0, 50):
        shop = Shop()
        for _ in range(files):
            shop.send(0.0, 100.0)
        poisson(shop, 4.0, seconds=5.0)
        shop.run(until_s=5.0)
        first = [caller.first_audio_s or 0.0 for caller in shop.listeners]
        heard.append((len(first), np.percentile(first, 95)))
        assert sum(caller.underrun_s for caller in shop.listeners) < 0.001
    (alone, alone_s), (beside, beside_s) = heard
    assert beside > 0.9 * alone
    assert beside_s < alone_s + UNIT_S


def test_files_go_on_where_live_calls_fill_the_server() -> None:
    shop = Shop()
    for _ in range(5):
        shop.send(0.0, 10.0)
    poisson(shop, 4.0, seconds=15.0)
    shop.run(until_s=15.0)
    assert shop.refusals
    assert [file.ended_s is not None for file in shop.files] == [True] * 5


def test_a_live_call_does_not_wait_for_a_file() -> None:
    shop = Shop()
    for _ in range(20):
        shop.send(0.0, 900.0)
    for second in range(1, 10):
        shop.arrive(0.1 * second, 1.0)
    shop.run(until_s=1.5)
    assert not shop.refusals
    first = [caller.first_audio_s for caller in shop.listeners]
    assert first == [pytest.approx(ALONE_S)] * 9  # one lane has no file


def test_of_two_callers_the_one_with_fewer_files_is_next() -> None:
    shop = Shop(AdmissionPolicy(max_streams=4, peer_share=1.0))
    for _ in range(20):
        shop.send(0.0, 60.0, "greedy")
    for _ in range(3):
        shop.send(0.1, 60.0, "modest")
    shop.run()
    assert shop.begun[:4] == ["greedy"] * 4
    assert shop.begun[4:7].count("modest") >= 2
    assert len(shop.begun) == 23


def file_of(peer: str = "", **named: float) -> Stream:
    return Stream(Costs(LINES), 3, 0.0, 3.0, live=False, peer=peer, **named)


def join(line: WaitingLine, scheduler: Scheduler, stream: Stream) -> Waiting:
    return line.join(stream, lambda now: scheduler.admit(stream, now))


def test_the_line_is_bounded_for_all_and_for_each() -> None:
    scheduler = Scheduler(AdmissionPolicy(peer_share=0.5), lanes=1)
    line = WaitingLine(scheduler, most=4)
    for _ in range(2):
        join(line, scheduler, file_of("a"))
    with pytest.raises(PeerShareError):
        join(line, scheduler, file_of("a"))
    others = [join(line, scheduler, file_of(peer)) for peer in "bc"]
    with pytest.raises(OverloadError) as caught:
        join(line, scheduler, file_of("d"))
    assert caught.value.retry_after_s >= 0.1
    line.leave(others[0])  # its caller hangs up
    join(line, scheduler, file_of("d"))


def test_deadline_before_its_turn_is_reported() -> None:
    scheduler = Scheduler(AdmissionPolicy(), lanes=1)
    line = WaitingLine(scheduler)
    file = join(line, scheduler, file_of(ends_s=1.0))
    line.admit(1.0)
    assert isinstance(file.starts.exception(), DeadlineError)
    assert not len(line)


def test_many_files_of_one_caller_are_asked_for_once() -> None:
    scheduler, asked = Scheduler(AdmissionPolicy(max_streams=10, peer_share=0.5), 2), list[str]()
    line = WaitingLine(scheduler)
    for _ in range(5):
        scheduler.admit(file_of("a"), 0.0)

    def ask(now: float, stream: Stream) -> None:
        asked.append(stream.peer)
        scheduler.admit(stream, now)

    for peer in ["a"] * 100 + ["b"]:
        stream = file_of(peer)
        line.join(stream, partial(ask, stream=stream))
    line.admit(1.0)
    assert sorted(asked) == ["a", "b"]
    assert len(line) == 100
