"""A server in simulated time: lanes that take as long as their cost says, callers who listen."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from dlpo_serving.refusals import RefusalError
from dlpo_serving.scheduling import (
    Batch,
    CostLines,
    Costs,
    Line,
    Policy,
    Scheduler,
    Stage,
    Stream,
    Unit,
)

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


class SimulatedWork:
    """An utterance of so many seconds, with the stages and chunks of a real one."""

    def __init__(self, audio_s: float, voice: str = "v") -> None:
        self._units: list[tuple[Unit, float]] = []  # and the audio that comes of it
        frames = round(audio_s * FRAMES_PER_SECOND)
        sizes = itertools.chain(LADDER, itertools.repeat(LADDER[-1]))
        stages: list[tuple[Stage, int, float]] = [("encode", 60, 0.0), ("frames", 40, 0.0)]
        while frames > 0:
            size = min(next(sizes), frames)
            frames -= size
            stages.append(("denoise", size + 2 * CONTEXT, size / FRAMES_PER_SECOND))
        self._units = [(Unit(stage, size, 3, voice), made) for stage, size, made in stages]

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
        policy: Policy | None = None,
        lanes: int = 2,
        slowness: float = 1.0,
        takes: bool = True,
    ) -> None:
        self.costs = Costs(LINES)  # what the scheduler believes
        self._true_costs = Costs(LINES)
        self.now = 0.0
        self.scheduler = Scheduler(policy or Policy(), lanes)
        self.listeners: list[Listener] = []
        self._listener_of: dict[Stream, Listener] = {}
        self.refusals: list[RefusalError] = []
        self.order: list[Listener] = []  # whose unit was computed, in order
        self.busy_s = 0.0
        self._slowness = slowness
        self._takes = takes
        self._free_lanes = lanes
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()

    def at(self, time_s: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time_s, next(self._number), action))

    def arrive(
        self,
        time_s: float,
        audio_s: float,
        *,
        slack_s: float = 0.0,
        ends_s: float = float("inf"),
        max_batch: int = 1,
        voice: str = "v",
    ) -> None:
        def arrive() -> None:
            stream = Stream(
                costs=self.costs,
                steps=3,
                arrived_s=self.now,
                expected_audio_s=audio_s,
                max_batch=max_batch,
                slack_s=slack_s,
                ends_s=ends_s,
            )
            try:
                self.scheduler.admit(stream, self.now)
            except RefusalError as error:
                self.refusals.append(error)
                return
            stream.work = SimulatedWork(audio_s, voice)
            self.listeners.append(Listener(stream))
            self._listener_of[stream] = self.listeners[-1]

        self.at(time_s, arrive)

    def leave(self, time_s: float, index: int) -> None:
        """The caller that was admitted as number `index` hangs up."""
        self.at(time_s, lambda: self.scheduler.remove(self.listeners[index].stream))

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
            cost_s = self._slowness * self._true_costs.unit_s(batch.unit, len(batch.streams))
            self.busy_s += cost_s
            self.at(self.now + cost_s, lambda batch=batch: self._finish(batch))

    def _finish(self, batch: Batch) -> None:
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
        for stream in batch.streams:
            if self._takes:
                stream.untaken_s = 0.0
            if stream.work and stream.work.done:
                self.scheduler.remove(stream)
                self._listener_of[stream].ended_s = self.now


@pytest.fixture
def simulate() -> type[Simulation]:
    """`simulate(policy, lanes=..., slowness=..., takes=...)`: whether callers take their audio."""
    return Simulation
