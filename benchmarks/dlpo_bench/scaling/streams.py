"""Several callers of one server at once: its memory, and how long each waits for first audio.

The load benchmark (docs/load.md) finds how many can listen without a gap; this one shows what
each further stream costs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier
from typing import Any

import grpc
import numpy as np

from dlpo_bench.proc import memory_mb
from dlpo_bench.scaling.lengths import text_of
from dlpo_bench.scaling.listening import Heard, listen
from dlpo_bench.scaling.one_text import WARM_UP
from dlpo_bench.scaling.options import ScalingOptions
from dlpo_serving.client import CallError, RetryPolicy, SpeechClient
from dlpo_serving.local_server import local_server
from dlpo_serving.request import SpeechRequest

STREAM_S = 20.0  # that each caller hears
START_S = 30.0  # for all callers to be connected


def measure_streams(
    options: ScalingOptions, tell: Callable[[str], None]
) -> dict[str, list[dict[str, Any]]]:
    """Call a fresh server with so many callers at once, once a round.

    Returns:
        Number of callers, as text -> of each round `first_audio_ms` of every caller that was
        served, `refused`, seconds of audio for a second (`speed`), memory before and at most.

    Raises:
        EngineError: a server did not start, or failed.
    """
    found: dict[str, list[dict[str, Any]]] = {str(count): [] for count in options.streams}
    for number in range(options.rounds if options.streams else 0):
        tell(f"streams, round {number + 1} of {options.rounds}")
        for count in options.streams:
            found[str(count)].append(_together(options, count, number))
    return found


def stream_figures(runs: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Medians over the rounds; of first audio, over all callers of all rounds."""
    first_ms = [ms for run in runs for ms in run["first_audio_ms"]]
    figures = {
        name: float(np.median([run[name] for run in runs]))
        for name in ("peak_mb", "before_mb", "speed")
    }
    figures["refused"] = sum(run["refused"] for run in runs)
    if first_ms:
        figures["first_audio_ms_p50"] = float(np.percentile(first_ms, 50))
        figures["first_audio_ms_most"] = max(first_ms)
    return figures


def _together(options: ScalingOptions, count: int, seed: int) -> dict[str, Any]:
    with local_server(options.voice, *options.server_words()) as server, ExitStack() as stack:
        pid = server.process.pid
        # A refusal is an answer here: nothing is tried again.
        clients = [
            stack.enter_context(SpeechClient(server.address, retries=RetryPolicy(attempts=1)))
            for _ in range(count)
        ]
        for client in clients:  # connected, and the server warm
            rate_hz = client.speak(SpeechRequest(WARM_UP)).message.info.format.sample_rate_hz
        before_mb = memory_mb(pid, "VmRSS")
        barrier = Barrier(count)

        def call(number: int) -> Heard | None:
            request = SpeechRequest(text_of(STREAM_S, number), seed=1000 * seed + number)
            barrier.wait(START_S)
            try:
                return listen(lambda: clients[number].stream(request), rate_hz, pid)
            except CallError as error:
                if error.code != grpc.StatusCode.RESOURCE_EXHAUSTED:
                    raise
                return None

        with ThreadPoolExecutor(count) as callers:
            heard = [one for one in callers.map(call, range(count)) if one]
        peak_mb = memory_mb(pid, "VmHWM")
    slowest_s = max((one.wall_s for one in heard), default=0.0)
    return {
        "first_audio_ms": [1000 * one.first_audio_s for one in heard],
        "refused": count - len(heard),
        "speed": sum(one.audio_s for one in heard) / slowest_s if heard else 0.0,
        "before_mb": before_mb,
        "peak_mb": peak_mb,
    }
