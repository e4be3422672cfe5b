"""CPU time and memory of processes, and what disturbed a measurement."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray
from scipy.stats import theilslopes

from dlpo.errors import EngineError, InputError

Clocks = NDArray[np.float64]
"""Seconds: passed, machine busy and stolen, own including all descendants."""

OTHERS_LIMIT = 0.1  # cores used by other processes; above it, a run is reported as disturbed
STOLEN_LIMIT = 0.02  # of the machine's time


def resident_mb(pid: int | None = None) -> float:
    """Resident memory of a process (default: this one), MB of 10^6 bytes.

    Raises:
        EngineError: the process has ended.
    """
    try:
        return float(psutil.Process(pid).memory_info().rss / 1e6)
    except psutil.Error as error:
        raise EngineError(f"the measured process {pid} has ended; see its message above") from error


def peak_mb(pid: int | None = None) -> float:
    """Peak resident memory of a process so far, MB of 10^6 bytes; Linux only.

    Raises:
        EngineError: the process has ended.
    """
    try:  # psutil has no VmHWM
        status = Path(f"/proc/{pid or 'self'}/status").read_text("ascii", errors="replace")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
    except (OSError, LookupError) as error:
        raise EngineError(f"the measured process {pid} has ended; see its message above") from error


def process_cpu_s(pid: int) -> float:
    """CPU seconds of a process; on Linux to the nanosecond while none of its threads has ended.

    Raises:
        EngineError: the process has ended.
    """
    try:
        tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
        exact = sum(int(task.read_text("ascii").split()[0]) for task in tasks) / 1e9
        times = psutil.Process(pid).cpu_times()
    except (OSError, psutil.Error) as error:
        raise EngineError(f"the measured process {pid} has ended; see its message above") from error
    coarse = times.user + times.system  # steps of 10 ms, including threads that have ended
    return exact if exact > coarse - 0.05 else coarse


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which `percent` of `values` lie, interpolated linearly."""
    return float(np.percentile(values, percent))


def memory_growth(readings: Sequence[tuple[float, float]]) -> float:
    """Growth of memory over (x, memory) readings, by the Theil-Sen line.

    Returns:
        A share of the line's first value; negative if memory shrank.
    """
    if len(readings) < 2:
        return 0.0
    x, memory = np.array(readings, float).T
    slope = float(theilslopes(memory, x)[0])
    return slope * float(x[-1] - x[0]) / float(np.median(memory - slope * (x - x[0])))


def choose_cores(threads: int = 1, core: int | None = None) -> list[int]:
    """`threads` cores that this process may use, starting at `core`; None takes the last ones.

    Raises:
        InputError: there are too few, or the system can't pin a process to cores.
    """
    if not hasattr(os, "sched_getaffinity"):
        raise InputError("a process can be held to one core on Linux only; measure there")
    usable = sorted(os.sched_getaffinity(0))
    chosen = usable[-threads:] if core is None else [c for c in usable if c >= core][:threads]
    if not 0 < threads == len(chosen) or core not in (None, chosen[0]):
        needed = f"core is {core}" if threads == 1 else f"{threads} threads need as many cores"
        raise InputError(f"{needed}; this process may use {', '.join(map(str, usable))}")
    return chosen


@contextmanager
def pinned(threads: int, core: int | None) -> Iterator[list[int]]:
    """Limit PyTorch to `threads`, and pin this process to as many cores, see `choose_cores`."""
    import torch

    cores = choose_cores(threads, core)
    allowed, before = os.sched_getaffinity(0), torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        os.sched_setaffinity(0, cores)
        yield cores
    finally:
        torch.set_num_threads(before)
        os.sched_setaffinity(0, allowed)


@dataclass(frozen=True, slots=True)
class Interference:
    """What happened on the machine during a measurement."""

    other_cores: float
    """mean number of cores used by processes outside the measurement"""
    stolen_share: float
    """share of all cores' time taken by a hypervisor"""

    def warnings(self) -> list[str]:
        """A line for each disturbance above its limit."""
        found = []
        if self.other_cores > OTHERS_LIMIT:
            found.append(
                f"the machine was busy: other processes used {self.other_cores:.2f} cores on"
                " average; trust the ratios of this run, not its times, and repeat it when quiet"
            )
        if self.stolen_share > STOLEN_LIMIT:
            found.append(
                f"the hypervisor took {100 * self.stolen_share:.0f} % of the cores' time;"
                " times are too long"
            )
        return found


def machine_clocks() -> Clocks:
    """Read all clocks, at the start and at the end of a measurement."""
    cpu = psutil.cpu_times()
    busy_s = sum(getattr(cpu, n, 0.0) for n in ("user", "nice", "system", "irq", "softirq"))
    return np.array([time.perf_counter(), busy_s, stolen_s(), _tree_cpu_s()])


def stolen_s() -> float:
    """Seconds that the hypervisor has taken from all cores so far; 0 except on Linux."""
    return float(getattr(psutil.cpu_times(), "steal", 0.0))


def interference(begin: Clocks, end: Clocks | None = None) -> Interference:
    """From one reading of `machine_clocks` to another, or to now, while this process measured."""
    passed = (machine_clocks() if end is None else end) - begin
    length_s, busy_s, stolen_s, own_s = map(float, passed)
    over_s = max(length_s, 1e-9)
    return Interference(
        max(0.0, (busy_s - own_s) / over_s),  # the machine's clock is coarse
        max(0.0, stolen_s / over_s / (os.cpu_count() or 1)),
    )


def _tree_cpu_s() -> float:
    """CPU seconds of this process, its descendants, and the children it has waited for."""
    me = psutil.Process()
    total = 0.0
    for process in [me, *me.children(recursive=True)]:
        try:
            total += sum(process.cpu_times()[:4])  # user, system, and children waited for
        except psutil.Error:  # the process has just ended
            continue
    return total
