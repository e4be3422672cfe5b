"""Whether a request gives the same audio however it is asked for and whatever else goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random

import numpy as np

from dlpo.errors import EngineError
from dlpo.v1 import speech_pb2
from dlpo_bench.load.caller import F32, Caller, Heard, stream_request
from dlpo_bench.load.listeners import RETRY_S, listening
from dlpo_bench.load.loaded_server import loaded_server
from dlpo_bench.load.options import LoadOptions, Measured
from dlpo_bench.load.texts import utterances
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import open_voice

MAX_TRIES = 100  # of a call that is refused


@dataclass(frozen=True, slots=True)
class Difference:
    """How far one waveform is from another."""

    largest: float
    """of samples, as a share of full scale; of the part that both have"""
    equal: bool
    """every bit, and as long"""
    same_length: bool


def difference(audio: bytes, reference: bytes) -> Difference:
    """Compare float32 samples."""
    a, b = np.frombuffer(audio, "<f4"), np.frombuffer(reference, "<f4")
    both = min(len(a), len(b))
    largest = float(np.abs(a[:both] - b[:both]).max(initial=0))
    return Difference(largest, audio == reference, len(a) == len(b))


def summary(differences: Sequence[Difference]) -> dict[str, float]:
    """`largest`, the share that is `equal` bit by bit, and how many differ in length."""
    return {
        "largest": max(d.largest for d in differences),
        "equal": sum(d.equal for d in differences) / len(differences),
        "other_length": sum(not d.same_length for d in differences),
    }


async def measure_ways(options: LoadOptions) -> Measured:
    """Speak texts as a stream, in one reply and offline, while `options.others` listen to others.

    Returns:
        `summary` of the stream against the one reply (`unary_...`) and against the same voice
        opened in this process (`offline_...`).
    """
    requests = [
        stream_request(text, seed, F32)
        for seed, text in enumerate(islice(utterances(Random(options.seed)), options.texts))
    ]
    streamed, whole = [], []
    async with (
        loaded_server(options) as server,
        listening(server.caller, options.others, options.ramp_s, Random(options.seed)),
    ):
        await asyncio.sleep(options.ramp_s)
        for request in requests:
            streamed.append(await streamed_audio(server.caller, request))
            unary = speech_pb2.SynthesizeRequest(text=request.text, config=request.config)
            whole.append(await server.caller.whole(unary))
    voice = open_voice(options.voice, options.engine, options.precision)
    offline = [
        voice.speak(SpeechRequest(request.text, seed=request.config.seed)).astype("<f4").tobytes()
        for request in requests
    ]
    return Measured(
        {
            "texts": options.texts,
            "others": options.others,
            **_named("unary", zip(streamed, whole, strict=True)),
            **_named("offline", zip(streamed, offline, strict=True)),
        }
    )


async def measure_concurrent(options: LoadOptions) -> Measured:
    """Speak `options.concurrent` texts one after the other, then all at the same time.

    Returns:
        `summary` of each stream against itself alone, and how many really ran at the same time.
    """
    texts = islice(utterances(Random(options.seed)), options.concurrent)
    requests = [stream_request(text, seed, F32) for seed, text in enumerate(texts)]
    async with loaded_server(options) as server:
        alone = [await streamed_audio(server.caller, request) for request in requests]
        calls: list[Heard] = []
        together = await asyncio.gather(
            *(streamed_audio(server.caller, request, calls) for request in requests)
        )
    figures = {
        "concurrent": options.concurrent,
        "most_at_once": most_at_once(calls),
        **summary([difference(*pair) for pair in zip(together, alone, strict=True)]),
    }
    return Measured(figures)


def most_at_once(calls: Iterable[Heard]) -> int:
    """The largest number of accepted calls that ran at the same time."""
    changes = []
    for call in calls:
        if call.accepted_s is not None and call.ended_s is not None:
            changes += [(call.accepted_s, 1), (call.ended_s, -1)]
    running = most = 0
    for _, change in sorted(changes):
        running += change
        most = max(most, running)
    return most


async def streamed_audio(
    caller: Caller, request: speech_pb2.StreamSynthesizeRequest, calls: list[Heard] | None = None
) -> bytes:
    """The pieces of a stream joined; a refused call is tried again when the server says so.

    Args:
        calls: the one that was served is appended.

    Raises:
        EngineError: the call failed, or was refused `MAX_TRIES` times.
    """
    for _ in range(MAX_TRIES):
        audio = bytearray()
        heard = await caller.listen(request, Heard(time.perf_counter()), audio.extend)
        if not heard.refused:
            break
        await asyncio.sleep(heard.retry_after_s or RETRY_S)
    if heard.refused or heard.failed:
        raise EngineError(f"a stream that was to be compared ended with {heard.code}; see the log")
    if calls is not None:
        calls.append(heard)
    return bytes(audio)


def _named(prefix: str, pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, float]:
    found = summary([difference(*pair) for pair in pairs])
    return {f"{prefix}_{name}": value for name, value in found.items()}
