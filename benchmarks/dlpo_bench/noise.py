"""What disturbed a measurement: other processes, a hypervisor, a wall clock that jumped."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

OTHERS_LIMIT = 0.1  # cores; more is told
STOLEN_LIMIT = 0.02  # of the machine's time
JUMP_LIMIT_S = 0.5  # of the wall clock against the steady one; NTP slews stay below
TICKS = os.sysconf("SC_CLK_TCK")  # per second, in /proc


@dataclass(frozen=True, slots=True)
class Noise:
    """What happened on the machine beside a measurement."""

    other_cores: float | None
    """mean number of cores that processes outside of the measurement used; None off Linux"""
    stolen_share: float | None
    """of the time of all cores, taken by a hypervisor; None off Linux"""
    clock_jump_s: float
    """how much further the wall clock went than the steady one; times are of the steady one"""

    def warnings(self) -> list[str]:
        """A line for each disturbance that is worth telling."""
        found = []
        if self.other_cores is None:
            found.append("no /proc/stat: whether other processes disturbed this can't be said")
        elif self.other_cores > OTHERS_LIMIT:
            found.append(
                f"the machine was busy: other processes used {self.other_cores:.2f} cores on"
                " average; trust the ratios of this run, not its times, and repeat it when quiet"
            )
        if self.stolen_share and self.stolen_share > STOLEN_LIMIT:
            found.append(
                f"the hypervisor took {100 * self.stolen_share:.0f} % of the cores' time;"
                " times are too long"
            )
        if abs(self.clock_jump_s) > JUMP_LIMIT_S:
            found.append(
                f"the wall clock jumped by {self.clock_jump_s:+.1f} s; times stand, they are of"
                " the steady clock, but the record's date may be wrong"
            )
        return found

    def figures(self) -> dict[str, float]:
        """For the figures of a record; what isn't known is left out."""
        found = {
            "other_cores": self.other_cores,
            "stolen_share": self.stolen_share,
            "clock_jump_s": self.clock_jump_s,
        }
        return {name: value for name, value in found.items() if value is not None}


@dataclass(slots=True)
class MachineWatch:
    """Watches from its making on, until it is stopped."""

    _begin: _Clocks = field(default_factory=lambda: _Clocks.now())
    _end: _Clocks | None = None

    def stop(self) -> None:
        """What happens from now on doesn't count."""
        self._end = _Clocks.now()

    @property
    def noise(self) -> Noise:
        """What happened, up to now while it still watches."""
        begin, now = self._begin, self._end or _Clocks.now()
        steady_s = now.steady_s - begin.steady_s
        jump_s = now.wall_s - begin.wall_s - steady_s
        if begin.cpu is None or now.cpu is None or steady_s <= 0:
            return Noise(None, None, jump_s)
        (busy, stolen, own), before = now.cpu, begin.cpu
        others = (busy - before[0]) - (own - before[2])
        cores = os.cpu_count() or 1
        return Noise(
            max(0.0, others / steady_s),  # the machine's clock is a coarse one
            max(0.0, (stolen - before[1]) / steady_s / cores),
            jump_s,
        )


@contextmanager
def watch_machine() -> Iterator[MachineWatch]:
    """Watch the machine during a measurement by this process and those that it starts.

    Processes that it talks to but did not start count as others.
    """
    watch = MachineWatch()
    try:
        yield watch
    finally:
        watch.stop()


@dataclass(frozen=True, slots=True)
class _Clocks:
    steady_s: float
    wall_s: float
    cpu: tuple[float, float, float] | None
    """processor seconds of all processes, of them stolen none; stolen; of this process's tree"""

    @classmethod
    def now(cls) -> _Clocks:
        return cls(time.perf_counter(), time.time(), _cpu_seconds())


def _cpu_seconds() -> tuple[float, float, float] | None:
    try:
        first_line = Path("/proc/stat").read_text("ascii").split("\n", 1)[0]
    except OSError:
        return None
    user, nice, system, _, _, irq, soft_irq, stolen, *_ = map(int, first_line.split()[1:])
    return (user + nice + system + irq + soft_irq) / TICKS, stolen / TICKS, _tree_seconds()


def _tree_seconds() -> float:
    """Of this process, its descendants, and those of theirs that have ended and were waited for."""
    parents, used = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in brackets, may hold anything.
            fields = stat.read_text("ascii", errors="replace").rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        pid = int(stat.parent.name)
        parents[pid] = int(fields[1])
        used[pid] = sum(map(int, fields[11:15])) / TICKS  # user, system, and of ended children
    return sum(seconds for pid, seconds in used.items() if _descends(pid, os.getpid(), parents))


def _descends(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    while pid not in (0, ancestor):
        pid = parents.get(pid, 0)
    return pid == ancestor
