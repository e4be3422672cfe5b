"""From one stream to saturation: each contestant's knee, in levels that take turns."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import numpy as np

from dlpo.errors import DlpoError, EngineError, InputError
from dlpo_bench.compare import compare_medians
from dlpo_bench.load.options import LoadOptions, Measured
from dlpo_bench.load.search import largest_passing
from dlpo_bench.stream.clients import Clients
from dlpo_bench.stream.contestants import Contestant
from dlpo_bench.stream.doors import check_door
from dlpo_bench.stream.field import Field, field_of
from dlpo_bench.stream.figures import Played, broken, failures, merge
from dlpo_bench.stream.server_cost import Spent, cost, read_meters
from dlpo_bench.stream.shares import Level, Loop

RATE_STEP = 0.1  # arrivals per second, of the search in the open loop
FIRST_CALLS = 10  # of the search's first level in the open loop, on average
SETTLE_S = 1.0  # after a level
LOADS = {"closed": "listeners", "open": "arrivals per second"}

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Race:
    """One contestant in one loop."""

    contestant: Contestant
    loop: Loop
    levels: dict[float, Played] = field(default_factory=dict)
    """by load"""
    skipped: dict[str, str] = field(default_factory=dict)
    problem: str = ""
    """why it has no knee"""

    @property
    def name(self) -> str:
        """As in records."""
        return f"{self.contestant.name}, {self.loop}"


async def measure_knee(options: LoadOptions) -> Measured:
    """Search the highest load that every contestant bears, in each loop.

    A level passes if 99 % of what was asked for, in characters, was heard without a gap, and 95 %
    of first audio came within the limit. Contestants and loops take turns, level by level.

    Returns:
        For each race its `knee` with the figures of that level, see `merge` and `cost`; and how the
        other contestants compare with the first. As samples every level.

    Raises:
        InputError: a contestant does not answer.
        EngineError: no race came to its end.
    """
    turn = asyncio.Lock()  # first come, first served: so the levels of all races alternate
    async with field_of(options) as found:
        races = [Race(who, loop) for loop in options.loops for who in found.contestants]
        with Clients(options.clients, options.connections) as clients:
            await asyncio.gather(*(_run(race, found, clients, turn, options) for race in races))
    problems = [f"{race.name}: {race.problem}" for race in races if race.problem]
    finished = [race for race in races if not race.problem]
    if not finished:
        raise EngineError("; ".join(problems))
    limit_ms = options.first_audio_limit_ms
    figures: dict[str, Any] = {race.name: knee_figures(race, limit_ms) for race in finished}
    if ratios := compare_races(finished, limit_ms):
        figures["ratios"] = ratios
    samples = {
        race.name: {f"{load:g}": p.figures | p.samples for load, p in sorted(race.levels.items())}
        for race in races
    }
    skipped = {
        f"{race.contestant.name}: {what}": why
        for race in races
        for what, why in race.skipped.items()
    }
    return Measured(figures, samples, skipped, problems)


async def _run(
    race: Race, found: Field, clients: Clients, turn: asyncio.Lock, options: LoadOptions
) -> None:
    async def plays(load: float) -> bool:
        async with turn:
            level = Level(
                race.loop, load, options.ramp_s, options.level_s, options.think_s, options.seed
            )
            played = await play_level(race, level, found, clients)
            await asyncio.sleep(SETTLE_S)
        race.levels[load] = played
        passes = played.passes(options.first_audio_limit_ms)
        _tell(race, played, passes)
        return passes

    async def plays_step(step: int) -> bool:
        return await plays(step if race.loop == "closed" else round(step * RATE_STEP, 6))

    try:
        fixed = options.listeners if race.loop == "closed" else options.rates
        if fixed:
            for load in sorted(fixed):
                await plays(load)
        else:
            first, most = 1, options.most_listeners
            if race.loop == "open":
                first = ceil(FIRST_CALLS / options.level_s / RATE_STEP)
                most = max(first, round(most / RATE_STEP))
            await largest_passing(plays_step, first, most)
    except DlpoError as error:
        race.problem = str(error)
        _log.error("%s: %s", race.name, error)


async def play_level(race: Race, level: Level, found: Field, clients: Clients) -> Played:
    """Play one level.

    Raises:
        EngineError: the server or a client died meanwhile, or no call counted: what was measured
            is worth nothing.
    """
    found.check_alive()
    who = race.contestant
    before = await read_meters(who)
    try:
        results, counts_from_s = await clients.play(who, level)
    except DlpoError:
        found.check_alive()  # says more than that nothing answers
        raise
    if said := broken(results):
        found.check_alive()
        try:
            await check_door(who)
        except InputError as error:
            raise EngineError(
                f"the server stopped answering under {level.load:g} {LOADS[level.loop]}"
                f" ({said}); that level is void, and there is no knee"
            ) from error
    found.check_alive()  # it may have died when it had nothing to say
    spent = Spent()
    spent.add(before, await read_meters(who))
    race.skipped |= spent.skipped
    for reason, count in failures(results).items():
        _log.warning("%s: %d calls failed: %s", race.name, count, reason)
    played = merge(level, results, counts_from_s)
    if not played.figures["calls"]:
        raise EngineError(
            f"no call began in the {level.level_s:g} s that count of {level.load:g}"
            f" {LOADS[level.loop]}; give levels more time, --level-s"
        )
    played.figures.update(cost(who, spent, played.audio_s))
    return played


def knee_figures(race: Race, limit_ms: float) -> dict[str, float]:
    """The highest load below the first that failed, and the figures of that level.

    Returns:
        `knee`, 0 where none passed; `knee_is_bound`, 1 where it may be higher: nothing failed, or
        what failed may have been the client.
    """
    loads = sorted(race.levels)
    failing = [load for load in loads if not race.levels[load].passes(limit_ms)]
    below = [load for load in loads if not failing or load < failing[0]]
    knee = below[-1] if below else 0.0
    bound = not failing or bool(race.levels[failing[0]].client_warnings)
    shown = race.levels[knee or loads[0]].figures
    return {"knee": knee, "knee_is_bound": float(bound), **shown}


def compare_races(races: list[Race], limit_ms: float) -> dict[str, dict[str, float]]:
    """How each contestant compares with the first of its loop.

    Returns:
        Ratio of the knees, and of the medians of first audio at the highest load that both played
        and passed, with its 95 % bootstrap interval; left out where there is none.
    """
    found = {}
    for race in races:
        first = next(one for one in races if one.loop == race.loop)
        if first is race:
            continue
        knees = [knee_figures(one, limit_ms)["knee"] for one in (first, race)]
        ratios = {"knee": knees[1] / knees[0]} if knees[0] else {}
        shared = [load for load in race.levels if load in first.levels and load <= min(knees)]
        if shared:
            load = max(shared)
            before, after = (
                np.array(one.levels[load].samples["first_audio_ms"]) for one in (first, race)
            )
            if min(len(before), len(after)) > 1:
                value = compare_medians("first_audio_ms", before, after).ratio
                ratios |= {"load": load, "first_audio": value.value}
                ratios |= {"first_audio_low": value.low, "first_audio_high": value.high}
        if ratios:
            found[f"{race.name} / {first.contestant.name}"] = ratios
    return found


def _tell(race: Race, played: Played, passes: bool) -> None:
    figures = played.figures
    _log.info(
        "%s load=%g first_audio_ms_p95=%.0f good=%.3f shed=%.3f failed=%.3f goodput=%.1f"
        " client_cpu=%.2f %s",
        race.name,
        played.level.load,
        figures.get("first_audio_ms_p95", float("nan")),
        figures["good_share"],
        figures["shed_share"],
        figures["failed_share"],
        figures["goodput_audio_s_per_s"],
        figures["client_cpu_most"],
        "passes" if passes else "fails",
    )
    for warning in played.client_warnings:
        _log.warning(
            "%s load=%g: %s; the client may be the limit, give it more --clients or cores",
            race.name,
            played.level.load,
            warning,
        )
