"""Levels of load from client processes, each with its own interpreter and connections."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from multiprocessing.pool import Pool
from multiprocessing.synchronize import Barrier
from random import Random
from threading import BrokenBarrierError
from typing import Any

import grpc

from dlpo.errors import EngineError
from dlpo_bench.load.calls import TestedServer, TimedCall, underrun_figures
from dlpo_bench.load.endpoints import CONNECT_S, Endpoint, open_endpoint
from dlpo_bench.load.texts import utterances
from dlpo_bench.machine import percentile

START_S = 60.0  # for client processes to finish their imports
SOON_S = 1.0  # until every process has connected
POLL_S = 0.05  # between looks at whether they are done
DRAIN_S = 30.0  # after the level; a call still running by then will never end
RETRY_S = 1.0  # if a refusal has no RetryInfo, and after any other error
GOOD_SHARE = 0.99  # of the requested speech must play without a gap
CLIENT_CPU_LIMIT = 0.9  # of a client's core
RESOLUTION = 0.05  # of the search for a level: it ends once the failing level is this close above
LATE_LIMIT_MS = 20.0  # p95; a client that is later than this shapes the load itself


@dataclass(frozen=True, slots=True)
class Level:
    """How much load, and for how long."""

    loop: str
    """open: calls arrive as a Poisson process, whether or not the server keeps up; closed: a fixed
    number of listeners, each calling again after playback and a think time"""
    load: float
    """open: arrivals per second; closed: listeners"""
    ramp_s: float
    """warm-up before calls count; closed: listeners arrive evenly over it"""
    level_s: float
    """period in which sent calls count"""
    think_s: float
    """closed: mean of the exponential think time between the end of playback and the next call"""
    seed: int
    """of texts, arrivals and think times"""

    @property
    def counts_from_s(self) -> float:
        """When calls begin to count, relative to the level's start: once the load is complete."""
        return self.ramp_s if self.loop == "open" else self.arrival_s(round(self.load) - 1)

    def arrival_s(self, listener: int) -> float:
        """When a listener arrives, relative to the level's start."""
        return listener * self.ramp_s / self.load


@dataclass(frozen=True, slots=True)
class LevelShare:
    """The part of a level that one client process plays."""

    level: Level
    process: int
    """index of the process"""
    processes: int
    """number of processes sharing the level"""

    @property
    def rate(self) -> float:
        """Open loop: arrivals per second. Rates of Poisson processes add up."""
        return self.level.load / self.processes

    @property
    def listeners(self) -> range:
        """Closed loop: indices of this process's listeners."""
        return range(self.process, round(self.level.load), self.processes)


@dataclass(slots=True)
class ShareResult:
    """The calls of one client process."""

    calls: list[TimedCall] = field(default_factory=list)
    cpu_share: float = 0.0
    """CPU time as a share of one core, from the first call until the level ended"""


def shares(level: Level, processes: int) -> list[LevelShare]:
    """Split the level into equal parts; a process without a listener gets none."""
    if level.loop == "closed":
        processes = min(processes, round(level.load))
    return [LevelShare(level, number, processes) for number in range(processes)]


def arrival_times(rate: float, duration_s: float, random: Random) -> list[float]:
    """Seconds of arrivals in a Poisson process of `rate` per second; at least one."""
    times = [random.expovariate(rate)]
    while times[-1] < duration_s:
        times.append(times[-1] + random.expovariate(rate))
    return times


