"""A server whose calls end as a test has written down, and both clients behind one interface."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
import pytest

from dlpo.v1 import speech_pb2, speech_pb2_grpc
from dlpo_serving.client import AsyncSpeechClient, Chance, Chunk, SpeechClient
from dlpo_serving.request import SpeechRequest

Outcome = Callable[[grpc.ServicerContext], Iterator[speech_pb2.AudioChunk]]


@dataclass
class ScriptedServer(speech_pb2_grpc.SpeechServiceServicer):
    """Each call takes the next outcome: it yields chunks, or aborts."""

    outcomes: list[Outcome] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    """metadata of each call"""
    texts: list[list[str]] = field(default_factory=list)
    """pieces of each incremental call that has read its text to the end"""
    address: str = ""

    def StreamSynthesize(self, request: Any, context: Any) -> Iterator[Any]:
        return self._reply(speech_pb2.StreamSynthesizeResponse, context)

    def IncrementalSynthesize(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        assert next(requests).HasField("config")
        yield speech_pb2.IncrementalSynthesizeResponse(info=speech_pb2.SpeechInfo(voice="script"))
        self.texts.append([message.text or message.WhichOneof("part") for message in requests])
        yield from self._reply(speech_pb2.IncrementalSynthesizeResponse, context)

    def ListVoices(self, request: Any, context: Any) -> Any:
        list(self._reply(speech_pb2.StreamSynthesizeResponse, context))
        return speech_pb2.ListVoicesResponse(voices=[speech_pb2.Voice(name="script")])

    def _reply(self, kind: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        self.calls.append(dict(context.invocation_metadata()))
        yield kind(info=speech_pb2.SpeechInfo(voice="script"))
        for chunk in self.outcomes.pop(0)(context):
            yield kind(audio=chunk)
        yield kind(totals=speech_pb2.SpeechTotals(samples=1))


@pytest.fixture
def scripted_server() -> Iterator[ScriptedServer]:
    servicer = ScriptedServer()
    server = grpc.server(ThreadPoolExecutor(4))
    speech_pb2_grpc.add_SpeechServiceServicer_to_server(servicer, server)
    servicer.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield servicer
    server.stop(None).wait()


@dataclass
class Heard:
    """`hear(address, source, client_options, **call_options)`: what calls brought, as they came."""

    client: Callable[..., None]
    chunks: list[Chunk] = field(default_factory=list)
    info: speech_pb2.SpeechInfo | None = None
    totals: speech_pb2.SpeechTotals | None = None
    delays: list[float] = field(default_factory=list)
    """seconds that the client wanted to wait"""

    def __call__(self, address: str, source: Any, options: Any = None, **call: Any) -> None:
        """`source` is a request, or pieces of text."""

        async def sleep(delay_s: float) -> None:
            self.delays.append(delay_s)

        chance = replace((options or {}).get("chance", Chance()), sleep=sleep)
        self.client(self, address, source, {**(options or {}), "chance": chance}, **call)


def listen(heard: Heard, address: str, source: Any, options: dict[str, Any], **call: Any) -> None:
    """Through `SpeechClient`."""
    with SpeechClient(address, **options) as client:
        if isinstance(source, SpeechRequest):
            stream = client.stream(source, **call)
        else:
            stream = client.stream_pieces(source, **call)
        heard.info = stream.info
        for chunk in stream:
            heard.chunks.append(chunk)
        heard.totals = stream.totals


def listen_async(
    heard: Heard, address: str, source: Any, options: dict[str, Any], **call: Any
) -> None:
    """Through `AsyncSpeechClient`."""

    async def pieces(source: Iterable[Any]) -> Any:
        for piece in source:
            yield piece

    async def run() -> None:
        async with AsyncSpeechClient(address, **options) as client:
            if isinstance(source, SpeechRequest):
                stream = await client.stream(source, **call)
            else:
                stream = await client.stream_pieces(pieces(source), **call)
            heard.info = stream.info
            async for chunk in stream:
                heard.chunks.append(chunk)
            heard.totals = stream.totals

    asyncio.run(run())


@pytest.fixture(params=[listen, listen_async], ids=["sync", "asyncio"])
def hear(request: pytest.FixtureRequest) -> Heard:
    """By either client."""
    return Heard(request.param)
