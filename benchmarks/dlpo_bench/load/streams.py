"""How many streams the server speaks in real time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from random import Random

from dlpo_bench.latency import percentile
from dlpo_bench.load.caller import Heard
from dlpo_bench.load.listeners import listening
from dlpo_bench.load.loaded_server import LoadedServer, loaded_server
from dlpo_bench.load.machine import cpu_times, cpu_use
from dlpo_bench.load.options import LoadOptions, Measured
from dlpo_bench.load.playback import underrun_figures
from dlpo_bench.load.search import largest_passing

FIRST_AUDIO_LIMIT_MS = 300.0  # p95
SETTLE_S = 1.0  # between levels, for what the server still computes for those who left

_log = logging.getLogger(__name__)


async def measure_streams(options: LoadOptions) -> Measured:
    """Search the largest number of listeners that hear no gap, with first audio p95 < 300 ms.

    Returns:
        `streams` and the figures of that level, see `try_level`; as samples all levels tried.
    """
    levels: list[dict[str, float]] = []
    async with loaded_server(options) as server:

        async def passes(listeners: int) -> bool:
            for _ in range(options.attempts):
                levels.append(await try_level(server, listeners, options, Random(len(levels))))
                await asyncio.sleep(SETTLE_S)
                if in_real_time(levels[-1]):
                    return True
            return False

        streams = await largest_passing(passes, options.start_listeners, options.most_listeners)
    best = next((level for level in reversed(levels) if level["listeners"] == streams), {})
    return Measured({"streams": streams, **best}, {"levels": levels})


async def try_level(
    server: LoadedServer, listeners: int, options: LoadOptions, random: Random
) -> dict[str, float]:
    """Let `listeners` listen for `options.level_s` after the last of them has come.

    Returns:
        First audio of the calls since then, gaps and refusals of all, and who used the processors.
    """
    async with listening(server.caller, listeners, options.ramp_s, random) as heard:
        await asyncio.sleep(options.ramp_s)
        before = cpu_times(server.pid)
        await asyncio.sleep(options.level_s)
        use = cpu_use(before, cpu_times(server.pid))
    left_s = time.perf_counter()
    figures = {"listeners": listeners, **level_figures(heard, before.at_s, left_s), **use.figures()}
    _log.info(
        "listeners=%d first_audio_ms_p95=%.0f underrun_s=%.3f refused=%d failed=%d server_cpu=%.2f"
        " client_cpu=%.2f other_cpu=%.2f %s",
        listeners,
        figures["first_audio_ms_p95"],
        figures["underrun_s"],
        figures["refused"],
        figures["failed"],
        use.server,
        use.client,
        use.others,
        "passes" if in_real_time(figures) else "fails",
    )
    return figures


def level_figures(heard: Sequence[Heard], since_s: float, left_s: float) -> dict[str, float]:
    """Figures of one level's calls.

    Args:
        since_s: calls sent before don't count for the first audio, the level was not full yet.
        left_s: when the listeners left; a call without sound is at least this late.
    """
    answered = [call for call in heard if not (call.refused or call.failed)]
    late_ms = [
        1000 * (left_s - call.sent_s if call.first_audio_s is None else call.first_audio_s)
        for call in answered
        if call.sent_s >= since_s
    ]
    return {
        "calls": len(heard),
        "first_audio_calls": len(late_ms),
        "first_audio_ms_p50": percentile(late_ms, 50) if late_ms else 0.0,
        "first_audio_ms_p95": percentile(late_ms, 95) if late_ms else 0.0,
        **underrun_figures([call.playback for call in heard]),
        "refused": sum(call.refused for call in heard),
        "failed": sum(call.failed for call in heard),
    }


def in_real_time(level: dict[str, float]) -> bool:
    """All were served, none heard a gap, and sound began in time."""
    return (
        not level["refused"]
        and not level["failed"]
        and not level["underrun_s"]
        and level["first_audio_calls"] > 0
        and level["first_audio_ms_p95"] < FIRST_AUDIO_LIMIT_MS
    )