async def play_share(endpoint: Endpoint, share: LevelShare, start_s: float) -> ShareResult:
    """Make the share's calls from `start_s` on, and wait for them to end.

    Args:
        start_s: of `time.perf_counter`, which all processes of a Linux machine share.
    """
    level, result = share.level, ShareResult()
    random = Random(f"{level.seed} {share.process}")
    end_s = start_s + level.ramp_s + level.level_s

    async def speak(text: str, random: Random, due_s: float) -> TimedCall:
        await asyncio.sleep(due_s - time.perf_counter())
        sent_s = time.perf_counter()
        call = TimedCall(sent_s, len(text), sent_s - due_s)
        result.calls.append(call)
        await endpoint.speak(text, random.getrandbits(32), call)
        return call

    async def listen(due_s: float, random: Random) -> None:
        for text in utterances(random):
            if due_s >= end_s:
                return
            call = await speak(text, random, due_s)
            now_s = time.perf_counter()
            if call.refused or call.failed:
                due_s = now_s + (call.retry_after_s or RETRY_S)
            else:
                think_s = random.expovariate(1 / level.think_s) if level.think_s else 0.0
                due_s = max(call.device.ends_s, now_s) + think_s

    await asyncio.sleep(start_s - time.perf_counter())
    begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
    callers: list[Any]
    if level.loop == "open":
        texts = utterances(random)
        times = arrival_times(share.rate, end_s - start_s, random)
        due = [start_s + after_s for after_s in times if start_s + after_s < end_s]
        callers = [speak(next(texts), Random(random.random()), due_s) for due_s in due]
    else:
        callers = [
            listen(start_s + level.arrival_s(number), Random(random.random()))
            for number in share.listeners
        ]
    tasks = [asyncio.create_task(caller) for caller in callers]
    await asyncio.sleep(end_s - time.perf_counter())
    used_s = time.process_time() - begun_cpu_s
    result.cpu_share = used_s / (time.perf_counter() - begun_s)
    if tasks:
        await asyncio.wait(tasks, timeout=max(0.0, end_s + DRAIN_S - time.perf_counter()))
    for task in tasks:
        task.cancel()  # no effect on a task that has ended
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):  # CancelledError isn't one
            raise outcome
    return result


class Clients:
    """Client processes that play levels, see `client_processes`."""

    def __init__(self, pool: Pool, count: int, connections: int) -> None:
        self._pool = pool
        self._count = count
        self._connections = connections

    async def play(self, server: TestedServer, level: Level) -> tuple[list[ShareResult], float]:
        """Load a server, and wait until the calls have ended.

        Returns:
            What the processes measured, and the `time.perf_counter` from which calls count.

        Raises:
            InputError, EngineError: a client could not connect, or died.
        """
        start_s = time.perf_counter() + SOON_S
        playing = [
            self._pool.apply_async(_play, (server, share, self._connections, start_s))
            for share in shares(level, self._count)
        ]
        timeout_s = SOON_S + level.ramp_s + level.level_s + DRAIN_S + CONNECT_S
        try:
            async with asyncio.timeout(timeout_s):
                for one in playing:
                    while not one.ready():  # `get` would hold Ctrl-C until then
                        await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            raise EngineError(
                f"a client process did not answer for {timeout_s:.0f} s; has it left a message?"
            ) from error
        return [one.get() for one in playing], start_s + level.counts_from_s


