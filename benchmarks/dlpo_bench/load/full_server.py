"""A server whose places are all taken: how it refuses, and how soon a place is free again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import grpc

from dlpo.errors import EngineError
from dlpo_bench.latency import percentile
from dlpo_bench.load.caller import Caller, Heard, stream_request
from dlpo_bench.load.loaded_server import loaded_server
from dlpo_bench.load.machine import cpu_times, cpu_use
from dlpo_bench.load.options import LoadOptions, Measured
from dlpo_bench.load.texts import long_utterance

RETRY_S = 0.001  # pause of a caller that waits for a place
TAKE_TIMEOUT_S = 30.0  # to take a place
LONG_CHARACTERS = 5000  # of a stream that keeps its place; about six minutes of speech


class Place:
    """A place on the server, taken by a stream that is read to its end."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._reading = asyncio.create_task(_read_all(call))

    @property
    def taken(self) -> bool:
        """The stream still runs."""
        return not self._reading.done()

    def cancel(self) -> None:
        """Leave."""
        self._call.cancel()

    async def left(self) -> None:
        """Return when the stream has ended."""
        await self._reading


async def measure_refusals(options: LoadOptions) -> Measured:
    """Call a full server `options.refusals` times, one call after the other.

    Returns:
        `refusal_ms_p50`, `_p99` from sending to RESOURCE_EXHAUSTED, the share that had
        RetryInfo, and `other_answers`: calls that ended otherwise.
    """
    random = Random(options.seed)
    milliseconds, retry_infos, others = [], 0, 0
    async with (
        loaded_server(options, options.places) as server,
        places_taken(server.caller, options.places, random) as places,
    ):
        before = cpu_times(server.pid)
        for number in range(options.refusals):
            await _take_again(server.caller, places, random)
            heard = Heard(time.perf_counter())
            await server.caller.listen(stream_request("Is there room?", number), heard)
            if not heard.refused or heard.ended_s is None:
                others += 1
                continue
            milliseconds.append(1000 * (heard.ended_s - heard.sent_s))
            retry_infos += heard.retry_after_s is not None
        use = cpu_use(before, cpu_times(server.pid))
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
    return Measured(figures | use.figures(), {"refusal_ms": milliseconds})


async def measure_freed_places(options: LoadOptions) -> Measured:
    """Cancel a stream of a full server and try to take its place, `options.cancels` times.

    A try counts if the other places were still taken at its end, so that it is the cancelled one
    that was got.

    Returns:
        `freed_ms_p50`, `_p99` from cancelling to the first message of the new stream, and how many
        tries did not count.
    """
    random = Random(options.seed)
    milliseconds, dropped = [], 0
    async with (
        loaded_server(options, options.places) as server,
        places_taken(server.caller, options.places, random) as places,
    ):
        before = cpu_times(server.pid)
        for _ in range(options.cancels):
            await _take_again(server.caller, places, random)
            leaving = places.pop(random.randrange(len(places)))
            start_s = time.perf_counter()
            leaving.cancel()
            place = await take_place(server.caller, random)
            waited_ms = 1000 * (time.perf_counter() - start_s)
            if all(other.taken for other in places):
                milliseconds.append(waited_ms)
            else:
                dropped += 1
            places.append(place)
            await leaving.left()
        use = cpu_use(before, cpu_times(server.pid))
    if not milliseconds:
        raise EngineError("every stream ended by itself while one was cancelled; none was measured")
    figures = {
        "places": options.places,
        "cancels": len(milliseconds),
        "dropped": dropped,
        "freed_ms_p50": percentile(milliseconds, 50),
        "freed_ms_p99": percentile(milliseconds, 99),
    }
    return Measured(figures | use.figures(), {"freed_ms": milliseconds})


@asynccontextmanager
async def places_taken(caller: Caller, count: int, random: Random) -> AsyncIterator[list[Place]]:
    """Take places; leave those in the list when the block ends."""
    places = [await take_place(caller, random) for _ in range(count)]
    try:
        yield places
    finally:
        for place in places:
            place.cancel()
        for place in places:
            await place.left()


async def take_place(caller: Caller, random: Random) -> Place:
    """Call until the server accepts, every millisecond.

    Raises:
        EngineError: it did not within `TAKE_TIMEOUT_S`, or the call failed.
    """
    give_up_s = time.perf_counter() + TAKE_TIMEOUT_S
    while time.perf_counter() < give_up_s:
        request = stream_request(long_utterance(LONG_CHARACTERS), random.getrandbits(32))
        call = caller.begin(request)
        try:
            await call.read()
            return Place(call)
        except grpc.aio.AioRpcError as error:
            if error.code() != grpc.StatusCode.RESOURCE_EXHAUSTED:
                message = f"a call failed: {error.code().name}: {error.details()}"
                raise EngineError(message) from error
        await asyncio.sleep(RETRY_S)
    raise EngineError(f"no place was free within {TAKE_TIMEOUT_S:g} s")


async def _take_again(caller: Caller, places: list[Place], random: Random) -> None:
    """Replace the streams that have ended by themselves."""
    for index, place in enumerate(places):
        if not place.taken:
            places[index] = await take_place(caller, random)


async def _read_all(call: Any) -> None:
    try:
        while await call.read() is not grpc.aio.EOF:
            pass
    except (asyncio.CancelledError, grpc.aio.AioRpcError):
        pass  # it was cancelled, or cut: either way the place is free
