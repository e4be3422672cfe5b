"""Who is computed next, and who is refused: a server in simulated time, callers who listen."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from math import ceil, inf
from typing import Any

import numpy as np
import pytest

from dlpo_serving.engine import Stage, Unit
from dlpo_serving.errors import CallRejectedError, DeadlineError, OverloadError
from dlpo_serving.scheduling.scheduler import Batch, Scheduler
from dlpo_serving.scheduling.stream import AdmissionPolicy, CostLines, Costs, Line, Stream

FRAMES_PER_SECOND = 75
LADDER = (8, 24, 64, 128)  # frames
CONTEXT = 15  # frames each side

LINES = CostLines(
    encode=Line(0.002, 0.0),
    frames=Line(0.003, 0.0),
    denoise=Line(0.001, 0.0001),
    steps=3,
    startup=((8 / 75, 0.0098), (32 / 75, 0.0162), (96 / 75, 0.0266), (224 / 75, 0.0434)),
    audio_second_s=0.0135,
    frames_per_second=FRAMES_PER_SECOND,
)
CAPACITY = 2 / (0.0002 * 75)  # seconds of audio that two lanes make in a second: 133
ALONE_S = 0.002 + 0.003 + 0.001 + 0.0001 * 38  # first audio of a caller who is alone


def lines_times(factor: float) -> CostLines:
    """`LINES` of a machine that is slower by `factor`."""

    def slower(line: Line) -> Line:
        return Line(factor * line.fixed_s, factor * line.per_item_s)

    return replace(
        LINES,
        encode=slower(LINES.encode),
        frames=slower(LINES.frames),
        denoise=slower(LINES.denoise),
        startup=tuple((made_s, factor * spent_s) for made_s, spent_s in LINES.startup),
        audio_second_s=factor * LINES.audio_second_s,
    )


class SimulatedWork:
    """An utterance of so many seconds, with the stages and chunks of a real one."""

    def __init__(self, audio_s: float, voice: str = "v") -> None:
        frames = round(audio_s * FRAMES_PER_SECOND)
        sizes = itertools.chain(LADDER, itertools.repeat(LADDER[-1]))
        stages: list[tuple[Stage, int, float]] = [("encode", 60, 0.0), ("frames", 40, 0.0)]
        while frames > 0:
            size = min(next(sizes), frames)
            frames -= size
            stages.append(("denoise", size + 2 * CONTEXT, size / FRAMES_PER_SECOND))
        self._units = [  # and the audio that comes of each
            (Unit(stage, size, 3, voice), made) for stage, size, made in stages
        ]

    @property
    def next_unit(self) -> Unit | None:
        return self._units[0][0] if self._units else None

    @property
    def done(self) -> bool:
        return not self._units

    def compute(self) -> float:
        """Seconds of audio that the next unit makes."""
        return self._units.pop(0)[1]


@dataclass(eq=False)
class Listener:
    """What one caller saw."""

    stream: Stream
    first_audio_s: float | None = None
    """after its arrival"""
    underrun_s: float = 0.0
    ended_s: float | None = None
    batches: list[int] = field(default_factory=list)


class Simulation:
    """Runs a scheduler; events are (time, what to do)."""

    def __init__(
        self,
        policy: AdmissionPolicy | None = None,
        lanes: int = 2,
        slowness: float = 1.0,  # of the machine; may be changed while it runs
        belief: float = 1.0,  # the slowness that warm-up found
        contention: float = 1.0,  # time of a unit while most lanes are busy / while most are idle
    ) -> None:
        self.costs = Costs(lines_times(belief))
        self._true_costs = Costs(LINES)
        self._contention = contention
        self._lanes = lanes
        self.now = 0.0
        self.scheduler = Scheduler(policy or AdmissionPolicy(), lanes)
        self.listeners: list[Listener] = []
        self._listener_of: dict[Stream, Listener] = {}
        self._waiting_text: deque[tuple[Stream, float]] = deque()
        self.refusals: list[CallRejectedError] = []
        self.refused_s: list[float] = []  # when each of these was given
        self.order: list[Listener] = []  # whose unit was computed, in order
        self.busy_s = 0.0
        self.slowness = slowness
        self._free_lanes = lanes
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()

    def at(self, time_s: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time_s, next(self._number), action))

    def arrive(self, time_s: float, audio_s: float, *, voice: str = "v", **of_stream: Any) -> None:
        def arrive() -> None:
            stream = Stream(self.costs, 3, self.now, audio_s, **of_stream)
            try:
                self.scheduler.admit(stream, self.now)
            except CallRejectedError as error:
                self.refusals.append(error)
                self.refused_s.append(self.now)
                return
            stream.work = SimulatedWork(audio_s, voice)
            self.listeners.append(Listener(stream))
            self._listener_of[stream] = self.listeners[-1]

        self.at(time_s, arrive)

    def converse(self, time_s: float, text_s: float, audio_s: float, peer: str = "") -> None:
        """A call that begins without text, and gets some at `text_s`; it waits until that fits."""
        stream = Stream(self.costs, 3, time_s, 0.0, peer=peer, more_text=True)

        def begin() -> None:
            self.scheduler.admit(stream, self.now)
            self._listener_of[stream] = Listener(stream)

        def speak() -> None:
            self._waiting_text.append((stream, audio_s))
            if len(self._waiting_text) == 1:
                self._retry()

        self.at(time_s, begin)
        self.at(text_s, speak)

    def _retry(self) -> None:
        """Admit text in its order, as far as it fits, as the lanes do."""
        while self._waiting_text:
            stream, audio_s = self._waiting_text[0]
            try:
                self.scheduler.extend(stream, audio_s, self.now)
            except OverloadError:
                self.at(self.now + 0.05, self._retry)
                return
            self._waiting_text.popleft()
            stream.add_text(audio_s, self.now)
            stream.work = SimulatedWork(audio_s)
            self.listeners.append(self._listener_of[stream])

    def hang_up(self, audio_s: float) -> Callable[[], None]:
        """The caller who came last and wants so much audio leaves, if one does."""

        def leave() -> None:
            for listener in reversed(self.listeners):
                if listener.stream.expected_audio_s == audio_s:
                    self.scheduler.remove(listener.stream)
                    return

        return leave

    def run(self, until_s: float = float("inf")) -> None:
        while self._events and self._events[0][0] <= until_s:
            self.now, _, action = heapq.heappop(self._events)
            action()
            self._fill_lanes()

    def _fill_lanes(self) -> None:
        while self._free_lanes:
            batch = self.scheduler.next_batch(self.now)
            if batch is None:
                wake_s = self.scheduler.next_urgency_s()
                if self.now < wake_s < float("inf"):
                    self.at(wake_s, lambda: None)
                return
            self._free_lanes -= 1
            rows, busy_lanes = len(batch.streams), self.scheduler.busy_lanes
            cost_s = self.slowness * self._true_costs._line_s(batch.unit, rows)
            if 2 * busy_lanes <= self._lanes:
                cost_s /= self._contention
            self.busy_s += cost_s

            self.at(self.now + cost_s, partial(self._finish, batch, cost_s, busy_lanes))

    def _finish(self, batch: Batch, cost_s: float, busy_lanes: int) -> None:
        rows = len(batch.streams)
        self.costs.observe_unit(batch.unit, rows, cost_s, busy_lanes, self._lanes)
        self._free_lanes += 1
        made = []
        for stream in batch.streams:
            assert isinstance(stream.work, SimulatedWork)
            listener = self._listener_of[stream]
            self.order.append(listener)
            listener.batches.append(len(batch.streams))
            if stream.started_s is not None:
                listener.underrun_s += max(-stream.ahead_s(self.now), 0.0)
            made.append(stream.work.compute())
            if made[-1] and listener.first_audio_s is None:
                listener.first_audio_s = self.now - stream.arrived_s
        self.scheduler.finished(batch, self.now, made)
        for stream, audio_s in zip(batch.streams, made, strict=True):
            if audio_s:
                self.scheduler.heard(stream, self.now)
            stream.untaken_s = 0.0  # callers take their audio
            if stream.work and stream.work.done:
                self.scheduler.remove(stream)
                self._listener_of[stream].ended_s = self.now


def poisson(
    simulation: Simulation, load: float, seconds: float, mean_s: float = 5.0, named: bool = False
) -> None:
    """Callers of mixed lengths, who together ask for `load` times the capacity; every second of
    them names a latest first audio if `named`."""
    generator = random.Random(1)
    time_s = 0.0
    while time_s < seconds:
        time_s += generator.expovariate(load * CAPACITY / mean_s)
        audio_s = generator.uniform(0.5, 2 * mean_s - 0.5)
        first_audio_s = generator.choice([None, generator.uniform(0.01, 0.05)]) if named else None
        simulation.arrive(time_s, audio_s, first_audio_s=first_audio_s)


def test_deadline_refuses_unary_but_truncates_stream() -> None:
    simulation = Simulation()
    simulation.arrive(0.0, 5.0)  # alone, and served at once
    simulation.arrive(9.0, 5.0, ends_s=9.0 + 0.5 * ALONE_S)
    simulation.arrive(9.0, 600.0, ends_s=10.0, live=False)  # a file
    simulation.arrive(9.0, 600.0, ends_s=10.0)
    simulation.run(until_s=9.0)
    assert simulation.listeners[0].first_audio_s == pytest.approx(ALONE_S)
    assert simulation.listeners[0].underrun_s == 0
    assert len(simulation.listeners) == 2
    assert [type(refusal) for refusal in simulation.refusals] == [DeadlineError] * 2


def test_newcomer_takes_the_lane_of_a_stream_far_ahead() -> None:
    simulation = Simulation()
    simulation.arrive(0.0, 600.0)
    simulation.arrive(0.0, 600.0)
    simulation.arrive(1.0, 5.0)
    simulation.run(until_s=2.0)
    assert simulation.listeners[2].first_audio_s == pytest.approx(ALONE_S)


def test_stream_about_to_run_dry_goes_first() -> None:
    one = Simulation(AdmissionPolicy(early_chunks=1e6), lanes=1)
    many = Simulation(AdmissionPolicy(burst_utilisation=inf, max_first_audio_s=inf), 1, 3.0, 3.0)
    for simulation, newcomers, arrival_s in ((one, 1, 0.007), (many, 16, 0.04)):
        simulation.arrive(0.0, 3.0)
        for _ in range(newcomers):
            simulation.arrive(arrival_s, 3.0)  # while the other has its first chunk made
        simulation.run()
        first, *others = simulation.listeners
        assert first.ended_s is not None
        assert (first.underrun_s, len(others)) == (0, newcomers)
    first, second = one.listeners
    assert one.order.index(second) == len(first.batches)  # not before the other had all


def test_at_80_percent_load_no_stream_waits_or_runs_dry() -> None:
    simulation = Simulation()
    poisson(simulation, 0.8, seconds=15.0)
    simulation.run()
    first = [caller.first_audio_s for caller in simulation.listeners]
    assert not simulation.refusals
    assert np.percentile(first, 95) < 4 * ALONE_S
    assert sum(caller.underrun_s for caller in simulation.listeners) == 0
    assert all(caller.ended_s is not None for caller in simulation.listeners)


def test_at_4x_load_admitted_streams_barely_suffer() -> None:
    simulation = Simulation()
    poisson(simulation, 4.0, seconds=15.0)
    simulation.run(until_s=15.0)
    assert simulation.busy_s / (2 * 15.0) > 0.8  # nobody is refused before
    simulation.run()
    first = [caller.first_audio_s for caller in simulation.listeners]
    assert len(simulation.refusals) > len(simulation.listeners)
    assert np.percentile(first, 95) < 4 * ALONE_S
    assert max(caller.underrun_s for caller in simulation.listeners) < 0.001


def test_a_named_first_audio_is_kept_or_refused_with_its_time() -> None:
    simulation = Simulation(AdmissionPolicy(burst_utilisation=inf))
    poisson(simulation, 4.0, seconds=15.0, named=True)
    simulation.run()
    named = [one for one in simulation.listeners if one.stream.first_audio_s is not None]
    over_s = [(one.first_audio_s or inf) - (one.stream.first_audio_s or 0.0) for one in named]
    assert sum(one > 0.02 for one in over_s) <= 0.01 * len(over_s)
    assert len(named) > 100
    refusals = [one for one in simulation.refusals if "first_audio_ms" in str(one)]
    assert len(refusals) > 20
    assert all(isinstance(one, OverloadError) and one.retry_after_s < 1 for one in refusals)


@pytest.mark.parametrize("others", [0, 300])
def test_expected_first_audio_is_when_a_call_would_be_heard(others: int) -> None:
    simulation = Simulation()
    for _ in range(others):
        simulation.arrive(0.0, 20.0)
    simulation.run(until_s=0.0)
    refused = len(simulation.refusals)
    call = Stream(simulation.costs, 3, 0.0, 5.0)
    expected_s = simulation.scheduler.expected_first_audio_s(call, 0.0)
    assert (expected_s > 0.1) is bool(refused) is bool(others)
    simulation.arrive(expected_s, 5.0)
    simulation.run()
    assert len(simulation.refusals) == refused
    assert (simulation.listeners[-1].first_audio_s or inf) < 0.1


def test_a_text_that_is_never_in_time_is_refused_as_such() -> None:
    simulation = Simulation()
    simulation.arrive(0.0, 5.0, first_audio_s=0.1, reading_s=0.2)
    simulation.arrive(0.0, 5.0, reading_s=0.2)  # no time is named
    simulation.arrive(0.0, 5.0, first_audio_s=0.1)
    simulation.run()
    assert [type(refusal) for refusal in simulation.refusals] == [DeadlineError]
    assert len(simulation.listeners) == 2


def test_load_ratio_adds_replicas_before_refusals() -> None:
    # An autoscaler with the target of deploy/: a look each 15 s, 15 s until a replica is ready,
    # and callers who double in three minutes.
    fleet = [Simulation(slowness=5.0, belief=5.0) for _ in range(2)]
    pending = 0
    grown = []
    generator, turns = random.Random(2), itertools.count()
    time_s, look_s = 0.0, 15.0
    while time_s < 360.0:
        time_s += generator.expovariate(2 ** (time_s / 180.0) * CAPACITY / 5.0 / 5.0)
        if time_s > look_s:
            for replica in fleet:
                replica.run(until_s=look_s)
            ratios = [replica.scheduler.load_ratio(look_s) for replica in fleet]
            fleet += [Simulation(slowness=5.0, belief=5.0) for _ in range(pending)]
            mean = sum(ratios) / len(ratios)
            wanted = ceil(len(ratios) * mean / 0.6) if mean > 1.1 * 0.6 else 0
            pending = max(wanted - len(fleet), 0)
            grown.append(len(fleet))
            look_s += 15.0
        fleet[next(turns) % len(fleet)].arrive(time_s, generator.uniform(0.5, 9.5))
    assert grown[0] == 2
    assert grown[-1] > 4
    assert not any(replica.refusals for replica in fleet)


def test_burst_is_admitted_while_first_audio_is_on_time() -> None:
    simulation = Simulation()
    for _ in range(100):
        simulation.arrive(0.0, 1.0)
    simulation.run()
    assert simulation.refusals
    assert max(caller.first_audio_s for caller in simulation.listeners) < 0.2
    refusal = simulation.refusals[0]
    assert isinstance(refusal, OverloadError)
    assert 0.1 <= refusal.retry_after_s <= 10.0


def test_retry_time_is_when_the_blocking_stream_ends() -> None:
    simulation = Simulation(AdmissionPolicy(max_streams=1))
    playing, newcomer = (Stream(simulation.costs, 3, 0.0, 8.0) for _ in range(2))
    simulation.scheduler.admit(playing, 0.0)
    with pytest.raises(OverloadError) as early:
        simulation.scheduler.admit(newcomer, 0.0)
    playing.made(8.0, 0.0)
    playing.untaken_s = 0.0  # its caller plays it
    with pytest.raises(OverloadError) as late:
        simulation.scheduler.admit(newcomer, 6.0)
    assert [early.value.retry_after_s, late.value.retry_after_s] == pytest.approx([8.0, 2.0])


def test_retry_at_the_stated_time_is_admitted() -> None:
    simulation = Simulation()
    for _ in range(300):
        simulation.arrive(0.0, 20.0)
    simulation.run(until_s=0.0)
    refused = len(simulation.refusals)
    assert refused
    admitted = len(simulation.listeners)
    simulation.arrive(simulation.refusals[-1].retry_after_s, 5.0)
    simulation.run()
    assert len(simulation.refusals) == refused
    assert len(simulation.listeners) == admitted + 1


def test_a_small_request_does_not_wait_for_a_book() -> None:
    simulation = Simulation(lanes=1)
    simulation.arrive(0.0, 900.0, live=False)
    for second in range(1, 10):
        simulation.arrive(float(second), 1.0)
    simulation.run()
    book, *small = simulation.listeners
    longest_unit_s = 0.001 + 0.0001 * 158
    assert all(caller.first_audio_s <= ALONE_S + longest_unit_s for caller in small)
    assert book.ended_s is not None


def test_a_storm_of_hang_ups_leaves_the_others_as_they_were() -> None:
    simulation = Simulation()
    generator = random.Random(2)
    for number in range(2000):
        stays = number % 50 == 0
        simulation.arrive(number * 0.005, 8.0 if stays else 1.0)
        if not stays:
            simulation.at(number * 0.005 + generator.uniform(0.0, 0.02), simulation.hang_up(1.0))
    simulation.run()
    staying = [caller for caller in simulation.listeners if caller.stream.expected_audio_s == 8.0]
    assert len(staying) >= 20
    assert all(caller.ended_s is not None for caller in staying)
    assert sum(caller.underrun_s for caller in staying) == 0
    assert not simulation.scheduler.streams


@pytest.mark.parametrize(("voices", "largest"), [("aaaaaa", 4), ("ab", 1)])
def test_equal_units_share_a_batch_up_to_the_limit(voices: str, largest: int) -> None:
    simulation = Simulation(lanes=1)
    for voice in voices:
        simulation.arrive(0.0, 30.0, max_batch=4, voice=voice)
    simulation.run(until_s=5.0)
    batches = [size for caller in simulation.listeners for size in caller.batches]
    assert max(batches) == largest
    assert batches.count(largest) > batches.count(1) / 2


@pytest.mark.parametrize(("lanes", "contention"), [(1, 1.0), (2, 1.5), (16, 1.5)])
@pytest.mark.parametrize("belief", [16.0, 1 / 16])
def test_costs_converge_from_any_start_in_a_minute(
    lanes: int, belief: float, contention: float
) -> None:
    # On a slow machine, so that a minute of calls is work: 0.4 s for a call of 6 s.
    simulation = Simulation(lanes=lanes, slowness=5.0, belief=5.0 * belief, contention=contention)
    for second in range(60):
        simulation.arrive(float(second), 6.0)
    simulation.run()
    assert simulation.costs.slowdown * belief == pytest.approx(1.0, rel=0.6)
    assert max(simulation.refused_s, default=0.0) <= 15.0


@pytest.mark.parametrize(("lanes", "factor"), [(1, 8.0), (16, 8.0), (2, 1 / 8)])
def test_a_machine_that_becomes_slower_or_quicker_is_followed(lanes: int, factor: float) -> None:
    simulation = Simulation(lanes=lanes, slowness=2.0, belief=2.0, contention=1.3)
    for second in range(90):
        simulation.arrive(float(second), 6.0)
    simulation.run(until_s=26.0)
    simulation.slowness *= factor
    simulation.run()
    assert simulation.costs.slowdown == pytest.approx(factor, rel=0.4)


@pytest.mark.parametrize("conversations", [30, 150])
def test_text_that_comes_later_waits_and_silences_nobody(conversations: int) -> None:
    simulation = Simulation(lanes=2, slowness=10.0, belief=10.0)
    simulation.arrive(0.0, 24.0)
    for _ in range(conversations):
        simulation.converse(0.1, text_s=0.4, audio_s=500.0)
    simulation.run(until_s=26.0)
    assert 5 < len(simulation.listeners) < conversations
    assert sum(caller.underrun_s for caller in simulation.listeners) == 0
    assert simulation.listeners[0].ended_s is not None


def test_playing_conversation_gets_its_next_sentence_in() -> None:
    simulation = Simulation()
    simulation.converse(0.0, text_s=0.0, audio_s=5.0)
    for _ in range(500):
        simulation.arrive(0.5, 20.0)
    simulation.run(until_s=3.0)
    assert simulation.refusals
    stream = simulation.listeners[0].stream
    simulation.scheduler.extend(stream, 5.0, simulation.now)
    assert stream.left_s == 5.0


@pytest.mark.parametrize("early", [False, True], ids=["after", "before"])
def test_a_pause_between_sentences_keeps_no_share(early: bool) -> None:
    stream = Stream(Simulation().costs, 3, 0.0, 0.6, more_text=True)
    for audio_s in (0.1, 0.2, 0.3):  # their sum depends on the order
        if early:  # the caller has it before the lane says so
            stream.taken(audio_s)
        stream.made(audio_s, 0.0)
    for audio_s in () if early else (0.3, 0.2, 0.1):
        stream.taken(audio_s)
    assert stream.keeps_share(0.5)
    assert not stream.keeps_share(0.7)
    assert stream.need(0.7, 2.0) == 0.0


@pytest.mark.parametrize("peer", ["", "a proxy that all callers share"])
def test_idle_call_loses_a_slot_that_another_needs(peer: str) -> None:
    simulation = Simulation(AdmissionPolicy(max_streams=3, peer_share=1.0))
    for number in range(3):
        simulation.converse(0.1 * number, text_s=100.0, audio_s=5.0, peer=peer)
    simulation.arrive(1.0, 5.0, peer=peer)
    simulation.run(until_s=2.0)
    assert not simulation.refusals
    assert sorted(stream.arrived_s for stream in simulation.scheduler.streams) == [0.1, 0.2]


def test_one_peer_leaves_slots_and_lanes_to_others() -> None:
    simulation = Simulation(AdmissionPolicy(peer_share=0.5))
    for number in range(600):
        simulation.arrive(0.01 * number, 600.0, peer="greedy")
    simulation.run(until_s=6.0)
    greedy = len(simulation.listeners)
    for number in range(20):
        simulation.arrive(6.0 + 0.1 * number, 60.0, peer=f"other {number}")
    simulation.run(until_s=10.0)
    assert greedy > 20
    assert len(simulation.listeners) == greedy + 20
    assert sum(caller.underrun_s for caller in simulation.listeners) == 0
