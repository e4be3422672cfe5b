"""First audio of one stream: calls one after the other on an idle server."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import cycle, islice

from dlpo.errors import EngineError
from dlpo_bench.latency import SENTENCES, percentile
from dlpo_bench.load.caller import Caller, Heard, first_audio_ms, stream_request
from dlpo_bench.load.loaded_server import loaded_server
from dlpo_bench.load.machine import cpu_times, cpu_use
from dlpo_bench.load.options import LoadOptions, Measured


async def measure_first_audio(options: LoadOptions) -> Measured:
    """Sentences of 80 characters, `options.calls` times.

    Returns:
        `first_audio_ms_p50`, `_p99`, and who used the processors.

    Raises:
        EngineError: a call failed.
    """
    async with loaded_server(options) as server:
        before = cpu_times(server.pid)
        heard = await listen_in_turn(server.caller, islice(cycle(SENTENCES), options.calls))
        use = cpu_use(before, cpu_times(server.pid))
    milliseconds = first_audio_ms(heard)
    figures = {
        "calls": len(milliseconds),
        "first_audio_ms_p50": percentile(milliseconds, 50),
        "first_audio_ms_p99": percentile(milliseconds, 99),
    }
    return Measured(figures | use.figures(), {"first_audio_ms": milliseconds})


async def listen_in_turn(caller: Caller, texts: Iterable[str]) -> list[Heard]:
    """Receive each text to its end, then call for the next.

    Raises:
        EngineError: a call failed.
    """
    heard = []
    for seed, text in enumerate(texts):
        heard.append(await caller.listen(stream_request(text, seed), Heard(time.perf_counter())))
        if heard[-1].first_audio_s is None:
            raise EngineError(f"a call on an idle server ended with {heard[-1].code}; see its log")
    return heard
