"""Python's share of a streamed second of audio: the server's processor time outside the run-time.

A server in a process of its own, with its meters on, is called over loopback, one call at a time.
The process's clock counts all threads, whatever they run: the interpreter, numpy, gRPC, the
kernel. Off that goes what passes inside `InferenceSession.run`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dlpo.errors import EngineError, InputError
from dlpo_bench.latency import SENTENCES, WARM_UP_CALLS
from dlpo_bench.load.caller import Caller, stream_request
from dlpo_bench.load.texts import long_utterance
from dlpo_bench.roofline.places import PLACES, REST, RUNTIME
from dlpo_bench.roofline.watched_server import Meters
from dlpo_serving.local_server import local_server

TEXTS: Mapping[str, str] = {
    "phrase": "Your order is ready.",
    "sentence": SENTENCES[0],
    "text": long_utterance(900),
}
SETTLE_S = 0.02  # after the last sound, for what the server still does for the call
MODULE = "dlpo_bench.roofline.watched_server"


@dataclass(frozen=True, slots=True)
class Call:
    """One stream, from its request to its end."""

    audio_s: float
    cpu_s: float
    """of the server's process"""
    places_s: tuple[float, ...]
    """of it, each of `PLACES`"""

    @property
    def outside_s(self) -> float:
        """Processor time that was not the run-time's."""
        return self.cpu_s - self.places_s[PLACES.index(RUNTIME)]


@dataclass(frozen=True, slots=True)
class Calls:
    """All streams of one text."""

    calls: list[Call] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Python's, the median of the calls."""
        return float(np.median([call.outside_s / call.cpu_s for call in self.calls]))

    def ms_per_s(self) -> dict[str, list[float]]:
        """Samples for a record: of each call, processor ms for a second of audio."""
        return {
            "python_ms": [1e3 * call.outside_s / call.audio_s for call in self.calls],
            "processor_ms": [1e3 * call.cpu_s / call.audio_s for call in self.calls],
        }

    def figures(self) -> dict[str, float]:
        """For tables."""
        samples = self.ms_per_s()
        return {
            "share": self.share,
            "audio_s": self.calls[0].audio_s,
            "calls": len(self.calls),
            "processor_ms_per_s": float(np.median(samples["processor_ms"])),
            "python_ms_per_s": float(np.median(samples["python_ms"])),
        }

    def places(self) -> list[dict[str, object]]:
        """Every place but the run-time, the costliest first, over all calls."""
        audio_s = sum(call.audio_s for call in self.calls)
        cpu_s = sum(call.cpu_s for call in self.calls)
        found = [
            (place.words, place.where, sum(call.places_s[index] for call in self.calls))
            for index, place in enumerate(PLACES)
            if place is not RUNTIME
        ]
        rest_s = cpu_s - sum(sum(call.places_s) for call in self.calls)
        found.append((REST, "", rest_s))
        return [
            {"place": words, "where": where, "ms_per_s": 1e3 * spent / audio_s,
             "share": spent / cpu_s}
            for words, where, spent in sorted(found, key=lambda one: -one[2])
        ]  # fmt: skip


def measure_python(
    voice: str, rounds: int, tell: Callable[[str], None] = lambda line: None
) -> dict[str, Calls]:
    """Stream every text once a round, and see where the server's processor time goes.

    Args:
        voice: name or path of a bundle.
        rounds: how often each text is streamed.
        tell: takes lines on the progress.

    Returns:
        Name of the text -> its calls.

    Raises:
        InputError: `rounds` is less than 1, or this is not Linux.
        EngineError: the server did not start, or a call failed.
    """
    if rounds < 1:
        raise InputError(f"rounds is {rounds}; expected 1 or more")
    if not sys.platform.startswith("linux"):
        raise InputError("the clock of another process can be read on Linux alone")
    with tempfile.TemporaryDirectory(prefix="dlpo-roofline-") as scratch:
        path = Path(scratch, "meters")
        Meters.create(path)
        with local_server(voice, module=(MODULE, os.fspath(path))) as server:
            tell("streaming, to see where the server's processor time goes")
            return asyncio.run(_stream(server.address, server.process.pid, Meters(path), rounds))


def processor_s(pid: int) -> float:
    """Processor seconds of a process and its threads, to the nanosecond."""
    # As clock_getcpuclockid(3) makes the number; /proc/PID/stat has hundredths of a second only.
    return time.clock_gettime((~pid << 3) | 2)


async def _stream(address: str, pid: int, meters: Meters, rounds: int) -> dict[str, Calls]:
    found = {name: Calls() for name in TEXTS}
    async with Caller(address, connections=1) as caller:
        for number in range(-WARM_UP_CALLS, rounds):
            for name, text in TEXTS.items():
                before, begin_s = meters.read(), processor_s(pid)
                heard = await caller.listen(stream_request(text, seed=max(number, 0)))
                if heard.failed or heard.refused or not heard.playback.audio_s:
                    raise EngineError(f"a stream of the {name} ended with {heard.code}; see above")
                await asyncio.sleep(SETTLE_S)
                after, cpu_s = meters.read(), processor_s(pid) - begin_s
                places_s = tuple(b[0] - a[0] for a, b in zip(before, after, strict=True))
                if number >= 0:
                    found[name].calls.append(Call(heard.playback.audio_s, cpu_s, places_s))
    return found
