"""The server: a process that loads voices, listens, watches its lanes and stops gracefully."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from typing import Any, Never

from grpc_health.v1 import health

from dlpo.errors import DlpoError, EngineError, check_installed
from dlpo.operating_system import (
    call_on_stop,
    give_memory_back,
    keep_one_heap,
    lift_file_limit,
    usable_cores,
)
from dlpo_serving.operations.call_scope import CallScope
from dlpo_serving.operations.captured_stderr import stderr_captured
from dlpo_serving.operations.keys import KeyRing
from dlpo_serving.operations.logs import LogFormat, configure_logs, line
from dlpo_serving.operations.metrics import Metrics
from dlpo_serving.operations.quotas import Quotas
from dlpo_serving.operations.tracing import open_tracer
from dlpo_serving.protocols.endpoints import Endpoints, serve_endpoints, set_ready
from dlpo_serving.scheduling.executor import EngineExecutor
from dlpo_serving.scheduling.scheduler import Scheduler
from dlpo_serving.scheduling.stream import AdmissionPolicy
from dlpo_serving.service import SynthesisService
from dlpo_serving.settings.server_settings import EVERYWHERE, ServerSettings, address
from dlpo_serving.settings.sources import unknown_variables
from dlpo_serving.voices.registry import Load, VoiceRegistry, open_voices

SWITCH_S = 2e-5  # how long a busy thread may hold the GIL; at 1 ms a storm of cancels starves lanes
THREADS = 3  # for work beside the event loop: two readers and the watch of the lanes
HEARTBEAT_S = 1.0  # between two checks of the lanes
HANG_BEATS = 20  # heartbeats; limit for one call of a graph
MAX_HUNG_LANES = 3  # replaced within `HUNG_BEATS`; then the process exits
HUNG_BEATS = 600
TIDY_CALLS = 16  # with more calls open, what ended calls left behind waits
# For Python's own collections. It looks through all objects once the last number of times 7,000
# have come, some 1 MB each; at its usual 10, 500 new conversations stopped the server for 0.09 s.
COLLECT_AFTER = (700, 10, 40)

_log = logging.getLogger(__name__)
Announce = Callable[[Endpoints, str], None]


class EngineHungError(EngineError):
    """The engine has repeatedly hung."""


def serve(settings: ServerSettings) -> None:
    """Serve until SIGTERM or Ctrl-C; print a line once ready.

    Raises:
        InputError: there is no such voice or precision, or a port can't be bound.
        ConfigError: a file named in the settings can't be used.
        BundleError: a voice can't be loaded.
        EngineError: the run-time can't load a voice, or failed.
        MissingExtraError: a package is not installed.

    In the log formats for programs, these errors are logged, and the process exits with 1.
    If a call of the engine hangs, the process exits here: with 0 if it was asked to stop, with 1
    and a line on standard error if it gave up on the engine.
    """
    start = time.perf_counter()
    with stderr_captured() if settings.log_format != "plain" else nullcontext() as stream:
        configure_logs(settings.log_format, settings.log_level, stream)
        try:
            hangs, status = _served(settings, start)
        except DlpoError as error:
            if settings.log_format == "plain":
                raise
            _log.critical("%s", error)
            raise SystemExit(1) from error
    if hangs:  # threads can't be joined, and the run-time would abort the exiting interpreter
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _served(settings: ServerSettings, start: float) -> tuple[bool, int]:
    """Serve to the end: whether a thread hangs, and the exit code of a process where one does."""
    if settings.wyoming_port is not None:
        check_installed("wyoming")  # before the voices are opened, which takes seconds
    lift_file_limit()
    keep_one_heap()
    sys.setswitchinterval(SWITCH_S)
    for name in unknown_variables(os.environ):
        _log.warning("%s is not a setting and is ignored; see dlpo serve --help", name)
    if settings.open_address:
        _log.warning(
            "open to the network without keys: whoever reaches %s may have speech made; set"
            " --keys-file, or listen on 127.0.0.1",
            settings.open_address,
        )
    if settings.open_wyoming:
        _log.warning(
            "Wyoming has no keys: whoever reaches %s may have speech made; keep that port in a"
            " network that you trust",
            settings.open_wyoming,
        )
    try:
        return asyncio.run(_serve(settings, start)), 0
    except EngineHungError as error:
        if settings.log_format == "plain":
            print(f"error: {error}", file=sys.stderr)
        else:
            _log.critical("%s", error)
        return True, 1


def announcement(
    log_format: LogFormat, endpoints: Endpoints, voices: str, seconds: float
) -> list[str]:
    """The lines that say where the server is; one line in the formats for programs."""
    if log_format != "plain":
        where = {"grpc": endpoints.grpc_address, "http": endpoints.http_url or None}
        wyoming = {"wyoming": endpoints.wyoming_address or None}
        fields = {"voices": voices, **where, **wyoming, "after_s": round(seconds, 2)}
        return [line(log_format, __name__, "serving", fields)]
    lines = [f"SERVING {voices} on {endpoints.grpc_address} after {seconds:.2f} s"]
    if endpoints.http_url:
        lines.append(f"the page is at {_callable(endpoints.http_url)}")
    if endpoints.wyoming_address:
        lines.append(f"Wyoming is at tcp://{endpoints.wyoming_address}")
    return lines


def _callable(url: str) -> str:
    """A URL that a browser on this machine can open: nobody can call 0.0.0.0."""
    for everywhere, here in EVERYWHERE.items():
        url = url.replace(f"//{address(everywhere, 0)[:-2]}:", f"//{address(here, 0)[:-2]}:", 1)
    return url


def say(*lines: str) -> None:
    """Print lines; if standard output can't take them, log them, since calls are served all the
    same."""
    try:
        print(*lines, sep="\n", flush=True)
    except OSError as error:  # a full disk, or a pipe that nobody reads
        for line in lines:
            _log.warning("%s (standard output: %s)", line, error.strerror)
        # Otherwise the interpreter tries to flush the rest at its end, and fails.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


async def _serve(settings: ServerSettings, start: float) -> bool:
    stop = asyncio.Event()
    threads, all_run = ThreadPoolExecutor(THREADS), threading.Barrier(THREADS)
    for _ in range(THREADS):  # started now, so that a server's memory and threads stay as they are
        threads.submit(all_run.wait)
    asyncio.get_running_loop().set_default_executor(threads)
    call_on_stop(stop.set)
    if settings.log_format == "plain":
        print("opening the voices and measuring this machine ...", file=sys.stderr, flush=True)

    def announce(endpoints: Endpoints, voices: str) -> None:
        gc.collect()
        gc.freeze()  # a full collection took 0.1 s, during which every stream stalled: see `_tidy`
        gc.set_threshold(*COLLECT_AFTER)
        say(*announcement(settings.log_format, endpoints, voices, time.perf_counter() - start))

    return await run_server(settings, stop, announce)


async def run_server(
    settings: ServerSettings, stop: asyncio.Event, announce: Announce, load: Load = open_voices
) -> bool:
    """Serve until `stop` is set, then give running calls `settings.grace_s` to end.

    Args:
        settings: the server's settings.
        stop: set it, in this event loop, to stop the server.
        announce: called with the addresses and the voices' names, the default first, once health is
            SERVING.
        load: opens the voices; runs on a lane.

    Returns:
        Whether a thread is still hanging in the engine or loading a voice.

    Raises:
        EngineHungError: the engine hung too often.
        Also anything that `serve` raises.
    """
    clock = time.monotonic
    metrics = Metrics()
    keys = KeyRing(settings.keys_file, clock) if settings.keys_file else None
    policy = AdmissionPolicy(
        max_first_audio_s=settings.max_first_audio_s,
        burst_utilisation=settings.burst_share,
        max_streams=settings.max_streams,
        peer_share=settings.peer_share,
    )
    # On a CPU one lane per core, otherwise a single lane that batches.
    lanes = settings.lanes or (usable_cores() if settings.engine == "cpu" else 1)
    tracer = open_tracer(settings.otlp_endpoint)
    executor = EngineExecutor(Scheduler(policy, lanes), lanes, metrics, clock)
    figures: dict[tuple[str, str], Callable[[Scheduler], float]] = {
        ("dlpo_streams_active", "Calls in progress."): lambda one: len(one.streams),
        ("dlpo_streams_waiting", "Calls without audio yet."): Scheduler.waiting,
        ("dlpo_backlog_audio_seconds", "Audio admitted, not yet generated."): Scheduler.backlog_s,
        ("dlpo_load_ratio", "Cost of live calls / capacity, 1: full."): lambda one: one.load_ratio(
            clock()
        ),
        ("dlpo_files_waiting", "Whole files before their turn."): lambda _: (
            executor.files_waiting()
        ),
    }
    for (name, text), figure in figures.items():
        metrics.watch(name, text, partial(executor.ask, figure))
    scope = CallScope(metrics, tracer, keys.authorize if keys else None, clock)
    quotas = Quotas(keys.quota, clock) if keys else None
    service = SynthesisService(executor, policy, settings, metrics, quotas, clock)
    expected = "Until a sentence that came now would be heard, and admitted."
    metrics.watch("dlpo_first_audio_expected_seconds", expected, service.expected_first_audio_s)
    status = health.aio.HealthServicer()
    await set_ready(status, False)
    try:
        async with serve_endpoints(settings, service, status, metrics, scope, clock) as endpoints:
            registry = VoiceRegistry(settings, service.offered, executor, metrics)
            if await _first_of(registry.load(load), stop.wait()):
                _log.info("stopped while voices were being loaded")
                return executor.has_hung_threads
            async with asyncio.TaskGroup() as beside:
                voices = beside.create_task(registry.watch(clock))
                tidying = beside.create_task(_tidy(service))
                lanes_watch = beside.create_task(_watch_lanes(executor, stop))
                await _first_of(registry.filled.wait(), stop.wait())
                if not stop.is_set():
                    await set_ready(status, True)
                    announce(endpoints, ",".join(each.voice for each in service.voices))
                    await stop.wait()
                # Tell load balancers, wait for them to notice, then let running calls end.
                _log.info("draining calls=%d grace_s=%g", service.calls, settings.grace_s)
                await set_ready(status, False)
                service.leave()
                await asyncio.sleep(settings.pre_stop_s)
                await service.drain(settings.grace_s)
                voices.cancel()
                tidying.cancel()
                if not lanes_watch.cancel():  # it has given up on the engine
                    raise lanes_watch.result()
    except ExceptionGroup as group:
        failed, others = group.split(EngineError)
        if failed is None or others:
            raise
        raise failed.exceptions[0] from group
    finally:
        # Only after the last call, so that none loses its thread.
        executor.close()
        if tracer:
            tracer.close()
    return executor.has_hung_threads or registry.hangs


async def _first_of(*works: Coroutine[Any, Any, object]) -> int:
    """The index of the one that ends first; cancels the others. Raises whatever that one does."""
    tasks = [asyncio.create_task(work) for work in works]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    first = min(map(tasks.index, done))
    await tasks[first]
    return first


async def _tidy(service: SynthesisService) -> Never:
    """Free what calls left behind, every second in which few calls are open.

    Python looks through its oldest objects only once a quarter as many have been added: calls that
    ended with an error, whose tracebacks refer to themselves, kept their memory for hours. That
    takes 1 ms, and 0.1 ms more for each open call, so with many of them it waits, as Python's own
    collections do with `COLLECT_AFTER`.
    """
    while True:
        if service.calls <= TIDY_CALLS:
            gc.collect()
        await asyncio.to_thread(give_memory_back)
        await asyncio.sleep(HEARTBEAT_S)


async def _watch_lanes(executor: EngineExecutor, stop: asyncio.Event) -> EngineHungError:
    """Replace lanes that hang; if that happens repeatedly, set `stop` and return the reason."""
    replaced: list[int] = []  # beats of the replacements
    for beat in itertools.count():
        replaced += [beat] * executor.replace_hung_lanes(HANG_BEATS)
        while replaced and beat - replaced[0] >= HUNG_BEATS:
            del replaced[0]
        if len(replaced) >= MAX_HUNG_LANES:
            break
        await asyncio.sleep(HEARTBEAT_S)
    stop.set()
    return EngineHungError(
        f"the engine has hung {len(replaced)} times; check its log and restart the server"
    )
