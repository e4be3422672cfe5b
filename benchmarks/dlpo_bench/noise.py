"""What disturbed a measurement: other processes, a hypervisor, a wall clock that jumped."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dlpo_bench.proc import machine_cpu_s, tree_cpu_s

OTHERS_LIMIT = 0.1  # cores; more is told
STOLEN_LIMIT = 0.02  # of the machine's time
JUMP_LIMIT_S = 0.5  # of the wall clock against the steady one; NTP slews stay below


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
        return *machine_cpu_s(), tree_cpu_s()
    except OSError:
        return None
