"""The servers of a load run: ours in a process of its own, or others; and what ours uses."""

from __future__ import annotations

import shlex
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dlpo.errors import EngineError, InputError
from dlpo_bench.load.calls import RATES_HZ, TestedServer, parse_against
from dlpo_bench.load.endpoints import check_endpoint
from dlpo_bench.machine import peak_mb, process_cpu_s, resident_mb
from dlpo_bench.options import LoadOptions
from dlpo_serving.local.local_server import LocalServer, local_server

WARM_UP_CALLS = 3


@dataclass(frozen=True, slots=True)
class Servers:
    """The servers of a run, all warmed up."""

    tested: list[TestedServer]
    own: LocalServer | None
    """the process that this run started"""

    def check_alive(self) -> None:
        """Raise EngineError if the server that this run started has ended."""
        if self.own and (code := self.own.process.poll()) is not None:
            raise EngineError(f"the server ended with exit code {code}; its message is above")


@asynccontextmanager
async def tested_servers(options: LoadOptions) -> AsyncIterator[Servers]:
    """The servers of `options.against`, or one of ours that runs until the block ends.

    Raises:
        InputError: a server does not answer, or not with speech.
        EngineError: ours did not start, or exited unexpectedly.
    """
    if options.against:
        servers = Servers([parse_against(text) for text in options.against], None)
        if twice := len(servers.tested) - len({one.name for one in servers.tested}):
            raise InputError(f"--against names {twice} server twice; name each once")
        await _warm_up(servers)
        yield servers
        return
    # Starting and stopping it blocks this event loop, which runs nothing else at those times.
    with local_server(options.voice, *server_arguments(options), "--http-port", "0") as own:
        tested = [
            TestedServer(
                protocol, protocol, f"{own.page_url}/v1" if protocol == "openai" else own.address,
                RATES_HZ[protocol], pid=own.process.pid,
            )
            for protocol in options.protocol
        ]  # fmt: skip
        servers = Servers(tested, own)
        await _warm_up(servers)
        yield servers
        servers.check_alive()


def server_arguments(options: LoadOptions) -> list[str]:
    """Options of our server other than its voice."""
    precision = ["--precision", options.precision] if options.precision else []
    return ["--engine", options.engine, *precision, *shlex.split(options.server_options)]


async def _warm_up(servers: Servers) -> None:
    for server in servers.tested:
        for _ in range(WARM_UP_CALLS):
            await check_endpoint(server)


@dataclass(slots=True)
class Usage:
    """What a server used over one or more intervals, if this run started it."""

    server: TestedServer
    wall_s: float = 0.0
    cpu_s: float = 0.0
    begun: tuple[float, float] = (0.0, 0.0)

    def begin(self) -> None:
        """Begin an interval."""
        self.begun = self._clocks()

    def end(self) -> None:
        """Add the interval that was begun."""
        wall_s, cpu_s = self._clocks()
        self.wall_s += wall_s - self.begun[0]
        self.cpu_s += cpu_s - self.begun[1]

    def _clocks(self) -> tuple[float, float]:
        pid = self.server.pid
        return time.perf_counter(), 0.0 if pid is None else process_cpu_s(pid)

    def figures(self, audio_s: float) -> dict[str, float]:
        """What the server used to make `audio_s` seconds of audio; nothing of another's.

        Returns:
            Cores in use, CPU seconds per second of audio (core hours per hour), resident memory and
            its peak in MB.
        """
        pid = self.server.pid
        if pid is None:
            return {}
        figures = {"server_cpu": self.cpu_s / self.wall_s}
        if audio_s:
            figures["core_hour_ratio"] = self.cpu_s / audio_s
        return figures | {"resident_mb": resident_mb(pid), "peak_mb": peak_mb(pid)}


def not_measured(servers: Sequence[TestedServer]) -> dict[str, str]:
    """What can't be measured of servers -> why."""
    why = "only a server that this run starts has a known process"
    return {f"{one.name}: cpu and memory": why for one in servers if one.pid is None}
