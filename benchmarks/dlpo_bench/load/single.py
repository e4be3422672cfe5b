"""Latency over loopback, text from a language model, and memory over many calls."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import cycle, islice
from random import Random
from typing import Any

import grpc

from dlpo.errors import EngineError
from dlpo.v1 import speech_pb2
from dlpo_bench.load.calls import (
    F32,
    S16,
    AudioDevice,
    DlpoEndpoint,
    Endpoint,
    TestedServer,
    TimedCall,
    first_audio_ms,
    open_endpoint,
    stream_request,
    underrun_figures,
)
from dlpo_bench.load.levels import RETRY_S
from dlpo_bench.load.servers import Usage, read_meters, tested_servers
from dlpo_bench.load.texts import SENTENCES, short_utterances, utterances
from dlpo_bench.machine import memory_growth, percentile, process_cpu_s, resident_mb
from dlpo_bench.options import LoadOptions
from dlpo_bench.record import Measured
from dlpo_serving.client.errors import retry_after_s

TOKEN_SAMPLES = ("first_token_to_speech_ms", "last_token_to_end_of_speech_ms")
READINGS = 20  # of memory, evenly over the soak
TIGHT_DEADLINE_S = 0.03
BEHAVIORS = {  # -> how many of 100 callers
    "stream": 70,  # plays to the end
    "unary": 10,
    "cancel": 10,  # after the first audio
    "disconnect": 5,  # closes its connection after the first message
    "deadline": 5,  # gives the server 30 ms
}
GIVEN_UP = (  # how calls end whose caller left
    grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE,
)  # fmt: skip
_log = logging.getLogger(__name__)
Request = tuple[str, str]
"""Behavior and text."""


async def measure_latency(options: LoadOptions) -> Measured:
    """Start a server, call it `options.calls` times, one call after the other.

    Returns:
        Seconds from starting the process to SERVING (`start_s`), resident memory before and after
        the calls (`rss_mb`, `rss_after_mb`), percentiles of the time to first audio, and the
        real-time factor of whole streams as the client sees it (`stream_rtf_p50`). As samples
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
    """Receive each text to its end, then call for the next.

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
    """A server and the replies that it has spoken."""

    server: TestedServer
    endpoint: Endpoint
    usage: Usage = field(default_factory=Usage)
    samples: dict[str, list[float]] = field(default_factory=lambda: {n: [] for n in TOKEN_SAMPLES})
    devices: list[AudioDevice] = field(default_factory=list)
    problem: str = ""

    async def reply(self, text: str, tokens_per_s: float) -> None:
        """Speak a text while its words come."""
        before, at_s = await read_meters(self.server), list[float]()
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
        self.usage.add(before, await read_meters(self.server))
        _log.info("%s first_token_to_speech_ms=%.0f", self.server.name, first_ms)

    def figures(self) -> dict[str, Any]:
        """Percentiles, gaps, and what the server used."""
        percentiles = {
            f"{name}_p{p}": percentile(values, p)
            for name, values in self.samples.items()
            for p in (50, 95)
        }
        audio_s = sum(device.audio_s for device in self.devices)
        gaps, usage = underrun_figures(self.devices), self.usage.figures(self.server, audio_s)
        return {"replies": len(self.devices), **percentiles, **gaps, **usage}


async def measure_tokens(options: LoadOptions) -> Measured:
    """Speak `options.replies` texts whose words come at `options.tokens_per_s`; servers in turns.

    The measures are those of Picovoice's open benchmark of text-to-speech latency; a token is a
    word here.

    Returns:
        For each server percentiles from the first token to the first audio, and from the last
        token to the end of playback; gaps; what the server used, see `Usage.figures`.

    Raises:
        InputError: a server does not answer.
        EngineError: none spoke all replies.
    """
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(tested_servers(options))
        dialogues = [
            Dialogue(one, await stack.enter_async_context(open_endpoint(one)))
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
    skipped = {
        f"{one.server.name}: {what}": why
        for one in dialogues
        for what, why in one.usage.skipped.items()
    }
    samples = {one.server.name: one.samples for one in dialogues}
    return Measured(figures, samples, skipped, problems)


async def paced_words(text: str, words_per_s: float, at_s: list[float]) -> AsyncIterator[str]:
    """The words of a text at a fixed pace, each with the space after it.

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
    """Make `options.requests` requests, `options.workers` at a time; refused callers come again.

    Where `options.minutes` is set, requests are made for so long instead. Memory is read while no
    call runs, first after a tenth of the requests or of the time.

    Returns:
        Resident memory at the first and last reading and at most, `growth` by `memory_growth`,
        `growth_of_ends` by the first and last reading, requests per second, cores that the server
        used, requests of each behavior, and how many failed and were refused.
    """
    random = Random(options.seed)
    texts = short_utterances(random)
    endings: Counter[str] = Counter()
    readings: list[tuple[int, float]] = []
    names, weights = list(BEHAVIORS), list(BEHAVIORS.values())
    endless = ((random.choices(names, weights)[0], next(texts)) for _ in itertools.count())
    async with tested_servers(options) as servers:
        server = servers.tested[0]
        async with open_endpoint(server, options.connections) as endpoint:
            assert isinstance(endpoint, DlpoEndpoint)
            assert server.pid is not None
            begin_s, begin_cpu_s = time.perf_counter(), process_cpu_s(server.pid)
            for requests in portioned(endless, options.requests, options.minutes):
                await asyncio.gather(
                    *(_work(server, endpoint, requests, endings, number)
                      for number in range(options.workers))
                )  # fmt: skip
                readings.append((sum(endings[name] for name in names), resident_mb(server.pid)))
                _log.info("requests=%d resident_mb=%.1f", *readings[-1])
            length_s = time.perf_counter() - begin_s
            server_cpu = (process_cpu_s(server.pid) - begin_cpu_s) / length_s
    (_, early_mb), (requests_made, late_mb) = readings[0], readings[-1]
    figures = {
        "requests": requests_made,
        "requests_per_s": requests_made / length_s,
        "resident_mb_early": early_mb,
        "resident_mb_late": late_mb,
        "resident_mb_most": max(memory for _, memory in readings),
        "growth": memory_growth(readings),
        "growth_of_ends": late_mb / early_mb - 1,
        "server_cpu": server_cpu,
        **{name: endings[name] for name in (*names, "failed", "refused")},
    }
    return Measured(figures, {"resident_mb": readings})


