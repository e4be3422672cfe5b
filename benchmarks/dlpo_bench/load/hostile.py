"""Hostile clients: each kind is a method, played in a process of their own."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from multiprocessing.connection import Connection
from random import Random
from typing import Any

import aiohttp
import grpc

from dlpo.v1 import speech_pb2, speech_pb2_grpc
from dlpo_bench.load.endpoints import OWN_CONNECTION
from dlpo_bench.load.honest import ATTACK_S, CALL_S, Target
from dlpo_bench.load.hostile_clients import (
    FLOODS,
    OpenCall,
    RawHttp2,
    close_abruptly,
    drain,
    flood,
    post_speech,
)
from dlpo_serving.protocols.riva.proto import riva_tts_pb2 as riva

HOSTILE_NICE = 10  # hostile clients have their own machines; "stolen processor" is another kind
LONG = "Noise becomes speech, step by step, and nobody knows how it was done. " * 100
HOST = "127.0.0.1"
SPEECH = "/dlpo.v1.SpeechService/StreamSynthesize"
RESETS_PER_S = 5_000.0
NO_TEXT = b"Bearer dlpo-" + b"\xff" * 90  # a header that is not UTF-8
BURST = 40  # callers at the same moment
BODIES = 256  # complete at the same moment, of 250 kB each
TALKERS = 30  # connections that send all the text they may
FLOOD = 10_000  # messages
BATCH = 200  # streams that are reset at once
RIVA = "nvidia.riva.tts.RivaSpeechSynthesis"
METHODS = (
    "/dlpo.v1.SpeechService/StreamSynthesize",
    "/dlpo.v1.SpeechService/IncrementalSynthesize",
    "/nvidia.riva.tts.RivaSpeechSynthesis/SynthesizeOnline",
    "/grpc.health.v1.Health/Check",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
)
REFUSALS = (grpc.RpcError, OSError, ValueError, HTTPException, aiohttp.ClientError)
HOSTILE = (  # methods of `Attacker`
    "greedy", "empty", "flushes", "unread", "vanishing", "malformed", "cancelled", "impatient",
    "tiny", "crowd", "worst", "messages", "resets", "metadata", "hoard", "burst",
    "bodies", "halves", "texts",
)  # fmt: skip


@contextmanager
def hostile_process(target: Target, seed: int) -> Iterator[Connection]:
    """A process that plays each kind of `HOSTILE` it is sent, and answers when done."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_obey, args=(theirs, target, seed), daemon=True)
    process.start()
    try:
        yield ours
    finally:
        process.kill()
        process.join()


def _obey(orders: Connection, target: Target, seed: int) -> None:
    os.nice(HOSTILE_NICE)
    random = Random(seed)
    while True:
        name = orders.recv()
        # Whatever the server does to hostile clients is right as long as others don't notice.
        with suppress(*REFUSALS), Attacker(target, random) as attacker:
            getattr(attacker, name)()
        orders.send(None)


