"""Memory of the server over many requests, among them such as leave early or vanish."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import partial
from itertools import islice
from random import Random

import grpc

from dlpo.v1 import speech_pb2, speech_pb2_grpc
from dlpo_bench.latency import resident_mb
from dlpo_bench.load.caller import F32, OWN_CONNECTION, S16, Caller, retry_after_s, stream_request
from dlpo_bench.load.listeners import RETRY_S
from dlpo_bench.load.loaded_server import loaded_server
from dlpo_bench.load.machine import cpu_times, cpu_use, memory_growth
from dlpo_bench.load.options import LoadOptions, Measured
from dlpo_bench.load.texts import short_utterances

READINGS = 20  # of memory, evenly over the run
TIGHT_DEADLINE_S = 0.03

_log = logging.getLogger(__name__)


class Manner(StrEnum):
    """How a caller behaves."""

    STREAM = "stream"
    """listens to the end"""
    UNARY = "unary"
    CANCEL = "cancel"
    """cancels after the first audio"""
    DISCONNECT = "disconnect"
    """closes its connection after the first message"""
    DEADLINE = "deadline"
    """gives the server 30 ms"""


Request = tuple[Manner, str]  # and what is to be said
WEIGHTS = {  # of 100 callers
    Manner.STREAM: 70,
    Manner.UNARY: 10,
    Manner.CANCEL: 10,
    Manner.DISCONNECT: 5,
    Manner.DEADLINE: 5,
}
LEFT = (  # how calls end that their caller gave up
    grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE,
)  # fmt: skip


async def measure_soak(options: LoadOptions) -> Measured:
    """Make `options.requests` requests, `options.workers` at a time; the refused come again.

    Where `options.minutes` is set, requests are made for so long instead. Memory is read when no
    call runs, first after a tenth of the requests, after 2,000 of 20,000, or of the time.

    Returns:
        Resident memory at the first and last reading and at most, `growth` as `memory_growth` has
        it, `growth_of_ends` as these two readings have it, requests per second, requests in each
        manner, how many failed for no reason of their own, and how often one was refused.
    """
    random = Random(options.seed)
    texts = short_utterances(random)
    endings: Counter[str] = Counter()
    readings: list[tuple[int, float]] = []
    async with loaded_server(options) as server:
        before = cpu_times(server.pid)
        endless = ((manner_of(random), next(texts)) for _ in itertools.count())
        for requests in portioned(endless, options):
            workers = (
                _work(server.caller, server.address, requests, endings, worker)
                for worker in range(options.workers)
            )
            await asyncio.gather(*workers)
            readings.append((sum(endings[manner] for manner in Manner), resident_mb(server.pid)))
            _log.info("requests=%d resident_mb=%.1f", *readings[-1])
        after = cpu_times(server.pid)
    (_, early_mb), (_, late_mb) = readings[0], readings[-1]
    figures = {
        "requests": readings[-1][0],
        "requests_per_s": readings[-1][0] / (after.at_s - before.at_s),
        "resident_mb_early": early_mb,
        "resident_mb_late": late_mb,
        "resident_mb_most": max(memory for _, memory in readings),
        "growth": memory_growth(readings),
        "growth_of_ends": late_mb / early_mb - 1,
        **cpu_use(before, after).figures(),
        **{str(manner): endings[manner] for manner in Manner},
        "failed": endings["failed"],
        "refused": endings["refused"],
    }
    return Measured(figures, {"resident_mb": readings})


def portioned(
    endless: Iterator[Request], options: LoadOptions, clock: Callable[[], float] = time.perf_counter
) -> Iterator[Iterator[Request]]:
    """The requests in portions, each to be taken before the next; memory is read after each."""
    if options.minutes is None:
        yield from (islice(endless, size) for size in portions(options.requests))
        return
    begin_s, length_s = clock(), 60 * options.minutes
    for share in itertools.accumulate([0.1] + [0.9 / READINGS] * READINGS):
        until_s = begin_s + share * length_s
        # One at least, however short the time is.
        going_on = itertools.takewhile(partial(_before, clock, until_s), endless)
        yield itertools.chain(islice(endless, 1), going_on)


def _before(clock: Callable[[], float], until_s: float, request: Request) -> bool:
    return clock() < until_s


def portions(requests: int) -> Iterator[int]:
    """How many requests each portion has."""
    done, size = 0, max(1, requests // 10)
    while done < requests:
        yield size
        done += size
        size = min(max(1, requests // READINGS), requests - done)


def manner_of(random: Random) -> Manner:
    """How the next caller behaves."""
    (manner,) = random.choices(list(WEIGHTS), list(WEIGHTS.values()))
    return manner


async def _work(
    caller: Caller,
    address: str,
    requests: Iterator[Request],
    endings: Counter[str],
    worker: int,
) -> None:
    for seed, (manner, text) in enumerate(requests):
        endings[manner] += 1
        encoding = (S16, F32)[seed % 2]
        request = stream_request(text, 1_000_000 * worker + seed, encoding)
        while (wait_s := await _try(caller, address, manner, request, endings)) is not None:
            await asyncio.sleep(wait_s)


async def _try(
    caller: Caller,
    address: str,
    manner: Manner,
    request: speech_pb2.StreamSynthesizeRequest,
    endings: Counter[str],
) -> float | None:
    """Seconds after which a refused caller comes again; None where it is done."""
    try:
        await _call(caller, address, manner, request)
    except grpc.aio.AioRpcError as error:
        if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
            endings["refused"] += 1
            # Whoever has a tight deadline has no time to come again.
            return None if manner == Manner.DEADLINE else retry_after_s(error) or RETRY_S
        if manner in (Manner.STREAM, Manner.UNARY) or error.code() not in LEFT:
            endings["failed"] += 1
            _log.warning("%s: %s: %s", manner, error.code().name, error.details())
    return None


async def _call(
    caller: Caller, address: str, manner: Manner, request: speech_pb2.StreamSynthesizeRequest
) -> None:
    """Raises grpc.aio.AioRpcError, unless the caller is gone by then."""
    match manner:
        case Manner.UNARY:
            unary = speech_pb2.SynthesizeRequest(text=request.text, config=request.config)
            await caller.whole(unary)
        case Manner.DISCONNECT:
            async with grpc.aio.insecure_channel(address, OWN_CONNECTION) as channel:
                await speech_pb2_grpc.SpeechServiceStub(channel).StreamSynthesize(request).read()
        case _:
            timeout = TIGHT_DEADLINE_S if manner == Manner.DEADLINE else None
            call = caller.begin(request, timeout=timeout)
            async for part in call:
                if manner == Manner.CANCEL and part.HasField("audio"):
                    call.cancel()
                    return
