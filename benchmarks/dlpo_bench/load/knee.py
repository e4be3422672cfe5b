"""A server's capacity: the highest load that passes, in the closed and in the open loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, inf
from typing import Any

import numpy as np

from dlpo.errors import DlpoError, EngineError, InputError
from dlpo_bench.compare import compare_medians
from dlpo_bench.load.calls import TestedServer
from dlpo_bench.load.endpoints import check_endpoint
from dlpo_bench.load.levels import (
    Clients,
    Level,
    LevelResult,
    client_processes,
    connection_lost,
    failures,
    largest_passing,
    merge,
)
from dlpo_bench.load.servers import Servers, Usage, not_measured, tested_servers
from dlpo_bench.options import LoadOptions
from dlpo_bench.record import Measured

RATE_STEP = 0.1  # arrivals per second: step of the open-loop search
FIRST_CALLS = 10  # average calls in the first level of the open-loop search
SETTLE_S = 1.0  # pause after a level
UNITS = {"closed": "listeners", "open": "arrivals per second"}

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class KneeSearch:
    """One server under one loop type, with the levels played so far."""

    server: TestedServer
    loop: str
    levels: dict[float, LevelResult] = field(default_factory=dict)
    """results by load"""
    problem: str = ""
    """why no knee was found"""

    @property
    def name(self) -> str:
        return f"{self.server.name}, {self.loop}"


@dataclass(frozen=True, slots=True)
class Bench:
    """Servers, the clients that load them, and the options."""

    options: LoadOptions
    servers: Servers
    clients: Clients

    async def play(self, search: KneeSearch, load: float) -> LevelResult:
        """Play one level and log it.

        Raises:
            EngineError: the server or a client died meanwhile, or no call counted.
        """
        options, server = self.options, search.server
        level = Level(
            search.loop, load, options.ramp_s, options.level_s, options.think_s, options.seed
        )
        self.servers.check_alive()
        usage = Usage(server)
        usage.begin()
        try:
            results, counts_from_s = await self.clients.play(server, level)
        except DlpoError:
            self.servers.check_alive()  # gives the better message
            raise
        if message := connection_lost(results):
            self.servers.check_alive()
            try:
                await check_endpoint(server)
            except InputError as error:
                raise EngineError(
                    f"the server stopped answering under {load:g} {UNITS[level.loop]}"
                    f" ({message}); that level is void, and there is no knee"
                ) from error
        self.servers.check_alive()  # it may have died after its last message
        usage.end()
        result = merge(level, results, counts_from_s)
        if not result.figures["calls"]:
            raise EngineError(
                f"no call began in the {level.level_s:g} s that count of {load:g}"
                f" {UNITS[level.loop]}; give levels more time, --level-s"
            )
        result.figures.update(usage.figures(result.audio_s))
        for reason, count in failures(results).items():
            _log.warning("%s: %d calls failed: %s", search.name, count, reason)
        for warning in result.client_warnings:
            _log.warning("%s load=%g: %s", search.name, load, warning)
        names = ("first_audio_ms_p95", "good_share", "shed_share", "client_cpu_most")
        shown = " ".join(f"{name}={result.figures.get(name, inf):.3g}" for name in names)
        _log.info("%s load=%g %s", search.name, load, shown)
        await asyncio.sleep(SETTLE_S)
        return result


async def measure_knee(options: LoadOptions) -> Measured:
    """Find the highest load that each server sustains, in each loop.

    A level passes if 99 % of the requested speech, by characters, played without a gap, and 95 % of
    the calls had their first audio within the limit. Servers and loops take turns, level by level.

    Returns:
        For each server and loop its `knee` with the figures of that level, see `merge` and
        `Usage.figures`, and how the other servers compare with the first. As samples all levels.

    Raises:
        InputError: a server does not answer.
        EngineError: no search completed.
    """
    turn = asyncio.Lock()  # fair lock: levels of all searches alternate
    async with tested_servers(options) as servers:
        searches = [KneeSearch(one, loop) for loop in options.loop for one in servers.tested]
        with client_processes(options.clients, options.connections) as clients:
            bench = Bench(options, servers, clients)
            await asyncio.gather(*(_search(one, bench, turn) for one in searches))
    problems = [f"{one.name}: {one.problem}" for one in searches if one.problem]
    finished = [one for one in searches if not one.problem]
    if not finished:
        raise EngineError("; ".join(problems))
    limit_ms = options.first_audio_limit_ms
    figures: dict[str, Any] = {one.name: knee_figures(one, limit_ms) for one in finished}
    if ratios := compare_knees(finished, limit_ms):
        figures["ratios"] = ratios
    samples = {
        one.name: {f"{load:g}": r.figures | r.samples for load, r in sorted(one.levels.items())}
        for one in searches
    }
    return Measured(figures, samples, not_measured(servers.tested), problems)


async def _search(search: KneeSearch, bench: Bench, turn: asyncio.Lock) -> None:
    options, closed = bench.options, search.loop == "closed"

    async def passes(load: float) -> bool:
        async with turn:
            search.levels[load] = await bench.play(search, load)
        return search.levels[load].passes(options.first_audio_limit_ms)

    async def step_passes(step: int) -> bool:
        return await passes(step if closed else round(step * RATE_STEP, 6))

    first, most = 1, options.most_listeners
    if not closed:
        first = ceil(FIRST_CALLS / options.level_s / RATE_STEP)
        most = max(first, round(most / RATE_STEP))
    try:
        if fixed := options.listeners if closed else options.rate:
            for load in sorted(fixed):
                await passes(load)
        else:
            await largest_passing(step_passes, first, most)
    except DlpoError as error:
        search.problem = str(error)
        _log.error("%s: %s", search.name, error)


def knee_figures(search: KneeSearch, limit_ms: float) -> dict[str, float]:
    """The highest load below the first that failed, and the figures of that level.

    Returns:
        `knee`, 0 if no level passed; `knee_is_bound`, 1 if the knee may be higher, because no level
        failed or the client may have caused the failure.
    """
    loads = sorted(search.levels)
    failing = [load for load in loads if not search.levels[load].passes(limit_ms)]
    below = [load for load in loads if not failing or load < failing[0]]
    knee = below[-1] if below else 0.0
    bound = not failing or bool(search.levels[failing[0]].client_warnings)
    figures = search.levels[knee or loads[0]].figures
    return {"knee": knee, "knee_is_bound": float(bound), **figures}


def compare_knees(searches: Sequence[KneeSearch], limit_ms: float) -> dict[str, dict[str, float]]:
    """Compare each server with the first in its loop.

    Returns:
        Ratio of the knees, and of the median times to first audio at the highest load that both
        played and passed, with its 95 % bootstrap interval; left out if there is no such load.
    """
    found = {}
    for search in searches:
        first = next(one for one in searches if one.loop == search.loop)
        if first is search:
            continue
        knees = [knee_figures(one, limit_ms)["knee"] for one in (first, search)]
        ratios = {"knee": knees[1] / knees[0]} if knees[0] else {}
        shared = [load for load in search.levels if load in first.levels and load <= min(knees)]
        if shared:
            load = max(shared)
            before, after = (
                np.array(one.levels[load].samples["first_audio_ms"]) for one in (first, search)
            )
            if min(len(before), len(after)) > 1:
                value = compare_medians("first_audio_ms", before, after).ratio
                ratios |= {"load": load, "first_audio": value.value}
                ratios |= {"first_audio_low": value.low, "first_audio_high": value.high}
        found[search.name] = ratios
    return found


async def measure_streams(options: LoadOptions) -> Measured:
    """Find the largest number of listeners without think time that are all served without a gap.

    A level passes if no call is refused or fails, no call has a gap, and first audio is within the
    limit at p95.

    Returns:
        `streams` and the figures of that level; the samples are all levels.
    """
    tries: list[dict[str, float]] = []
    async with tested_servers(options) as servers:
        search = KneeSearch(servers.tested[0], "closed")
        with client_processes(options.clients, options.connections) as clients:
            bench = Bench(options, servers, clients)

            async def passes(listeners: int) -> bool:
                result = await bench.play(search, listeners)
                refused = round(result.figures["shed_share"] * result.figures["calls"])
                tries.append({"listeners": listeners, "refused": refused} | result.figures)
                return in_real_time(tries[-1], options.first_audio_limit_ms)

            streams = await largest_passing(passes, options.start_listeners, options.most_listeners)
    best = next((level for level in reversed(tries) if level["listeners"] == streams), {})
    return Measured({"streams": streams, **best}, {"levels": tries})


def in_real_time(figures: dict[str, float], limit_ms: float) -> bool:
    """Whether all calls were served without a gap and their audio began in time."""
    flaws = figures["shed_share"] or figures["failed_share"] or figures["underrun_s"]
    return not flaws and figures.get("first_audio_ms_p95", inf) < limit_ms
