"""Makes a Python on Linux lack what macOS or Windows lack, as LACKING_SYSTEM says.

Python imports this module at its start if its folder is on PYTHONPATH, so processes that a server
starts lack the same. What remains is what the standard library and NumPy call on Linux.
"""

import asyncio
import ctypes
import os
import select
import signal
import socket
import sys
from typing import Any

ABSENT: dict[str, dict[Any, str]] = {
    "macos": {
        os: "sched_getaffinity sched_setaffinity sched_setscheduler pipe2 posix_fadvise"
        " memfd_create eventfd getresuid setresuid O_DIRECT O_TMPFILE O_PATH",
        select: "epoll",
        signal: "SIGRTMIN SIGRTMAX SIGPWR SIGSTKFLT",
    },
    "windows": {
        os: "sched_getaffinity sched_setaffinity sched_setscheduler sched_yield pipe2 posix_fadvise"
        " memfd_create eventfd geteuid getegid getuid getgid getgroups getpgid getpgrp getsid"
        " setsid setpriority getpriority PRIO_PROCESS nice getloadavg sysconf statvfs fstatvfs"
        " fork forkpty killpg mkfifo mknod chown fchown lchown fchmod chroot sync fdatasync"
        " pread preadv pwrite pwritev sendfile O_DIRECTORY O_NOFOLLOW O_NONBLOCK O_CLOEXEC O_SYNC"
        " O_DSYNC O_NOCTTY O_PATH O_DIRECT O_TMPFILE ttyname ctermid openpty tcgetpgrp",
        select: "epoll poll",
        signal: "SIGHUP SIGQUIT SIGKILL SIGUSR1 SIGUSR2 SIGPIPE SIGALRM SIGCHLD SIGCONT SIGSTOP"
        " SIGTSTP SIGXCPU SIGXFSZ SIGRTMIN SIGRTMAX alarm setitimer getitimer pause siginterrupt"
        " pthread_kill pthread_sigmask sigwait sigwaitinfo sigtimedwait sigpending",
        socket: "SO_REUSEPORT",
        asyncio.SelectorEventLoop: "add_signal_handler remove_signal_handler",
    },
}
MODULES = {
    "macos": ("spwd",),
    "windows": (
        "resource", "fcntl", "pwd", "grp", "termios", "tty", "pty", "syslog", "readline", "curses",
    ),
}  # fmt: skip
system = os.environ["LACKING_SYSTEM"]
for owner, names in ABSENT[system].items():
    for name in names.split():
        if hasattr(owner, name):
            delattr(owner, name)
for name in MODULES[system]:
    sys.modules[name] = None  # type: ignore[assignment]


class Library(ctypes.CDLL):
    """A library whose functions for glibc's heap are missing; Windows needs a library's name."""

    def __init__(self, name: Any, *arguments: Any, **named: Any) -> None:
        if name is None and system == "windows":
            raise TypeError("argument 1 must be str, not None")
        super().__init__(name, *arguments, **named)

    def __getattr__(self, name: str) -> Any:
        if name in ("mallopt", "malloc_trim"):
            raise AttributeError(name)
        return super().__getattr__(name)


ctypes.CDLL = Library  # type: ignore[misc]

if system == "macos":
    import resource

    real, most = resource.setrlimit, 10_240

    def setrlimit(kind: int, limits: tuple[int, int]) -> None:
        if kind == resource.RLIMIT_NOFILE and limits[0] > most:
            raise ValueError("current limit exceeds maximum limit")
        real(kind, limits)

    def getrlimit(kind: int) -> tuple[int, int]:
        return (256, resource.RLIM_INFINITY) if kind == resource.RLIMIT_NOFILE else found(kind)

    found = resource.getrlimit
    resource.setrlimit, resource.getrlimit = setrlimit, getrlimit
