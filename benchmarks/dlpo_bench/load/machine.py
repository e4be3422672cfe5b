"""Who used the processors meanwhile: server, client, everybody else. Linux only."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

from dlpo_bench.proc import machine_cpu_s, process_cpu_s


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """Processor seconds used so far."""

    at_s: float
    """when this was read, of `time.perf_counter`"""
    server_s: float
    client_s: float
    """of this process"""
    machine_s: float
    """of all processes, stolen ones included"""


@dataclass(frozen=True, slots=True)
class CpuUse:
    """Mean number of processors in use."""

    server: float
    client: float
    others: float
    """neither server nor client: what disturbs the measurement"""

    def figures(self) -> dict[str, float]:
        """As figures of a record; `client_share` is the client's part of what both use."""
        both = self.server + self.client
        return {
            "server_cpu": self.server,
            "client_cpu": self.client,
            "other_cpu": self.others,
            "client_share": self.client / both if both else 0.0,
        }


def cpu_times(server_pid: int) -> CpuTimes:
    """Read all clocks now."""
    return CpuTimes(
        time.perf_counter(),
        process_cpu_s(server_pid),
        time.process_time(),
        sum(machine_cpu_s()),
    )


def cpu_use(before: CpuTimes, after: CpuTimes) -> CpuUse:
    """What was used between two readings."""
    wall_s = after.at_s - before.at_s
    server = (after.server_s - before.server_s) / wall_s
    client = (after.client_s - before.client_s) / wall_s
    machine = (after.machine_s - before.machine_s) / wall_s
    # The machine's clock ticks 100 times a second: the rest may come out a little below nothing.
    return CpuUse(server, client, max(0.0, machine - server - client))


def memory_growth(readings: Sequence[tuple[int, float]]) -> float:
    """Growth of resident memory from the first to the last of (requests, memory) readings.

    Single readings scatter by some percent, so it is the growth of a line through all of them: its
    slope is the median of the slopes between every two (Theil-Sen), its height the median.

    Returns:
        A share of what the line begins with; negative where memory shrank.
    """
    if len(readings) < 2:
        return 0.0
    slope = median((b - a) / (y - x) for (x, a), (y, b) in combinations(readings, 2))
    begin = median(memory - slope * (done - readings[0][0]) for done, memory in readings)
    return slope * (readings[-1][0] - readings[0][0]) / begin
