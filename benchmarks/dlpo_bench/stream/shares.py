"""A level of load, and the share of it that each client process takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from dlpo_bench.load.caller import Heard

Loop = Literal["open", "closed"]


@dataclass(frozen=True, slots=True)
class Level:
    """How much is asked of a server, and for how long."""

    loop: Loop
    """open: callers come as a Poisson process, whether the server keeps up or not; closed: so many
    listeners, each of whom calls again when it has heard all and thought"""
    load: float
    """open: arrivals per second; closed: listeners"""
    ramp_s: float
    """before the calls count; closed: listeners come evenly over it, and the last one's counts"""
    level_s: float
    """while calls that are sent count"""
    think_s: float
    """closed: mean of the exponential time between hearing the end and calling again"""
    seed: int
    """of texts, arrivals and thoughts"""

    @property
    def counts_from_s(self) -> float:
        """Since when calls count, from the level's begin on: when the load is complete."""
        return self.ramp_s if self.loop == "open" else self.comes_s(round(self.load) - 1)

    def comes_s(self, listener: int) -> float:
        """When a listener comes, from the level's begin on."""
        return listener * self.ramp_s / self.load


@dataclass(frozen=True, slots=True)
class Share:
    """What one client process does."""

    level: Level
    process: int
    """number of the process"""
    processes: int
    """that share the level"""

    @property
    def rate(self) -> float:
        """Open loop: this process's arrivals per second. Poisson processes add up."""
        return self.level.load / self.processes

    @property
    def listeners(self) -> range:
        """Closed loop: numbers of this process's listeners."""
        return range(self.process, round(self.level.load), self.processes)


@dataclass(frozen=True, slots=True)
class Asked:
    """One call."""

    characters: int
    """of its text: so much was offered, also where nothing came back"""
    late_s: float
    """that the client itself was late to send it"""
    heard: Heard


@dataclass(slots=True)
class ShareResult:
    """What one client process saw."""

    calls: list[Asked] = field(default_factory=list)
    cpu_share: float = 0.0
    """of one core, from the first call until the level ended"""


def shares(level: Level, processes: int) -> list[Share]:
    """The level in equal parts; a process without a listener gets none."""
    if level.loop == "closed":
        processes = min(processes, round(level.load))
    return [Share(level, number, processes) for number in range(processes)]
