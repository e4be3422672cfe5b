"""A server at its limits: refusals and freed places when full, memory over many requests."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from enum import StrEnum
from functools import partial
from itertools import islice
from random import Random
from typing import Any

import grpc

from dlpo.errors import EngineError
from dlpo.v1 import speech_pb2, speech_pb2_grpc
from dlpo_bench.load.calls import (
    F32,
    OWN_CONNECTION,
    S16,
    Call,
    DlpoEndpoint,
    grpc_retry_after_s,
    stream_request,
)
from dlpo_bench.load.levels import RETRY_S
from dlpo_bench.load.options import LoadOptions
from dlpo_bench.load.servers import CpuMeter, DlpoServer, dlpo_server
from dlpo_bench.load.texts import long_utterance, short_utterances
from dlpo_bench.machine import memory_growth, percentile, resident_mb
from dlpo_bench.record import Measured

TRY_S = 0.001  # pause of a caller that waits for a place
TAKE_TIMEOUT_S = 30.0  # to take a place
LONG_CHARACTERS = 5000  # of a stream that keeps its place; about six minutes of speech
READINGS = 20  # of memory, evenly over the soak
TIGHT_DEADLINE_S = 0.03

_log = logging.getLogger(__name__)


class Place:
    """A place on the server, taken by a stream that is read to its end."""

    def __init__(self, stream: Any) -> None:
        self.cancel: Callable[[], object] = stream.cancel
        self.reading = asyncio.create_task(_read_all(stream))


async def measure_refusals(options: LoadOptions) -> Measured:
    """Call a full server `options.refusals` times, one call after the other.

    Returns:
        `refusal_ms_p50`, `_p99` from sending to RESOURCE_EXHAUSTED, the share that had
        RetryInfo, and `other_answers`: calls that ended otherwise.
    """
    random = Random(options.seed)
    milliseconds, retry_infos, others = [], 0, 0
    async with (
        dlpo_server(options, options.places) as server,
        _places_taken(server.endpoint, options.places, random) as places,
    ):
        meter = CpuMeter(server.pid)
        for number in range(options.refusals):
            await _refill(server.endpoint, places, random)
            call = Call(time.perf_counter())
            await server.endpoint.speak("Is there room?", number, call)
            if not call.refused:
                others += 1
                continue
            milliseconds.append(call.waited_ms)
            retry_infos += call.retry_after_s is not None
        use = meter.figures()
    if not milliseconds:
        raise EngineError(
            f"none of {options.refusals} calls was refused with {options.places} streams taken;"
            " does the server heed --max-streams?"
        )
    figures = {
        "places": options.places,
        "refused": len(milliseconds),
        "retry_info_share": retry_infos / len(milliseconds),
        "other_answers": others,
        "refusal_ms_p50": percentile(milliseconds, 50),
        "refusal_ms_p99": percentile(milliseconds, 99),
    }
    return Measured(figures | use, {"refusal_ms": milliseconds})


async def measure_freed_places(options: LoadOptions) -> Measured:
    """Cancel a stream of a full server and try to take its place, `options.cancels` times.

    A try counts if the other places were still taken at its end, so that the place is the
    canceled stream's.

    Returns:
        `freed_ms_p50`, `_p99` from canceling to the first message of the new stream, and how many
        tries did not count.
    """
    random = Random(options.seed)
    milliseconds, dropped = [], 0
    async with (
        dlpo_server(options, options.places) as server,
        _places_taken(server.endpoint, options.places, random) as places,
    ):
        meter = CpuMeter(server.pid)
        for _ in range(options.cancels):
            await _refill(server.endpoint, places, random)
            leaving = places.pop(random.randrange(len(places)))
            start_s = time.perf_counter()
            leaving.cancel()
            place = await _take_place(server.endpoint, random)
            freed_ms = 1000 * (time.perf_counter() - start_s)
            if any(other.reading.done() for other in places):
                dropped += 1
            else:
                milliseconds.append(freed_ms)
            places.append(place)
            await leaving.reading
        use = meter.figures()
    if not milliseconds:
        raise EngineError(f"all {options.cancels} tries were dropped; give more --set places=")
    figures = {
        "places": options.places,
        "cancels": len(milliseconds),
        "dropped": dropped,
        "freed_ms_p50": percentile(milliseconds, 50),
        "freed_ms_p99": percentile(milliseconds, 99),
    }
    return Measured(figures | use, {"freed_ms": milliseconds})


@asynccontextmanager
async def _places_taken(
    endpoint: DlpoEndpoint, count: int, random: Random
) -> AsyncIterator[list[Place]]:
    """Take places; free those in the list when the block ends."""
    places = [await _take_place(endpoint, random) for _ in range(count)]
    try:
        yield places
    finally:
        for place in places:
            place.cancel()
        await asyncio.gather(*(place.reading for place in places))


async def _take_place(endpoint: DlpoEndpoint, random: Random) -> Place:
    """Call until the server accepts, every millisecond.

    Raises:
        EngineError: it did not within `TAKE_TIMEOUT_S`, or the call failed.
    """
    give_up_s = time.perf_counter() + TAKE_TIMEOUT_S
    while time.perf_counter() < give_up_s:
        request = stream_request(long_utterance(LONG_CHARACTERS), random.getrandbits(32))
        stream = endpoint.begin(request)
        try:
            await stream.read()
            return Place(stream)
        except grpc.aio.AioRpcError as error:
            if error.code() != grpc.StatusCode.RESOURCE_EXHAUSTED:
                message = f"a call failed: {error.code().name}: {error.details()}"
                raise EngineError(message) from error
        await asyncio.sleep(TRY_S)
    raise EngineError(f"no place was free within {TAKE_TIMEOUT_S:g} s")


async def _refill(endpoint: DlpoEndpoint, places: list[Place], random: Random) -> None:
    """Replace the streams that have ended by themselves."""
    for index, place in enumerate(places):
        if place.reading.done():
            places[index] = await _take_place(endpoint, random)


async def _read_all(stream: Any) -> None:
    try:
        while await stream.read() is not grpc.aio.EOF:
            pass
    except (asyncio.CancelledError, grpc.aio.AioRpcError):
        pass  # canceled or cut: either way the place is free


class Behavior(StrEnum):
    """What a caller of the soak does."""

    STREAM = "stream"
    """listens to the end"""
    UNARY = "unary"
    CANCEL = "cancel"
    """cancels after the first audio"""
    DISCONNECT = "disconnect"
    """closes its connection after the first message"""
    DEADLINE = "deadline"
    """gives the server 30 ms"""


Request = tuple[Behavior, str]  # and its text
WEIGHTS = {  # of 100 callers
    Behavior.STREAM: 70,
    Behavior.UNARY: 10,
    Behavior.CANCEL: 10,
    Behavior.DISCONNECT: 5,
    Behavior.DEADLINE: 5,
}
GIVEN_UP = (  # how calls end whose caller left
    grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE,
)  # fmt: skip


async def measure_soak(options: LoadOptions) -> Measured:
    """Make `options.requests` requests, `options.workers` at a time; refused callers come again.

    Where `options.minutes` is set, requests are made for so long instead. Memory is read while no
    call runs, first after a tenth of the requests or of the time.

    Returns:
        Resident memory at the first and last reading and at most, `growth` by `memory_growth`,
        `growth_of_ends` by the first and last reading, requests per second, requests of each
        behavior, and how many failed and were refused.
    """
    random = Random(options.seed)
    texts = short_utterances(random)
    endings: Counter[str] = Counter()
    readings: list[tuple[int, float]] = []
    async with dlpo_server(options) as server:
        meter, begin_s = CpuMeter(server.pid), time.perf_counter()
        endless = ((behavior_of(random), next(texts)) for _ in itertools.count())
        for requests in portioned(endless, options):
            workers = (
                _work(server, requests, endings, number) for number in range(options.workers)
            )
            await asyncio.gather(*workers)
            done = sum(endings[behavior] for behavior in Behavior)
            readings.append((done, resident_mb(server.pid)))
            _log.info("requests=%d resident_mb=%.1f", *readings[-1])
        use, length_s = meter.figures(), time.perf_counter() - begin_s
    (_, early_mb), (requests_made, late_mb) = readings[0], readings[-1]
    figures = {
        "requests": requests_made,
        "requests_per_s": requests_made / length_s,
        "resident_mb_early": early_mb,
        "resident_mb_late": late_mb,
        "resident_mb_most": max(memory for _, memory in readings),
        "growth": memory_growth(readings),
        "growth_of_ends": late_mb / early_mb - 1,
        **use,
        **{str(behavior): endings[behavior] for behavior in Behavior},
        "failed": endings["failed"],
        "refused": endings["refused"],
    }
    return Measured(figures, {"resident_mb": readings})


def portioned(
    endless: Iterator[Request], options: LoadOptions, clock: Callable[[], float] = time.perf_counter
) -> Iterator[Iterator[Request]]:
    """The requests in portions, each to be made before the next; memory is read after each."""
    if options.minutes is None:
        yield from (islice(endless, size) for size in portions(options.requests))
        return
    begin_s, length_s = clock(), 60 * options.minutes
    for share in itertools.accumulate([0.1] + [0.9 / READINGS] * READINGS):
        in_time = partial(_before, clock, begin_s + share * length_s)
        yield itertools.chain(islice(endless, 1), itertools.takewhile(in_time, endless))


def _before(clock: Callable[[], float], until_s: float, request: Request) -> bool:
    return clock() < until_s


def portions(requests: int) -> Iterator[int]:
    """How many requests each portion has: a tenth, then `READINGS`-ths."""
    done, size = 0, max(1, requests // 10)
    while done < requests:
        yield size
        done += size
        size = min(max(1, requests // READINGS), requests - done)


def behavior_of(random: Random) -> Behavior:
    """What the next caller does."""
    (behavior,) = random.choices(list(WEIGHTS), list(WEIGHTS.values()))
    return behavior


async def _work(
    server: DlpoServer, requests: Iterator[Request], endings: Counter[str], worker: int
) -> None:
    for seed, (behavior, text) in enumerate(requests):
        endings[behavior] += 1
        encoding = (S16, F32)[seed % 2]
        request = stream_request(text, 1_000_000 * worker + seed, encoding)
        while (wait_s := await _try(server, behavior, request, endings)) is not None:
            await asyncio.sleep(wait_s)


async def _try(
    server: DlpoServer,
    behavior: Behavior,
    request: speech_pb2.StreamSynthesizeRequest,
    endings: Counter[str],
) -> float | None:
    """Seconds after which a refused caller comes again; None when it is done."""
    try:
        await _call(server, behavior, request)
    except grpc.aio.AioRpcError as error:
        if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
            endings["refused"] += 1
            if behavior == Behavior.DEADLINE:  # no time to come again
                return None
            return grpc_retry_after_s(error) or RETRY_S
        if behavior in (Behavior.STREAM, Behavior.UNARY) or error.code() not in GIVEN_UP:
            endings["failed"] += 1
            _log.warning("%s: %s: %s", behavior, error.code().name, error.details())
    return None


async def _call(
    server: DlpoServer, behavior: Behavior, request: speech_pb2.StreamSynthesizeRequest
) -> None:
    """Raises grpc.aio.AioRpcError, unless the caller has left by then."""
    match behavior:
        case Behavior.UNARY:
            unary = speech_pb2.SynthesizeRequest(text=request.text, config=request.config)
            await server.endpoint.whole(unary)
        case Behavior.DISCONNECT:
            async with grpc.aio.insecure_channel(server.address, OWN_CONNECTION) as channel:
                await speech_pb2_grpc.SpeechServiceStub(channel).StreamSynthesize(request).read()
        case _:
            timeout = TIGHT_DEADLINE_S if behavior == Behavior.DEADLINE else None
            stream = server.endpoint.begin(request, timeout=timeout)
            async for part in stream:
                if behavior == Behavior.CANCEL and part.HasField("audio"):
                    stream.cancel()
                    return
