"""What a server of this run used meanwhile, and why a server of somebody else's can't be told."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from dlpo_bench.latency import resident_mb
from dlpo_bench.proc import memory_mb, process_cpu_s
from dlpo_bench.stream.contestants import Contestant
from dlpo_bench.stream.stages import Page, grown, read_page, stage_figures

NOT_OURS = "the server was not started by this run: its processes are not known here"

NO_PAGE = "no page of its figures is known; that of a dlpo server is given as ?metrics=URL"


@dataclass(frozen=True, slots=True)
class Reading:
    """A server's meters at one time."""

    at_s: float
    cpu_s: float
    """processor seconds so far; 0 where the process is not known"""
    page: Page
    """empty where there is none"""
    skipped: dict[str, str]
    """what can't be read -> why"""


@dataclass(slots=True)
class Spent:
    """What was used in one or several stretches of time."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    page: Page = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    """what is not known -> why"""

    def add(self, before: Reading, after: Reading) -> None:
        """One more stretch, between two readings."""
        self.wall_s += after.at_s - before.at_s
        self.cpu_s += after.cpu_s - before.cpu_s
        more = grown(before.page, after.page)
        self.page = {key: value + self.page.get(key, 0.0) for key, value in more.items()}
        self.skipped |= after.skipped


async def read_meters(contestant: Contestant) -> Reading:
    """Read what can be read of a server."""
    skipped = {}
    page: Page = {}
    if contestant.metrics_url is None:
        skipped["stages"] = NO_PAGE
    else:
        page, why = await read_page(contestant.metrics_url)
        if why:
            skipped["stages"] = why
    cpu_s = 0.0 if contestant.pid is None else process_cpu_s(contestant.pid)
    if contestant.pid is None:
        skipped["cpu and memory"] = NOT_OURS
    return Reading(time.perf_counter(), cpu_s, page, skipped)


def cost(contestant: Contestant, spent: Spent, audio_s: float) -> dict[str, float]:
    """What a server used to make `audio_s` seconds of audio.

    Returns:
        Where the process is known: cores in use, processor seconds for each second of audio (the
        core-hour ratio), resident memory and its peak so far. Where it has a page, see
        `stage_figures`.
    """
    figures = stage_figures(spent.page)
    if contestant.pid is None:
        return figures
    return {
        "server_cpu": spent.cpu_s / spent.wall_s,
        **({"core_hour_ratio": spent.cpu_s / audio_s} if audio_s else {}),
        "resident_mb": resident_mb(contestant.pid),
        "peak_mb": memory_mb(contestant.pid, "VmHWM"),
        **figures,
    }
