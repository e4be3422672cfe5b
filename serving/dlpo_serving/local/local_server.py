"""A server in its own process, on a free port: for the demo, the benchmark and tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dlpo.errors import EngineError

_SERVING = re.compile(r"SERVING \S+ on (\S+) after")
_PAGE = re.compile(r"the page is at (http://\S+?)/?\s*$")
END_S = 120.0  # for a server to end, whose calls may take `grace_s`


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A running server."""

    address: str
    """host:port"""
    start_s: float
    """seconds from starting the process until it was SERVING"""
    process: subprocess.Popen[str]
    page_url: str = ""
    """without a trailing slash; empty without HTTP"""


def _ends(process: subprocess.Popen[str]) -> bool:
    """Whether it ends in time; if it doesn't, it is killed."""
    process.terminate()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return False
    return True


@contextmanager
def local_server(voice: str | os.PathLike[str], *options: str) -> Iterator[LocalServer]:
    """Run `python -m dlpo_serving` until the block ends; its warnings go to standard error.

    Args:
        voice: a name or the path of a bundle.
        options: further options of the server.

    Raises:
        EngineError: it ended before it was SERVING, or did not print its page's address; standard
            error has the reason. Or it did not end with the block.
    """
    command = [sys.executable, "-m", "dlpo_serving", "--port", "0", "--log-level", "warning"]
    command += ["--log-format", "plain", "--voice", os.fspath(voice), *options]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # it is a pipe
            line = process.stdout.readline()
            start_s = time.perf_counter() - start
            match = _SERVING.match(line)
            if not match:
                raise EngineError("the server did not start; see its message above")
            page = _PAGE.match(process.stdout.readline()) if "--http-port" in options else None
            if "--http-port" in options and not page:
                raise EngineError("the server did not print the address of its page")
            yield LocalServer(match[1], start_s, process, page[1] if page else "")
        finally:
            ended = _ends(process)
    if not ended:
        raise EngineError(
            f"the server was still running {END_S:.0f} s after it should have ended, and was"
            " killed; please report this"
        )
