"""What Linux, macOS and Windows do differently.

Each function asks for what it needs, such as `os.O_DIRECTORY`, never for a system's name: tests
remove these and run the server, so that it starts where they have never existed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

_resource: Any = None  # Windows lacks it
with contextlib.suppress(ModuleNotFoundError):
    _resource = import_module("resource")
_os: Any = os  # for what a type checker would miss on another system

# of glibc's malloc.h
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8
OVERTIME = 124  # exit code after the wall time of `limit_this_process`, that of timeout(1)
LOWEST_PRIORITY = 19  # of nice(1)
OPEN_MAX = 10_240  # files; macOS reports no upper limit, but refuses more than this


def usable_cores() -> int:
    """The number of cores that this process may use; those of the machine if it can't tell."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def flush_file(path: Path) -> None:
    """Wait until a file is on the disk."""
    has_directories = hasattr(os, "O_DIRECTORY")
    # Windows flushes only what is open for writing; POSIX also what may only be read.
    _flush(path, os.O_RDONLY if has_directories else os.O_RDWR | getattr(os, "O_BINARY", 0))


def flush_directory(path: Path) -> None:
    """Wait until the names in a directory are on the disk; Windows can't be asked to do so."""
    if hasattr(os, "O_DIRECTORY"):
        _flush(path, os.O_RDONLY)


def _flush(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def call_on_stop(stop: Callable[[], object]) -> None:
    """Have the running event loop call `stop` at SIGTERM, Ctrl-C and, on Windows, Ctrl-Break.

    Windows ends a process without a signal if another one terminates it: only the two keys, which
    a parent can send too, let a server drain.

    The loop's own `add_signal_handler` would lose a signal that comes while hundreds of callbacks
    from other threads wait: it tells the loop through the same small buffer as they do.
    """
    import asyncio  # late: `dlpo say` needs none

    loop = asyncio.get_running_loop()
    for name in ("SIGTERM", "SIGINT", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is not None:
            _stop_at(number, loop, stop)


def _stop_at(number: int, loop: asyncio.AbstractEventLoop, stop: Callable[[], object]) -> None:
    """See `call_on_stop`; once the loop is closed, the signal does what it did before."""
    before = signal.getsignal(number)

    def hear(*_: object) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop)
            return
        signal.signal(number, before)
        signal.raise_signal(number)

    signal.signal(number, hear)


def is_quiet(descriptor: int, seconds: float) -> bool:
    """Whether nothing comes from a terminal or pipe for so long; False if the system can't tell.

    Windows waits for sockets only.
    """
    return hasattr(select, "poll") and not select.select([descriptor], [], [], seconds)[0]


def lower_priority(niceness: int) -> None:
    """Lower this thread's priority by so much; only Linux treats threads as processes here.

    A process that was started with a lower priority may not raise it again, unless it is root's.
    """
    if hasattr(os, "sched_getaffinity"):
        thread = threading.get_native_id()
        before = _os.getpriority(_os.PRIO_PROCESS, thread)
        _os.setpriority(_os.PRIO_PROCESS, thread, min(LOWEST_PRIORITY, before + niceness))


def lift_file_limit() -> None:
    """Raise the limit on open files: each connection is one, and the default is often 1024.

    Windows has no such limit on sockets.
    """
    if _resource is None:
        return
    now, most = _resource.getrlimit(_resource.RLIMIT_NOFILE)
    for wanted in (most, OPEN_MAX):
        if now == _resource.RLIM_INFINITY or (wanted != most and wanted <= now):
            return
        with contextlib.suppress(ValueError, OSError):
            _resource.setrlimit(_resource.RLIMIT_NOFILE, (wanted, most))
            return


def limit_this_process(processor_s: int, memory_bytes: int, wall_s: float) -> None:
    """End this process when it has used that much processor time; refuse it more memory.

    Where the system has no limits, as on Windows, it ends after `wall_s` instead, and memory is
    not limited. macOS may refuse the limit on memory.
    """
    if _resource is None:
        timer = threading.Timer(wall_s, os._exit, (OVERTIME,))
        timer.daemon = True
        timer.start()
        return
    _resource.setrlimit(_resource.RLIMIT_CPU, (processor_s, processor_s + 1))
    with contextlib.suppress(ValueError):
        _resource.setrlimit(_resource.RLIMIT_DATA, (memory_bytes, memory_bytes))


def ended_for_time(code: int) -> bool:
    """Whether a process that called `limit_this_process` used all of its time."""
    killers = (getattr(signal, name, None) for name in ("SIGXCPU", "SIGKILL"))
    return code == OVERTIME or any(code == -number for number in killers if number is not None)


def has_modes() -> bool:
    """Whether modes of files say who may read them; Windows keeps that in lists of its own."""
    return hasattr(os, "geteuid")


def owns(owner: int) -> bool:
    """Whether this process runs as the user with that number; True where users have none."""
    return owner == os.geteuid() if hasattr(os, "geteuid") else True


def this_user() -> str:
    """Whom this process runs as, for messages."""
    if hasattr(os, "geteuid"):
        return f"user {os.geteuid()}"
    return f"user {os.environ['USERNAME']}" if os.environ.get("USERNAME") else "this user"


def keep_one_heap() -> None:
    """Have all threads share a heap, and keep large blocks out of it, if the C library is glibc.

    Otherwise each thread keeps what it freed for itself, and a voice that was replaced leaves gaps.
    """
    if tune := _of_c_library("mallopt"):
        tune(M_ARENA_MAX, 1)
        tune(M_MMAP_THRESHOLD, 1 << 20)  # bytes


def keep_freed_memory() -> None:
    """Have this process keep up to 2 GiB that it freed, if the C library is glibc.

    Each update of a training run allocates what the last one freed; fetching its pages from the
    system again takes up to a tenth of the time.
    """
    if tune := _of_c_library("mallopt"):
        tune(M_MMAP_THRESHOLD, 32 << 20)  # bytes, the most that glibc allows
        tune(M_TRIM_THRESHOLD, (2 << 30) - 1)


def give_memory_back() -> None:
    """Return freed pages to the system if the C library can (glibc); takes about 1 ms.

    Sentences vary in length, so freed memory is scattered among memory in use, and on its own glibc
    returns only what is at the end: resident memory would stay at its peak.
    """
    if trim := _of_c_library("malloc_trim"):
        trim(0)


def _of_c_library(name: str) -> Any:
    """A function of the C library; None if it lacks it, as musl, macOS and Windows do."""
    try:
        return getattr(ctypes.CDLL(None), name, None)
    except TypeError:  # Windows: there is no library of the process itself
        return None
