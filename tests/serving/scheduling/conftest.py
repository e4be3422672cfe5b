"""A server in simulated time: lanes that take as long as their cost says, callers who listen."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import pytest

from dlpo_serving.errors import CallRejectedError, OverloadError
from dlpo_serving.scheduling.scheduler import Batch, Scheduler
from dlpo_serving.scheduling.stream import (
    AdmissionPolicy,
    CostLines,
    Costs,
    Line,
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
        policy: AdmissionPolicy | None = None,
        lanes: int = 2,
        slowness: float = 1.0,
        takes: bool = True,
        belief: float = 1.0,
        contention: float = 1.0,
    ) -> None:
        """
        Args:
            slowness: of the machine; may be changed while it runs.
            takes: callers take their audio.
            belief: the slowness that warm-up found.
            contention: time of a unit while most lanes are busy / while most are idle.
        """
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
        self._refused_s: dict[CallRejectedError, float] = {}
        self.order: list[Listener] = []  # whose unit was computed, in order
        self.busy_s = 0.0
        self.slowness = slowness
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
        peer: str = "",
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
                peer=peer,
            )
            try:
                self.scheduler.admit(stream, self.now)
            except CallRejectedError as error:
                self.refusals.append(error)
                self._refused_s[error] = self.now
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

    def refused_s(self, refusal: CallRejectedError) -> float:
        """When it was given."""
        return self._refused_s[refusal]

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
            rows, busy_lanes = len(batch.streams), self.scheduler.busy_lanes
            cost_s = self.slowness * self._true_costs.unit_s(batch.unit, rows)
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
        for stream in batch.streams:
            if self._takes:
                stream.untaken_s = 0.0
            if stream.work and stream.work.done:
                self.scheduler.remove(stream)
                self._listener_of[stream].ended_s = self.now


@pytest.fixture
def simulate() -> type[Simulation]:
    """`simulate(policy, lanes=..., slowness=..., takes=..., belief=..., contention=...)`."""
    return Simulation
