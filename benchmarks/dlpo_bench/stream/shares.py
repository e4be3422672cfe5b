"""A level of load, and the share of it that each client process takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
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
    """before the calls count; closed: listeners come evenly over it"""
    level_s: float
    """while calls that are sent count"""
    think_s: float
    """closed: mean of the exponential time between hearing the end and calling again"""
    seed: int
    """of texts, arrivals and thoughts"""


@dataclass(frozen=True, slots=True)
class Share:
    """What one client process does."""

    level: Level
    """with this process's part of the load"""
    process: int
    """number of the process"""
    processes: int
    """that share the level"""


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


def shares(level: Level, processes: int) -> Iterator[Share]:
    """The level in equal parts: Poisson processes add up, and so do listeners.

    A process without a listener gets no share.
    """
    if level.loop == "open":
        parts = [level.load / processes] * processes
    else:
        whole, rest = divmod(round(level.load), processes)
        parts = [float(whole + (number < rest)) for number in range(processes)]
    taking = [part for part in parts if part]
    for number, part in enumerate(taking):
        yield Share(replace(level, load=part), number, len(taking))
