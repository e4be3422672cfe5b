"""The servers of a load run: ours in a process of its own, or others; and their metrics."""

from __future__ import annotations

import shlex
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from dlpo.errors import EngineError, InputError
from dlpo_bench.load.calls import RATES_HZ, TestedServer, parse_against
from dlpo_bench.load.endpoints import check_endpoint
from dlpo_bench.machine import peak_mb, process_cpu_s, resident_mb
from dlpo_bench.options import LoadOptions
from dlpo_serving.local.local_server import LocalServer, local_server

WARM_UP_CALLS = 3
METRICS_S = 5.0  # timeout for reading metrics
AUDIO = "dlpo_audio_seconds_total"
QUEUE, STAGE = "dlpo_queue_wait_seconds", "dlpo_stage_seconds"

Metrics = Mapping[tuple[str, str], float]
"""(sample name, its stage or "") -> value"""


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
                RATES_HZ[protocol], pid=own.process.pid, metrics_url=f"{own.page_url}/metrics",
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


@dataclass(frozen=True, slots=True)
class Reading:
    """A server's metrics at one moment."""

    at_s: float
    cpu_s: float
    """CPU seconds so far; 0 if the process is unknown"""
    metrics: Metrics
    skipped: dict[str, str]
    """what could not be read -> why"""


@dataclass(slots=True)
class Usage:
    """What a server used over one or more intervals."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    metrics: dict[tuple[str, str], float] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def add(self, before: Reading, after: Reading) -> None:
        """Add the interval between two readings."""
        self.wall_s += after.at_s - before.at_s
        self.cpu_s += after.cpu_s - before.cpu_s
        for key, value in after.metrics.items():
            grown = value - before.metrics.get(key, 0.0)
            self.metrics[key] = self.metrics.get(key, 0.0) + grown
        self.skipped |= after.skipped

    def figures(self, server: TestedServer, audio_s: float) -> dict[str, float]:
        """What the server used to make `audio_s` seconds of audio.

        Returns:
            If its process is known: cores in use, CPU seconds per second of audio (core hours per
            hour), resident memory and its peak in MB. If it has metrics, see `stage_figures`.
        """
        figures = {}
        if server.pid is not None:
            figures["server_cpu"] = self.cpu_s / self.wall_s
            if audio_s:
                figures["core_hour_ratio"] = self.cpu_s / audio_s
            figures["resident_mb"] = resident_mb(server.pid)
            figures["peak_mb"] = peak_mb(server.pid)
        return figures | stage_figures(self.metrics)


async def read_meters(server: TestedServer) -> Reading:
    """Read whatever the server exposes."""
    skipped = {}
    metrics: Metrics = {}
    if server.metrics_url is None:
        why = "a server of this protocol has no dlpo metrics; give them as ?metrics=URL"
    else:
        metrics, why = await _read_metrics(server.metrics_url)
    if why:
        skipped["stages"] = why
    if server.pid is None:
        skipped["cpu and memory"] = "only a server that this run starts has a known process"
    cpu_s = 0.0 if server.pid is None else process_cpu_s(server.pid)
    return Reading(time.perf_counter(), cpu_s, metrics, skipped)


async def _read_metrics(url: str) -> tuple[Metrics, str]:
    """The metrics of a dlpo server, or the reason why there are none."""
    try:
        timeout = aiohttp.ClientTimeout(total=METRICS_S)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as reply:
            if reply.status != 200:
                return {}, f"{url}: HTTP {reply.status}"
            text = await reply.text()
        metrics = {
            (sample.name, sample.labels.get("stage", "")): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return {}, f"{url}: {type(error).__name__} {error}"
    if (AUDIO, "") not in metrics:
        return {}, f"{url} has no {AUDIO}: not the metrics of a dlpo server"
    return metrics, ""


def stage_figures(grown: Metrics) -> dict[str, float]:
    """The server's own timings, from the growth of its metrics between two readings.

    Returns:
        `queue_ms`, a call's mean wait for the engine, and for each stage `<stage>_ms_per_audio_s`,
        milliseconds of its workers per second of audio; empty if no audio was made, or if the
        server was restarted.
    """
    audio_s, waits = grown.get((AUDIO, ""), 0.0), grown.get((f"{QUEUE}_count", ""), 0.0)
    if audio_s <= 0 or waits <= 0:
        return {}
    costs = {
        f"{stage}_ms_per_audio_s": 1000 * value / audio_s
        for (name, stage), value in sorted(grown.items())
        if name == f"{STAGE}_sum"
    }
    return {"queue_ms": 1000 * grown[f"{QUEUE}_sum", ""] / waits, **costs}
