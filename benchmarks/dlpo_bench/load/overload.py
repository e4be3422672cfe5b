"""Several times more callers than the server can serve, who come whether it keeps up or not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from random import Random

from dlpo.errors import EngineError
from dlpo_bench.latency import percentile
from dlpo_bench.load.caller import Caller, Heard, first_audio_ms, stream_request
from dlpo_bench.load.first_audio import listen_in_turn
from dlpo_bench.load.loaded_server import loaded_server
from dlpo_bench.load.machine import cpu_times, cpu_use
from dlpo_bench.load.options import LoadOptions, Measured
from dlpo_bench.load.playback import underrun_figures
from dlpo_bench.load.texts import utterances

DRAIN_S = 60.0  # after the last arrival; what has not ended by then counts as failed


async def measure_overload(options: LoadOptions, capacity: int) -> Measured:
    """Poisson arrivals at `options.overload` times the rate that keeps `capacity` streams busy.

    The rate follows from Little's law: `capacity` divided by the mean length of an utterance, which
    the unloaded calls before, with texts of the same mix, have measured.

    Returns:
        First audio of the admitted against unloaded calls of the same run, their gaps, the refused
        and how long they waited for it, and by how much this client was late itself
        (`arrival_late_ms_p95`).

    Raises:
        EngineError: the capacity is 0, an unloaded call failed, or no call was admitted.
    """
    if capacity < 1:
        raise EngineError("the capacity is 0 streams; there is nothing to overload")
    texts = utterances(Random(options.seed))
    async with loaded_server(options) as server:
        alone = await listen_in_turn(server.caller, islice(texts, options.calls))
        mean_s = sum(call.playback.audio_s for call in alone) / len(alone)
        rate = options.overload * capacity / mean_s
        arrivals = arrival_times(rate, options.overload_s, Random(options.seed))
        before = cpu_times(server.pid)
        heard, late_ms = await _arrive(server.caller, arrivals, texts)
        use = cpu_use(before, cpu_times(server.pid))
    return Measured(
        {
            "capacity": capacity,
            "arrivals_per_s": rate,
            "arrival_late_ms_p95": percentile(late_ms, 95),
            **overload_figures(heard, first_audio_ms(alone)),
            **use.figures(),
        }
    )


def arrival_times(rate: float, duration_s: float, random: Random) -> list[float]:
    """Seconds at which callers come, a Poisson process of `rate` per second; never none."""
    times = [random.expovariate(rate)]
    while times[-1] < duration_s:
        times.append(times[-1] + random.expovariate(rate))
    return times


def overload_figures(heard: Sequence[Heard], unloaded_ms: Sequence[float]) -> dict[str, float]:
    """Figures of the calls of an overload; one that has not ended counts as failed.

    Where none was refused, there are no figures of refusals.

    Raises:
        EngineError: none was admitted.
    """
    refused = [call for call in heard if call.refused]
    failed = [call for call in heard if call.failed or call.code is None]
    admitted_ms = first_audio_ms(heard)
    if not admitted_ms:
        raise EngineError(f"none of {len(heard)} calls was admitted; see the server's log")
    refusals = {}
    if refused:
        waited_ms = [1000 * (c.ended_s - c.sent_s) for c in refused if c.ended_s is not None]
        refusals = {
            "retry_info_share": sum(c.retry_after_s is not None for c in refused) / len(refused),
            "refusal_ms_p50": percentile(waited_ms, 50),
            "refusal_ms_p99": percentile(waited_ms, 99),
        }
    unloaded_p95, admitted_p95 = percentile(unloaded_ms, 95), percentile(admitted_ms, 95)
    return {
        "arrivals": len(heard),
        "admitted": len(admitted_ms),
        "unloaded_first_audio_ms_p95": unloaded_p95,
        "first_audio_ms_p50": percentile(admitted_ms, 50),
        "first_audio_ms_p95": admitted_p95,
        "first_audio_ratio": admitted_p95 / unloaded_p95,
        **underrun_figures([call.playback for call in heard]),
        "refused_share": len(refused) / len(heard),
        "refused": len(refused),
        **refusals,
        "failed": len(failed),
    }


async def _arrive(
    caller: Caller, arrivals: Sequence[float], texts: Iterator[str]
) -> tuple[list[Heard], list[float]]:
    """Every call, and by how many milliseconds each was sent late."""
    begin_s = time.perf_counter()
    heard, late_ms, tasks = [], [], []
    for number, at_s in enumerate(arrivals):
        await asyncio.sleep(begin_s + at_s - time.perf_counter())
        call = Heard(time.perf_counter())
        heard.append(call)
        late_ms.append(1000 * (call.sent_s - begin_s - at_s))
        request = stream_request(next(texts), number)
        tasks.append(asyncio.create_task(caller.listen(request, call)))
    _, pending = await asyncio.wait(tasks, timeout=DRAIN_S)
    for task in pending:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):  # CancelledError is none
            raise result
    return heard, late_ms