@contextmanager
def client_processes(count: int, connections: int) -> Iterator[Clients]:
    """Run client processes until the block ends.

    Args:
        connections: total over all processes; each has at least one.
    """
    context = multiprocessing.get_context("spawn")  # gRPC's threads don't survive a fork
    all_up = context.Barrier(count + 1)
    with context.Pool(count, _begin, (all_up,)) as pool:
        try:
            all_up.wait(START_S)
        except BrokenBarrierError as error:
            raise EngineError("a client process did not start; its message is above") from error
        yield Clients(pool, count, max(1, connections // count))


def _begin(all_up: Barrier) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    all_up.wait(START_S)


def _play(server: TestedServer, share: LevelShare, connections: int, start_s: float) -> ShareResult:
    async def play() -> ShareResult:
        async with open_endpoint(server, connections) as endpoint:
            return await play_share(endpoint, share, start_s)

    return asyncio.run(play())


@dataclass(frozen=True, slots=True)
class LevelResult:
    """A level that has been played."""

    figures: dict[str, float]
    samples: dict[str, list[float]]
    """what `figures` were computed from, in milliseconds"""
    audio_s: float
    """seconds of audio received, including before calls counted"""

    def passes(self, limit_ms: float) -> bool:
        """Nearly all requested speech played without a gap, and began in time."""
        first_ms = self.figures.get("first_audio_ms_p95", inf)
        return self.figures["good_share"] >= GOOD_SHARE and first_ms <= limit_ms

    @property
    def client_warnings(self) -> list[str]:
        """Reasons why this level may have measured the client rather than the server."""
        found = []
        if (cpu := self.figures["client_cpu_most"]) > CLIENT_CPU_LIMIT:
            found.append(f"a client process used {100 * cpu:.0f} % of its core")
        if (late_ms := self.figures.get("late_ms_p95", 0.0)) > LATE_LIMIT_MS:
            found.append(f"clients were {late_ms:.0f} ms late to call (p95)")
        return found


def merge(level: Level, results: Sequence[ShareResult], start_s: float) -> LevelResult:
    """The figures of a level.

    Returns:
        For the calls that count: percentiles of first audio, gaps as in `underrun_figures`, the
        shares of refused and of failed calls, and `good_share`, the share of all requested
        characters in calls that played to the end without a gap (characters, since the length of
        refused speech is unknown). `goodput_audio_s_per_s`: seconds of speech in such calls per
        second of the level.

    Args:
        results: of the client processes.
        start_s: when calls begin to count; calls sent earlier add load but are not judged.
    """
    every = [call for result in results for call in result.calls]
    calls = [call for call in every if call.sent_s >= start_s]
    samples = {
        "first_audio_ms": [
            c.waited_ms for c in calls if c.first_audio_s is not None or c.code is None
        ],
        "gap_ms": [1000 * gap_s for call in calls for gap_s in call.device.gaps_s],
        "refusal_ms": [call.waited_ms for call in calls if call.refused],
        "late_ms": [1000 * call.late_s for call in calls],
    }
    lasts_s = level.ramp_s + level.level_s - level.counts_from_s
    if level.loop == "open":  # counts requested speech: playback takes longer to settle
        goodput_s = sum(call.device.audio_s for call in calls if call.played_well)
    else:  # all listeners have arrived: counts playback
        end_s = start_s + lasts_s
        goodput_s = sum(_overlap_s(call, start_s, end_s) for call in every if call.played_well)
    good = sum(call.characters for call in calls if call.played_well)
    requested = sum(call.characters for call in calls)
    figures = {
        "load": level.load,
        "calls": len(calls),
        **_percentiles("first_audio_ms", samples["first_audio_ms"], 50, 95, 99),
        **underrun_figures([call.device for call in calls]),
        "goodput_audio_s_per_s": goodput_s / lasts_s,
        "good_share": good / max(1, requested),
        "shed_share": len(samples["refusal_ms"]) / max(1, len(calls)),
        "failed_share": sum(call.failed for call in calls) / max(1, len(calls)),
        **_percentiles("refusal_ms", samples["refusal_ms"], 95),
        **_percentiles("late_ms", samples["late_ms"], 95),
        "client_cpu_most": max((result.cpu_share for result in results), default=0.0),
    }
    return LevelResult(figures, samples, sum(call.device.audio_s for call in every))


def _overlap_s(call: TimedCall, start_s: float, end_s: float) -> float:
    """Seconds that a gap-free call played between two times."""
    begins_s = end_s if call.device.begins_s is None else call.device.begins_s
    return max(0.0, min(call.device.ends_s, end_s) - max(begins_s, start_s))


def _percentiles(name: str, values: Sequence[float], *percents: int) -> dict[str, float]:
    return {f"{name}_p{p}": percentile(values, p) for p in percents} if values else {}


def connection_lost(results: Sequence[ShareResult]) -> str:
    """The message of a call that ended because the server is gone; empty if none did."""
    lost = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN)
    return next((c.ending for result in results for c in result.calls if c.code in lost), "")


def failures(results: Sequence[ShareResult]) -> Counter[str]:
    """How often calls failed, by error."""
    return Counter(call.ending for result in results for call in result.calls if call.failed)


async def largest_passing(passes: Callable[[int], Awaitable[bool]], start: int, most: int) -> int:
    """The largest level that passes, within `RESOLUTION` of it or 1; assumes that no level passes
    above one that fails.

    Args:
        passes: tries a level.
        start: first level to try, at least 1; doubled while it passes.
        most: highest level to try.

    Returns:
        A level that passed; 0 if none did.
    """
    passed, failed = 0, most + 1
    level = min(start, most)
    while failed - passed > max(1, round(RESOLUTION * passed)):
        if await passes(level):
            passed = level
        else:
            failed = level
        level = (passed + failed) // 2 if failed <= most else min(2 * passed, most)
    return passed
