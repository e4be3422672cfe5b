"""Whose turn it is: the server's own scheduler, in simulated time."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dlpo_bench.svg import document, text
from dlpo_serving.chunks import STREAM_LADDER, sizes_of
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

WIDTH, LEFT, RIGHT, TOP, ROW = 860, 90, 830, 84, 34  # pixels
LANES, STEPS, FRAMES_PER_SECOND, CONTEXT = 2, 3, 73.5, 6
UNTIL_S = 0.5
COLOURS = ("plain", "good", "bad")
# Callers: seconds at which they come, and of speech that they want.
CALLERS = ((0.0, 20.0), (0.12, 3.0), (0.2, 3.0))
# Of one core, in round numbers: seconds for a call, and for each frame. Not a measurement.
LINES = CostLines(
    encode=Line(0.004, 0.0),
    frames=Line(0.004, 0.0),
    denoise=Line(0.002, 0.0003),
    steps=STEPS,
    startup=((0.11, 0.012), (0.44, 0.02), (1.3, 0.045), (3.0, 0.09)),
    audio_second_s=0.03,
    frames_per_second=FRAMES_PER_SECOND,
)


@dataclass(frozen=True, slots=True)
class Turn:
    """One unit on one lane."""

    caller: int
    lane: int
    start_s: float
    stop_s: float
    audio_s: float
    """that it made"""


@dataclass(slots=True)
class _Work:
    """What is left of an utterance: units, and the audio that comes of each."""

    units: list[tuple[Unit, float]] = field(default_factory=list)

    @property
    def next_unit(self) -> Unit | None:
        return self.units[0][0] if self.units else None

    @property
    def done(self) -> bool:
        return not self.units


def turns() -> list[Turn]:
    """Who is computed when, until `UNTIL_S`."""
    scheduler, costs = Scheduler(Policy(), LANES), Costs(LINES)
    arrivals = [(time_s, number) for number, (time_s, _) in enumerate(CALLERS)]
    running: list[tuple[float, int]] = []  # end, number of the turn
    streams: list[Stream] = []
    made: list[Turn] = []
    batches: dict[int, Batch] = {}  # by number of their turn
    free, now = set(range(LANES)), 0.0
    while now < UNTIL_S:
        while arrivals and arrivals[0][0] <= now:
            _, caller = arrivals.pop(0)
            stream = Stream(costs, STEPS, arrived_s=now, expected_audio_s=CALLERS[caller][1])
            scheduler.admit(stream, now)
            stream.work = _Work(list(_units(CALLERS[caller][1])))
            streams.append(stream)
        while free and (batch := scheduler.next_batch(now)):
            (stream,) = batch.streams
            assert isinstance(stream.work, _Work)
            unit, audio_s = stream.work.units.pop(0)
            stop_s = now + costs.unit_s(unit, 1)
            turn = Turn(streams.index(stream), min(free), now, stop_s, audio_s)
            free.remove(turn.lane)
            batches[len(made)] = batch
            heapq.heappush(running, (stop_s, len(made)))
            made.append(turn)
        wakes = [running[0][0]] if running else []
        wakes += [arrivals[0][0]] if arrivals else []
        wakes += [wake for wake in [scheduler.next_urgency_s()] if now < wake < UNTIL_S]
        if not wakes:
            break
        now = min(wakes)
        while running and running[0][0] <= now:
            _, number = heapq.heappop(running)
            turn = made[number]
            scheduler.finished(batches.pop(number), now, [turn.audio_s])
            free.add(turn.lane)
            streams[turn.caller].untaken_s = 0.0  # its caller takes what there is
    return made


def draw_lanes() -> str:
    """An SVG document: the lanes over time, and when each caller first hears something."""
    made = turns()
    height = TOP + ROW * (LANES + len(CALLERS)) + 70
    parts = [
        text(20, 26, "Three callers on two lanes", "title"),
        text(20, 48, "the scheduler of the server in simulated time, costs in round numbers"),
    ]
    for lane in range(LANES):
        parts.append(text(LEFT - 10, TOP + ROW * lane + 15, f"lane {lane + 1}", "end"))
    for turn in made:
        x, end, y = _across(turn.start_s), _across(min(turn.stop_s, UNTIL_S)), TOP + ROW * turn.lane
        parts.append(
            f'<rect class="{COLOURS[turn.caller]}" style="stroke:var(--back)" x="{x:.1f}" y="{y}"'
            f' width="{end - x:.1f}" height="22"/>'
        )
    for caller in range(len(CALLERS)):
        parts += _listener(caller, made, TOP + ROW * (LANES + caller) + 16)
    bottom = height - 22
    for tick in range(6):
        time_s = tick * UNTIL_S / 5
        parts.append(text(_across(time_s), bottom, f"{1000 * time_s:.0f} ms", "soft middle"))
    return document("Turns of three callers on two lanes", WIDTH, height, parts)


def _listener(caller: int, made: Sequence[Turn], y: float) -> Iterator[str]:
    came_s, wanted_s = CALLERS[caller]
    first_s = min(turn.stop_s for turn in made if turn.caller == caller and turn.audio_s)
    colour, start, x = COLOURS[caller], _across(came_s), _across(first_s)
    yield text(LEFT - 10, y + 15, f"caller {caller + 1}", "end")
    yield f'<line class="axis" x1="{start:.1f}" x2="{x:.1f}" y1="{y + 10}" y2="{y + 10}"/>'
    yield f'<circle class="{colour}" cx="{x:.1f}" cy="{y + 10}" r="5"/>'
    words = (
        f"{wanted_s:g} s of speech; first heard {1000 * (first_s - came_s):.0f} ms after its call"
    )
    yield text(x + 10, y + 15, words)


def _units(audio_s: float) -> Iterator[tuple[Unit, float]]:
    stages: tuple[Stage, ...] = ("encode", "frames")
    for stage in stages:
        yield Unit(stage, 60, STEPS, "lj"), 0.0
    left, sizes = round(audio_s * FRAMES_PER_SECOND), sizes_of(STREAM_LADDER)
    while left > 0:
        size = min(next(sizes), left)
        left -= size
        yield Unit("denoise", size + 2 * CONTEXT, STEPS, "lj"), size / FRAMES_PER_SECOND


def _across(time_s: float) -> float:
    return LEFT + (RIGHT - LEFT) * time_s / UNTIL_S
