"""The callers of one client process: in an open loop, or in a closed one."""

from __future__ import annotations

import asyncio
import time
from random import Random

from dlpo_bench.load.caller import Heard
from dlpo_bench.load.listeners import RETRY_S
from dlpo_bench.load.overload import arrival_times
from dlpo_bench.load.texts import utterances
from dlpo_bench.stream.doors import Door
from dlpo_bench.stream.shares import Asked, Share, ShareResult

DRAIN_S = 30.0  # after the level; a call that has not ended by then never does


async def play_share(door: Door, share: Share, start_s: float) -> ShareResult:
    """Call as the share says, from `start_s` on, and wait for the calls to end.

    Args:
        start_s: of `time.perf_counter`, which all processes of a Linux machine share.
    """
    level = share.level
    random = Random(f"{level.seed} {share.process}")
    result = ShareResult()
    end_s = start_s + level.ramp_s + level.level_s
    await asyncio.sleep(start_s - time.perf_counter())
    begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
    if level.loop == "open":
        working = [_arrivals(door, share, start_s, end_s, random, result)]
    else:
        working = [
            _listener(
                door, share, start_s + level.comes_s(number), end_s, Random(random.random()), result
            )
            for number in share.listeners
        ]
    tasks = [asyncio.create_task(work) for work in working]
    await asyncio.sleep(end_s - time.perf_counter())
    used_s = time.process_time() - begun_cpu_s
    result.cpu_share = used_s / (time.perf_counter() - begun_s)
    await _drained(tasks, end_s + DRAIN_S)
    return result


async def _arrivals(
    door: Door, share: Share, start_s: float, end_s: float, random: Random, result: ShareResult
) -> None:
    texts = utterances(random)
    calls = []
    try:
        for after_s in arrival_times(share.rate, end_s - start_s, random):
            if start_s + after_s >= end_s:
                break
            await asyncio.sleep(start_s + after_s - time.perf_counter())
            call = _call(door, next(texts), random, start_s + after_s, result)
            calls.append(asyncio.create_task(call))
    finally:
        await _drained(calls, end_s + DRAIN_S)


async def _listener(
    door: Door, share: Share, first_s: float, end_s: float, random: Random, result: ShareResult
) -> None:
    think_s = share.level.think_s
    next_s = first_s
    for text in utterances(random):
        if next_s >= end_s:
            return
        await asyncio.sleep(next_s - time.perf_counter())
        heard = await _call(door, text, random, next_s, result)
        if heard.refused or heard.failed:
            next_s = time.perf_counter() + (heard.retry_after_s or RETRY_S)
        else:
            thought_s = random.expovariate(1 / think_s) if think_s else 0.0
            next_s = max(heard.playback.ends_s, time.perf_counter()) + thought_s


async def _call(door: Door, text: str, random: Random, due_s: float, result: ShareResult) -> Heard:
    heard = Heard(time.perf_counter())
    result.calls.append(Asked(len(text), heard.sent_s - due_s, heard))
    await door.speak(text, random.getrandbits(32), heard)
    return heard


async def _drained(
    tasks: list[asyncio.Task[None]] | list[asyncio.Task[Heard]], until_s: float
) -> None:
    """Wait for all; cancel what is left at `until_s`, raise what a caller raised."""
    if not tasks:
        return
    _, pending = await asyncio.wait(tasks, timeout=max(0.0, until_s - time.perf_counter()))
    for task in pending:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(ended, Exception):  # CancelledError is none
            raise ended