def portioned(
    endless: Iterator[Request], requests: int, minutes: float | None,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Iterator[Request]]:  # fmt: skip
    """The requests in portions, a tenth and then `READINGS`-ths, each to be made before the next;
    with `minutes`, such shares of the time, of one request at least."""
    begin_s, made = clock(), 0
    for share in itertools.accumulate([0.1] + [0.9 / READINGS] * READINGS):
        if minutes is None:
            count = round(share * requests) - made
            made += count
            yield itertools.islice(endless, count)
        else:
            until_s = begin_s + 60 * minutes * share
            in_time = itertools.takewhile(lambda _, end_s=until_s: clock() < end_s, endless)  # type: ignore[misc]
            yield itertools.chain(itertools.islice(endless, 1), in_time)


async def _work(
    server: TestedServer, endpoint: DlpoEndpoint, requests: Iterator[Request],
    endings: Counter[str], worker: int,
) -> None:  # fmt: skip
    for seed, (behavior, text) in enumerate(requests):
        endings[behavior] += 1
        request = stream_request(text, 1_000_000 * worker + seed, (S16, F32)[seed % 2])
        while (wait_s := await _try(server, endpoint, behavior, request, endings)) is not None:
            await asyncio.sleep(wait_s)


async def _try(
    server: TestedServer, endpoint: DlpoEndpoint, behavior: str,
    request: speech_pb2.StreamSynthesizeRequest, endings: Counter[str],
) -> float | None:  # fmt: skip
    """Seconds after which a refused caller comes again; None when it is done."""
    try:
        await _call(server, endpoint, behavior, request)
    except grpc.aio.AioRpcError as error:
        if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
            endings["refused"] += 1
            if behavior == "deadline":  # no time to come again
                return None
            return retry_after_s(error) or RETRY_S
        if behavior in ("stream", "unary") or error.code() not in GIVEN_UP:
            endings["failed"] += 1
            _log.warning("%s: %s: %s", behavior, error.code().name, error.details())
    return None


async def _call(
    server: TestedServer, endpoint: DlpoEndpoint, behavior: str,
    request: speech_pb2.StreamSynthesizeRequest,
) -> None:  # fmt: skip
    """Raises grpc.aio.AioRpcError, unless the caller has left by then."""
    if behavior == "unary":
        unary = speech_pb2.SynthesizeRequest(text=request.text, config=request.config)
        await endpoint.whole(unary)
    elif behavior == "disconnect":
        async with open_endpoint(server) as own:
            assert isinstance(own, DlpoEndpoint)
            await own.begin(request).read()
    else:
        timeout = TIGHT_DEADLINE_S if behavior == "deadline" else None
        stream = endpoint.begin(request, timeout=timeout)
        async for part in stream:
            if behavior == "cancel" and part.HasField("audio"):
                stream.cancel()
                return
