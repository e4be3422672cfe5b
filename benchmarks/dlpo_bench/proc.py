"""What Linux's /proc says of processor time and memory: of the machine and of processes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from dlpo.errors import EngineError

TICKS = os.sysconf("SC_CLK_TCK")  # per second


def machine_cpu_s() -> tuple[float, float]:
    """Processor seconds since the machine started: of all its processes; taken by a hypervisor.

    Raises:
        OSError: there is no /proc/stat: not Linux.
    """
    first_line = Path("/proc/stat").read_text("ascii").split("\n", 1)[0]
    user, nice, system, _, _, irq, soft_irq, stolen, *_ = map(int, first_line.split()[1:])
    return (user + nice + system + irq + soft_irq) / TICKS, stolen / TICKS


def process_cpu_s(pid: int) -> float:
    """Processor seconds of a process and its threads, in user and system mode; in ticks of 10 ms.

    Raises:
        OSError: it has ended.
    """
    return sum(map(int, _stat(Path(f"/proc/{pid}/stat"))[11:13])) / TICKS


def threads_cpu_s(pid: int) -> float | None:
    """Processor seconds of the threads that a process has, to the nanosecond; None where the
    kernel doesn't tell, or a thread has just ended."""
    try:
        files = [task / "schedstat" for task in Path(f"/proc/{pid}/task").iterdir()]
        return sum(int(file.read_text("ascii").split()[0]) for file in files) / 1e9
    except FileNotFoundError:
        return None


def tree_cpu_s() -> float:
    """Of this process, its descendants, and those of theirs that have ended and were waited for."""
    parents, used = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = _stat(stat)
        except OSError:  # it has ended meanwhile
            continue
        pid = int(stat.parent.name)
        parents[pid] = int(fields[1])
        used[pid] = sum(map(int, fields[11:15])) / TICKS  # user, system, and of ended children
    return sum(seconds for pid, seconds in used.items() if _descends(pid, os.getpid(), parents))


def memory_mb(pid: int | Literal["self"], name: Literal["VmRSS", "VmHWM"]) -> float:
    """Memory of a process in MB of 10^6 bytes: resident now (VmRSS), or the most that ever was.

    Raises:
        EngineError: the process has ended.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii", errors="replace").splitlines()
    except OSError:
        status = []
    for line in status:
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise EngineError(f"the process {pid} that is measured has ended; its message is above")


def _stat(path: Path) -> list[str]:
    """The fields of /proc/PID/stat behind the name, which stands in brackets and may hold
    anything."""
    return path.read_text("ascii", errors="replace").rpartition(")")[2].split()


def _descends(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    while pid not in (0, ancestor):
        pid = parents.get(pid, 0)
    return pid == ancestor
