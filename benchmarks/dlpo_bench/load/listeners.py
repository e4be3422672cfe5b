"""Listeners who hear one utterance after the other at the speed of speech."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from random import Random

from dlpo_bench.load.caller import Caller, Heard, stream_request
from dlpo_bench.load.texts import utterances

RETRY_S = 1.0  # where a refusal does not say when to come back, and after any other error


@asynccontextmanager
async def listening(
    caller: Caller, listeners: int, ramp_s: float, random: Random
) -> AsyncIterator[list[Heard]]:
    """Let listeners come, evenly over `ramp_s`, and listen until the block ends.

    Each begins its next utterance when the last one has been played, so that all of them have a
    stream that plays, all the time. At the end they leave where they are.

    Yields:
        Every call that was made; the list grows meanwhile. A call that had no sound when its
        listener left is as late as it was by then.
    """
    heard: list[Heard] = []
    tasks = [
        asyncio.create_task(
            _listener(caller, number * ramp_s / listeners, utterances(random), random, heard)
        )
        for number in range(listeners)
    ]
    try:
        yield heard
    finally:
        left_s = time.perf_counter()
        for call in heard:
            if call.ended_s is None:
                call.playback.cut(left_s)
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):  # CancelledError is none
                raise result


async def _listener(
    caller: Caller, wait_s: float, texts: Iterator[str], random: Random, calls: list[Heard]
) -> None:
    await asyncio.sleep(wait_s)
    for text in texts:
        heard = Heard(time.perf_counter())
        calls.append(heard)
        await caller.listen(stream_request(text, random.getrandbits(32)), heard)
        if heard.refused or heard.failed:
            await asyncio.sleep(heard.retry_after_s or RETRY_S)
        else:
            await asyncio.sleep(heard.playback.ends_s - time.perf_counter())
