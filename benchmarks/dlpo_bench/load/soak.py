"""Memory of a server over many requests by callers that listen, cancel, leave or hurry."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from random import Random

import grpc

from dlpo.v1 import speech_pb2
from dlpo_bench.load.calls import (
    F32,
    S16,
    DlpoEndpoint,
    TestedServer,
    grpc_retry_after_s,
    open_endpoint,
    stream_request,
)
from dlpo_bench.load.levels import RETRY_S
from dlpo_bench.load.servers import tested_servers
from dlpo_bench.load.texts import short_utterances
from dlpo_bench.machine import memory_growth, process_cpu_s, resident_mb
from dlpo_bench.options import LoadOptions
from dlpo_bench.record import Measured

READINGS = 20  # of memory, evenly over the soak
TIGHT_DEADLINE_S = 0.03
BEHAVIORS = {  # -> how many of 100 callers
    "stream": 70,  # plays to the end
    "unary": 10,
    "cancel": 10,  # after the first audio
    "disconnect": 5,  # closes its connection after the first message
    "deadline": 5,  # gives the server 30 ms
}
GIVEN_UP = (  # how calls end whose caller left
    grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE,
)  # fmt: skip

_log = logging.getLogger(__name__)


async def measure_soak(options: LoadOptions) -> Measured:
    """Make `options.requests` requests, `options.workers` at a time; refused callers come again.

    Where `options.minutes` is set, requests are made for so long instead. Memory is read while no
    call runs, first after a tenth of the requests or of the time.

    Returns:
        Resident memory at the first and last reading and at most, `growth` by `memory_growth`,
        `growth_of_ends` by the first and last reading, requests per second, cores that the server
        used, requests of each behavior, and how many failed and were refused.
    """
    random = Random(options.seed)
    texts = short_utterances(random)
    endings: Counter[str] = Counter()
    readings: list[tuple[int, float]] = []
    names, weights = list(BEHAVIORS), list(BEHAVIORS.values())
    endless = ((random.choices(names, weights)[0], next(texts)) for _ in itertools.count())
    async with tested_servers(options) as servers:
        server = servers.tested[0]
        async with open_endpoint(server, options.connections) as endpoint:
            assert isinstance(endpoint, DlpoEndpoint)
            assert server.pid is not None
            begin_s, begin_cpu_s = time.perf_counter(), process_cpu_s(server.pid)
            for requests in portioned(endless, options.requests, options.minutes):
                await asyncio.gather(
                    *(_work(server, endpoint, requests, endings, number)
                      for number in range(options.workers))
                )  # fmt: skip
                readings.append((sum(endings[name] for name in names), resident_mb(server.pid)))
                _log.info("requests=%d resident_mb=%.1f", *readings[-1])
            length_s = time.perf_counter() - begin_s
            server_cpu = (process_cpu_s(server.pid) - begin_cpu_s) / length_s
    (_, early_mb), (requests_made, late_mb) = readings[0], readings[-1]
    figures = {
        "requests": requests_made,
        "requests_per_s": requests_made / length_s,
        "resident_mb_early": early_mb,
        "resident_mb_late": late_mb,
        "resident_mb_most": max(memory for _, memory in readings),
        "growth": memory_growth(readings),
        "growth_of_ends": late_mb / early_mb - 1,
        "server_cpu": server_cpu,
        **{name: endings[name] for name in (*names, "failed", "refused")},
    }
    return Measured(figures, {"resident_mb": readings})


Request = tuple[str, str]
"""Behavior and text."""


def portioned(
    endless: Iterator[Request], requests: int, minutes: float | None,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Iterator[Request]]:  # fmt: skip
    """The requests in portions, a tenth and then `READINGS`-ths, each to be made before the next;
    with `minutes`, such shares of the time, of one request at least."""
    begin_s, made = clock(), 0
    for share in itertools.accumulate([0.1] + [0.9 / READINGS] * READINGS):
        if minutes is None:
            count = round(share * requests) - made
            made += count
            yield itertools.islice(endless, count)
        else:
            in_time = partial(_before, clock, begin_s + 60 * minutes * share)
            first = itertools.islice(endless, 1)
            yield itertools.chain(first, itertools.takewhile(in_time, endless))


def _before(clock: Callable[[], float], until_s: float, request: Request) -> bool:
    return clock() < until_s


async def _work(
    server: TestedServer, endpoint: DlpoEndpoint, requests: Iterator[Request],
    endings: Counter[str], worker: int,
) -> None:  # fmt: skip
    for seed, (behavior, text) in enumerate(requests):
        endings[behavior] += 1
        request = stream_request(text, 1_000_000 * worker + seed, (S16, F32)[seed % 2])
        while (wait_s := await _try(server, endpoint, behavior, request, endings)) is not None:
            await asyncio.sleep(wait_s)


async def _try(
    server: TestedServer, endpoint: DlpoEndpoint, behavior: str,
    request: speech_pb2.StreamSynthesizeRequest, endings: Counter[str],
) -> float | None:  # fmt: skip
    """Seconds after which a refused caller comes again; None when it is done."""
    try:
        await _call(server, endpoint, behavior, request)
    except grpc.aio.AioRpcError as error:
        if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
            endings["refused"] += 1
            if behavior == "deadline":  # no time to come again
                return None
            return grpc_retry_after_s(error) or RETRY_S
        if behavior in ("stream", "unary") or error.code() not in GIVEN_UP:
            endings["failed"] += 1
            _log.warning("%s: %s: %s", behavior, error.code().name, error.details())
    return None


async def _call(
    server: TestedServer, endpoint: DlpoEndpoint, behavior: str,
    request: speech_pb2.StreamSynthesizeRequest,
) -> None:  # fmt: skip
    """Raises grpc.aio.AioRpcError, unless the caller has left by then."""
    if behavior == "unary":
        unary = speech_pb2.SynthesizeRequest(text=request.text, config=request.config)
        await endpoint.whole(unary)
    elif behavior == "disconnect":
        async with open_endpoint(server) as own:
            assert isinstance(own, DlpoEndpoint)
            await own.begin(request).read()
    else:
        timeout = TIGHT_DEADLINE_S if behavior == "deadline" else None
        stream = endpoint.begin(request, timeout=timeout)
        async for part in stream:
            if behavior == "cancel" and part.HasField("audio"):
                stream.cancel()
                return
