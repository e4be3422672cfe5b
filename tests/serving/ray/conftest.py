"""`dlpo serve --ray` with two replicas, in the environment that has Ray."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.callers import python_of, server_process

START_S = 120.0  # Ray alone takes ten seconds of a quiet machine


@pytest.fixture(scope="session")
def ray_python() -> str:
    """The Python of an environment with dlpo and Ray."""
    if importlib.util.find_spec("ray"):
        return sys.executable
    return python_of("ray")


@dataclass(frozen=True)
class RayServer:
    """`dlpo serve --ray`, and the processes that Ray has made for it."""

    process: subprocess.Popen[str]
    address: str
    log: Path

    def replicas(self) -> set[int]:
        """Process ids of the replicas."""
        return {pid for pid, title in self.processes().items() if "ray::ServeReplica" in title}

    def kill(self, pid: int) -> None:
        """Without a word."""
        os.kill(pid, signal.SIGKILL)

    def alive(self, processes: dict[int, str]) -> set[int]:
        """Which of them still run."""
        return {pid for pid, title in processes.items() if title and command_line(pid) == title}

    def processes(self) -> dict[int, str]:
        """All processes that descend from the server's: id -> command line."""
        parents = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
            except OSError:  # it has just ended
                continue
        ours = {self.process.pid}
        while further := {pid for pid, parent in parents.items() if parent in ours} - ours:
            ours |= further
        return {pid: command_line(pid) for pid in ours - {self.process.pid}}


def command_line(pid: int) -> str:
    """Empty where there is no such process, or one that waits to be buried."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


@contextmanager
def _running(python: str, folder: Path, *options: str) -> Iterator[RayServer]:
    log = folder / "server.log"
    command = [python, "-m", "dlpo_serving", "--ray", "--host", "0.0.0.0", "--port", "0"]
    command += ["--ray-http-port", "0", "--voice", "heart", *options]
    # Ray's sockets are in its folder, and their paths may have 107 characters.
    ray_folder = tempfile.mkdtemp(prefix="dlpo-ray-", dir="/tmp")
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "RAY_TMPDIR": ray_folder, "OMP_NUM_THREADS": "1"},
        ) as process,
    ):
        server = RayServer(process, "", log)
        try:
            assert process.stdout is not None
            serving = re.match(
                r"SERVING heart\S* on 0\.0\.0\.0:(\d+) after", process.stdout.readline()
            )
            assert serving, log.read_text()
            yield RayServer(process, f"127.0.0.1:{serving[1]}", log)
        finally:
            left = server.processes()
            process.terminate()
            try:
                process.wait(START_S)
            finally:
                for pid in server.alive(left):
                    server.kill(pid)
                shutil.rmtree(ray_folder, ignore_errors=True)


@pytest.fixture(scope="module")
def ray_server(ray_python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayServer]:
    """Two replicas of the embedded voice, each on half a core of Ray's, whatever there is."""
    options = ("--ray-min-replicas", "2", "--ray-cpus", "0.5", "--max-first-audio-s", "1000")
    with _running(ray_python, tmp_path_factory.mktemp("ray"), *options) as server:
        yield server


@pytest.fixture(scope="module")
def plain_server(ray_python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server of the same environment, without Ray."""
    options = ("--log-level", "warning", "--max-first-audio-s", "1000")
    with server_process(tmp_path_factory.mktemp("plain"), *options, python=ray_python) as server:
        yield server.address
