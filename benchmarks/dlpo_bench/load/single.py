"""Latency over loopback, text from a language model, and memory over many calls."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from itertools import cycle, islice, pairwise
from random import Random
from typing import Any

import numpy as np

from dlpo.errors import EngineError
from dlpo_bench.load.calls import (
    AudioDevice,
    TestedServer,
    TimedCall,
    first_audio_ms,
    underrun_figures,
)
from dlpo_bench.load.endpoints import Endpoint, TextEndpoint, open_endpoint
from dlpo_bench.load.levels import RETRY_S
from dlpo_bench.load.mixed import open_mixed
from dlpo_bench.load.servers import Usage, not_measured, tested_servers
from dlpo_bench.load.texts import PHRASES, SENTENCES, utterances
from dlpo_bench.machine import memory_growth, percentile, resident_mb
from dlpo_bench.options import LoadOptions
from dlpo_bench.record import Measured

TOKEN_SAMPLES = ("first_token_to_speech_ms", "last_token_to_end_of_speech_ms")
READINGS = 20  # of memory, evenly spread over the soak after its first tenth
_log = logging.getLogger(__name__)


async def measure_latency(options: LoadOptions) -> Measured:
    """Start a server and make `options.calls` calls to it, one after the other.

    Returns:
        Seconds from starting the process to SERVING (`start_s`), resident memory before and after
        the calls (`rss_mb`, `rss_after_mb`), percentiles of the time to first audio, and the
        real-time factor of whole streams as the client sees it (`stream_rtf_p50`). The samples are
        `first_audio_ms` and `stream_rtf` of each call.
    """
    async with tested_servers(options) as servers:
        assert servers.own is not None
        pid = servers.own.process.pid
        async with open_endpoint(servers.tested[0]) as endpoint:
            rss_mb = resident_mb(pid)
            calls = await speak_in_turn(endpoint, islice(cycle(SENTENCES), options.calls))
            rss_after_mb = resident_mb(pid)
    first_ms = first_audio_ms(calls)
    rtf = [((call.ended_s or call.sent_s) - call.sent_s) / call.device.audio_s for call in calls]
    figures = {
        "start_s": servers.own.start_s,
        "rss_mb": rss_mb,
        "rss_after_mb": rss_after_mb,
        "calls": options.calls,
        **{f"first_audio_ms_p{p}": percentile(first_ms, p) for p in (50, 95, 99)},
        "stream_rtf_p50": percentile(rtf, 50),
    }
    return Measured(figures, {"first_audio_ms": first_ms, "stream_rtf": rtf})


async def speak_in_turn(endpoint: Endpoint, texts: Iterable[str]) -> list[TimedCall]:
    """Receive the speech of each text to its end before the next call.

    Raises:
        EngineError: a call failed.
    """
    calls = []
    for seed, text in enumerate(texts):
        call = TimedCall(time.perf_counter(), len(text))
        await endpoint.speak(text, seed, call)
        if call.failed or call.refused:
            raise EngineError(f"a call on an idle server ended with {call.ending}; see its log")
        calls.append(call)
    return calls


@dataclass(slots=True)
class Dialogue:
    """A server and the replies it has spoken."""

    server: TestedServer
    endpoint: Endpoint
    usage: Usage
    samples: dict[str, list[float]] = field(default_factory=lambda: {n: [] for n in TOKEN_SAMPLES})
    devices: list[AudioDevice] = field(default_factory=list)
    problem: str = ""

    async def reply(self, text: str, tokens_per_s: float) -> None:
        """Speak a text while its words arrive."""
        at_s = list[float]()
        self.usage.begin()
        call = TimedCall(time.perf_counter(), len(text))
        await self.endpoint.speak_tokens(paced_words(text, tokens_per_s, at_s), call)
        begins_s = call.device.begins_s
        if call.refused or call.failed or begins_s is None:
            self.problem = f"a reply was not spoken: {call.ending}"
            return
        first_ms, last_ms = 1000 * (begins_s - at_s[0]), 1000 * (call.device.ends_s - at_s[-1])
        for name, value in zip(TOKEN_SAMPLES, (first_ms, last_ms), strict=True):
            self.samples[name].append(value)
        self.devices.append(call.device)
        self.usage.end()
        _log.info("%s first_token_to_speech_ms=%.0f", self.server.name, first_ms)

    def figures(self) -> dict[str, Any]:
        """Percentiles, gaps, and what the server used."""
        percentiles = {
            f"{name}_p{p}": percentile(values, p)
            for name, values in self.samples.items()
            for p in (50, 95)
        }
        audio_s = sum(device.audio_s for device in self.devices)
        gaps, usage = underrun_figures(self.devices), self.usage.figures(audio_s)
        return {"replies": len(self.devices), **percentiles, **gaps, **usage}


async def measure_tokens(options: LoadOptions) -> Measured:
    """Speak `options.replies` texts whose words arrive at `options.tokens_per_s`, servers in turn.

    The measures are those of Picovoice's open benchmark of text-to-speech latency; a token here is
    a word.

    Returns:
        Per server: percentiles from the first token to the first audio, and from the last token to
        the end of playback; gaps; what the server used, see `Usage.figures`.

    Raises:
        InputError: a server does not answer.
        EngineError: no server spoke all replies.
    """
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(tested_servers(options))
        dialogues = [
            Dialogue(one, await stack.enter_async_context(open_endpoint(one)), Usage(one))
            for one in servers.tested
        ]
        for text in islice(utterances(Random(options.seed)), options.replies):
            for dialogue in (one for one in dialogues if not one.problem):
                servers.check_alive()
                await dialogue.reply(text, options.tokens_per_s)
                servers.check_alive()
        figures = {one.server.name: one.figures() for one in dialogues if not one.problem}
    problems = [f"{one.server.name}: {one.problem}" for one in dialogues if one.problem]
    if not figures:
        raise EngineError("; ".join(problems))
    samples = {one.server.name: one.samples for one in dialogues}
    return Measured(figures, samples, not_measured(servers.tested), problems)


async def paced_words(text: str, words_per_s: float, at_s: list[float]) -> AsyncIterator[str]:
    """Yield the words of a text at a fixed pace, each with its trailing space.

    Args:
        at_s: filled with the time of each word, of `time.perf_counter`.
    """
    begin_s = time.perf_counter()
    words = text.split()
    for number, word in enumerate(words):
        await asyncio.sleep(begin_s + number / words_per_s - time.perf_counter())
        at_s.append(time.perf_counter())
        yield word if number == len(words) - 1 else f"{word} "


async def measure_soak(options: LoadOptions) -> Measured:
    """Speak `options.requests` phrases, `options.workers` at a time; refused callers retry.

    Requests of every API, format, voice and length instead, if they are to be mixed. Memory is read
    while no call runs, first after a tenth of the requests.

    Returns:
        Resident memory at the first and last reading and its maximum, MB; `growth` by
        `memory_growth` over all readings; requests per second, cores used by the server, and how
        many requests failed and were refused. The samples are the readings: requests so far, MB.

    Raises:
        EngineError: the server ended.
    """
    endings, readings = Counter[str](failed=0, refused=0), list[tuple[int, float]]()
    phrases, shares = enumerate(cycle(PHRASES)), np.linspace(0.1, 1, READINGS)
    async with tested_servers(options) as servers:
        server = servers.tested[0]
        assert servers.own is not None
        opened: AbstractAsyncContextManager[TextEndpoint] = open_endpoint(
            server, options.connections
        )
        if options.mixed:
            opened = open_mixed(server, servers.own, options)
        async with opened as speaker:
            usage = Usage(server)
            usage.begin()
            for done, due in pairwise([0, *(round(share * options.requests) for share in shares)]):
                portion = islice(phrases, due - done)
                work = (speak_all(speaker, portion, endings) for _ in range(options.workers))
                await asyncio.gather(*work)
                readings.append((due, resident_mb(servers.own.process.pid)))
                _log.info("requests=%d resident_mb=%.1f", *readings[-1])
            usage.end()
    memory_mb = [mb for _, mb in readings]
    figures = {
        "requests": options.requests,
        "requests_per_s": options.requests / usage.wall_s,
        "resident_mb_early": memory_mb[0],
        "resident_mb_late": memory_mb[-1],
        "resident_mb_most": max(memory_mb),
        "growth": memory_growth(readings),
        "server_cpu": usage.cpu_s / usage.wall_s,
        **endings,
    }
    return Measured(figures, {"resident_mb": readings})


async def speak_all(
    speaker: TextEndpoint, requests: Iterator[tuple[int, str]], endings: Counter[str]
) -> None:
    """Speak seeds and texts one after the other; other workers may take from the same iterator.

    Args:
        endings: counts what was `refused` and retried, and what `failed`.
    """
    for seed, text in requests:
        while True:
            call = TimedCall(time.perf_counter(), len(text))
            await speaker.speak(text, seed, call)
            if not call.refused:
                break
            endings["refused"] += 1
            await asyncio.sleep(call.retry_after_s or RETRY_S)
        if call.failed:
            endings["failed"] += 1
            _log.warning("request %d failed: %s", seed, call.ending)