class Attacker:
    """A connection of its own; calls still open at the end are cut."""

    def __init__(self, target: Target, random: Random) -> None:
        self.target = target
        self.random = random
        self._headers = {"Authorization": f"Bearer {target.hostile}"}
        self._metadata = (("authorization", f"Bearer {target.hostile}"),)

    def __enter__(self) -> Attacker:
        self.channel = grpc.insecure_channel(self.target.address, OWN_CONNECTION)
        self.stub = speech_pb2_grpc.SpeechServiceStub(self.channel)
        return self

    def __exit__(self, *error: object) -> None:
        self.channel.close()

    def begin(self, text: str = LONG, **options: Any) -> Any:
        request = speech_pb2.StreamSynthesizeRequest(text=text)
        return self.stub.StreamSynthesize(request, metadata=self._metadata, **options)

    def http(self) -> socket.socket:
        """A connection to the HTTP port."""
        return socket.create_connection((HOST, self.target.http_port), 5)

    def post(self, **fields: Any) -> None:
        """Ask for speech over HTTP, and read the beginning of the reply."""
        with closing(HTTPConnection(HOST, self.target.http_port, timeout=CALL_S)) as connection:
            post_speech(connection, self._headers, **fields).read(4096)

    @contextmanager
    def conversations(self, count: int) -> Iterator[list[OpenCall]]:
        """Open calls in one connection, without text; each is read by a thread."""
        calls = [OpenCall(self.channel, self._metadata) for _ in range(count)]
        threads = [threading.Thread(target=call.refusal) for call in calls]
        for thread in threads:
            thread.start()
        yield calls
        for call in calls:
            call.end()
        for thread in threads:
            thread.join()

    def greedy(self) -> None:
        """Conversations that receive their long texts all at once."""
        with self.conversations(60) as calls:
            time.sleep(0.5)
            for call in calls:
                call.say(text=LONG)
            time.sleep(ATTACK_S)

    def empty(self) -> None:
        """Conversations without text."""
        with self.conversations(500):
            time.sleep(ATTACK_S)

    def flushes(self) -> None:
        """A conversation of nothing but flushes."""
        with self.conversations(1) as (call,):
            for _ in range(3000):
                call.say(flush=speech_pb2.Flush())
            time.sleep(ATTACK_S)

    def unread(self) -> None:
        """Streams that are never read."""
        calls = [self.begin() for _ in range(30)]
        time.sleep(ATTACK_S)
        for call in calls:
            call.cancel()

    def vanishing(self) -> None:
        """Connections that are closed after the first message, of gRPC and of HTTP."""
        for _ in range(10):
            with Attacker(self.target, self.random) as other, suppress(grpc.RpcError):
                next(iter(other.begin()))
            body = b'{"input": "%s", "stream_format": "sse"}' % LONG[:2000].encode()
            head = (
                f"POST /v1/audio/speech HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n"
                "Content-Type: application/json\r\n"
                f"Authorization: Bearer {self.target.hostile}\r\n\r\n"
            )
            with self.http() as connection:
                connection.sendall(head.encode() + body)
                connection.recv(1000)
                close_abruptly(connection)

    def malformed(self) -> None:
        """Bytes that are no messages, and no HTTP."""
        for number in range(200):
            call: Any = self.channel.stream_stream(METHODS[number % len(METHODS)])
            garbage = iter([self.random.randbytes(50)])
            drain(call(garbage, timeout=1.0, metadata=self._metadata))
        for _ in range(50):
            with self.http() as connection:
                connection.sendall(self.random.randbytes(500) + b"\r\n\r\n")

    def cancelled(self) -> None:
        """A thousand calls cancelled as soon as they start."""
        for _ in range(20):
            for call in [self.begin() for _ in range(50)]:
                call.cancel()

    def impatient(self) -> None:
        """Calls with deadlines that can't be met."""
        for _ in range(50):
            drain(self.begin(timeout=self.random.choice([0.001, 0.005, 0.02])))

    def tiny(self) -> None:
        """Many small requests, one after the other."""
        end_s = time.monotonic() + ATTACK_S
        while time.monotonic() < end_s:
            drain(self.begin("No."))

    def worst(self) -> None:
        """The most expensive request of each entry point."""
        digits, marks = "lj*" + "1" * 240_000 + "x", "a  " + "\u0301\u0323" * 240_000
        words = {f"w{number}": "F IH1 SH" for number in range(10_000)}
        largest = ",".join(f"w{number}  fɪʃ" for number in range(1000))
        call: Any = self.channel.unary_unary(f"/{RIVA}/Synthesize")
        for _ in range(5):
            self.post(input="Hi.", voice=digits)
            self.post(input="Hi.", dictionary=words)
            for dictionary in (marks, largest):
                request = riva.SynthesizeSpeechRequest(text="Hi.", custom_dictionary=dictionary)
                with suppress(grpc.RpcError):
                    call(request.SerializeToString(), CALL_S, self._metadata)

    def messages(self) -> None:
        """Small WebSocket messages: no JSON, keep-alives, flushes, letters."""
        url = f"http://{HOST}:{self.target.http_port}/"
        for path, first, message in FLOODS.values():
            there = path.format(voice="lj")
            once_sent = (FLOOD, lambda: True, self._headers)
            asyncio.run(flood(url, there, first, message, *once_sent))

    def resets(self, more: Mapping[bytes, bytes] | None = None) -> None:
        """Streams that are reset at once, on one connection."""
        raw = RawHttp2(self.target.address)
        sent, begin_s = 0, time.monotonic()
        with closing(raw.socket):
            while (spent_s := time.monotonic() - begin_s) < ATTACK_S:
                if sent > RESETS_PER_S * spent_s:
                    time.sleep(0.001)
                    continue
                raw.reset_streams(SPEECH, range(sent, sent + BATCH), more)
                sent += BATCH

    def metadata(self) -> None:
        """Calls whose header is not UTF-8."""
        self.resets({b"authorization": NO_TEXT})

    def hoard(self) -> None:
        """More connections than one address may hold, half of them with an unread reply."""
        with ExitStack() as stack:
            for number in range(700):
                one = stack.enter_context(self.http())
                if number % 2:
                    one.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            time.sleep(ATTACK_S)

    def burst(self) -> None:
        """Many callers at the same moment."""
        calls = [self.begin("Noise becomes speech.") for _ in range(BURST)]
        for call in calls:
            drain(call)

    def bodies(self) -> None:
        """Large requests over HTTP that are complete at the same moment."""
        words = {f"w{number}": "F IH1 SH" for number in range(10_000)}
        request = self._request(input="Hi.", dictionary=words)
        with ExitStack() as stack:
            connections = [stack.enter_context(self.http()) for _ in range(BODIES)]
            for connection in connections:
                connection.sendall(request[:-1])
            for connection in connections:
                connection.sendall(request[-1:])
            time.sleep(ATTACK_S)

    def halves(self) -> None:
        """Clients that stop sending after their request; every other one is gone."""
        request = self._request(input="Noise becomes speech.")
        with ExitStack() as stack:
            for number in range(BURST):
                connection = stack.enter_context(self.http())
                connection.sendall(request)
                if number % 2:
                    connection.close()
                else:
                    connection.shutdown(socket.SHUT_WR)
            time.sleep(ATTACK_S)

    def _request(self, **fields: Any) -> bytes:
        body = json.dumps(fields).encode()
        head = {**self._headers, "Host": "localhost", "Content-Length": len(body)}
        lines = ["POST /v1/audio/speech HTTP/1.1", *(f"{name}: {head[name]}" for name in head)]
        return "\r\n".join([*lines, "Content-Type: application/json", "", ""]).encode() + body

    def texts(self) -> None:
        """Conversations over WebSockets that send all the text they may, and read nothing."""

        async def talk(session: aiohttp.ClientSession) -> None:
            url = f"http://{HOST}:{self.target.http_port}/v1/audio/speech/stream"
            with suppress(OSError, aiohttp.ClientError):
                async with session.ws_connect(url) as talking, asyncio.timeout(ATTACK_S):
                    await talking.send_json({"type": "begin", "keep_open": True})
                    while True:
                        await talking.send_json({"type": "text", "text": LONG})

        async def all_talk() -> None:
            async with aiohttp.ClientSession(headers=self._headers) as session:
                await asyncio.gather(*(talk(session) for _ in range(TALKERS)))

        asyncio.run(all_talk())

    def crowd(self) -> None:
        """Silent connections, and some that send a header byte by byte."""
        grpc_port = int(self.target.address.rpartition(":")[2])
        with ExitStack() as stack:
            idle = [
                stack.enter_context(socket.create_connection((HOST, port), 5))
                for _ in range(500)
                for port in (grpc_port, self.target.http_port)
            ]
            for byte in b"GET /v1/models HTTP/1.1\r\nX:"[: int(4 * ATTACK_S)]:
                for connection in idle[1:200:2]:
                    connection.send(bytes((byte,)))
                time.sleep(0.25)
