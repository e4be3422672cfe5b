"""Hostile clients: each kind is a method, played in a process of their own."""

from __future__ import annotations

import json
import multiprocessing
import os
import queue
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection
from random import Random
from typing import Any

import grpc

from dlpo.v1 import speech_pb2, speech_pb2_grpc
from dlpo_bench.load.calls import OWN_CONNECTION
from dlpo_bench.load.floods import hoard, post, reset_streams, tiny_messages
from dlpo_bench.load.victim import CALL_S, MISCHIEF_S, Victim
from dlpo_serving.protocols.riva.proto import riva_tts_pb2 as riva

HOSTILE_NICE = 10  # hostile clients have their own machines; "stolen processor" is another kind
LONG = "Noise becomes speech, step by step, and nobody knows how it was done. " * 100
HOST = "127.0.0.1"
SPEECH = b"/dlpo.v1.SpeechService/StreamSynthesize"
RESETS_PER_S = 5_000.0
NO_TEXT = b"Bearer dlpo-" + b"\xff" * 90  # a header that is not UTF-8
BURST = 40  # callers at the same moment
FLOOD_BYTES = 1_000_000
RIVA = "nvidia.riva.tts.RivaSpeechSynthesis"
METHODS = (
    "/dlpo.v1.SpeechService/StreamSynthesize",
    "/dlpo.v1.SpeechService/IncrementalSynthesize",
    "/nvidia.riva.tts.RivaSpeechSynthesis/SynthesizeOnline",
    "/grpc.health.v1.Health/Check",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
)
HOSTILE = (  # methods of `Attacker`
    "greedy", "empty", "flushes", "unread", "vanishing", "malformed", "cancelled", "impatient",
    "tiny", "crowd", "worst", "messages", "resets", "metadata", "hoard", "burst",
)  # fmt: skip

TextPiece = speech_pb2.IncrementalSynthesizeRequest
Texts = list[queue.SimpleQueue[TextPiece | None]]


@contextmanager
def hostile_process(victim: Victim, seed: int) -> Iterator[Connection]:
    """A process that plays each kind of `HOSTILE` it is sent, and answers when done."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_obey, args=(theirs, victim, seed), daemon=True)
    process.start()
    try:
        yield ours
    finally:
        process.kill()
        process.join()


def _obey(orders: Connection, victim: Victim, seed: int) -> None:
    os.nice(HOSTILE_NICE)
    random = Random(seed)
    while True:
        name = orders.recv()
        # Whatever the server does to hostile clients is right as long as others don't notice.
        with suppress(grpc.RpcError, OSError, ValueError), Attacker(victim, random) as attacker:
            getattr(attacker, name)()
        orders.send(None)


class Attacker:
    """A connection of its own; calls still open at the end are cut."""

    def __init__(self, victim: Victim, random: Random) -> None:
        self.victim = victim
        self.random = random
        self._metadata = (("authorization", f"Bearer {victim.hostile}"),)

    def __enter__(self) -> Attacker:
        self.channel = grpc.insecure_channel(self.victim.address, OWN_CONNECTION)
        self.stub = speech_pb2_grpc.SpeechServiceStub(self.channel)
        return self

    def __exit__(self, *error: object) -> None:
        self.channel.close()

    def begin(self, text: str = LONG, **options: Any) -> Any:
        request = speech_pb2.StreamSynthesizeRequest(text=text)
        return self.stub.StreamSynthesize(request, metadata=self._metadata, **options)

    def http(self) -> socket.socket:
        """A connection to the HTTP port."""
        return socket.create_connection((HOST, self.victim.http_port), 5)

    @contextmanager
    def conversations(self, count: int) -> Iterator[Texts]:
        """Open calls in one connection, each with a config but no text yet; texts can be added."""
        texts: Texts = [queue.SimpleQueue() for _ in range(count)]
        calls = []
        for text in texts:
            text.put(TextPiece(config=speech_pb2.SynthesisConfig()))
            pieces = iter(text.get, None)
            calls.append(self.stub.IncrementalSynthesize(pieces, metadata=self._metadata))
        threads = [threading.Thread(target=drain, args=(call,)) for call in calls]
        for thread in threads:
            thread.start()
        yield texts
        for text, call in zip(texts, calls, strict=True):
            text.put(None)
            call.cancel()
        for thread in threads:
            thread.join()

    def greedy(self) -> None:
        """Conversations that receive their long texts all at once."""
        with self.conversations(60) as texts:
            time.sleep(0.5)
            for text in texts:
                text.put(TextPiece(text=LONG))
            time.sleep(MISCHIEF_S)

    def empty(self) -> None:
        """Conversations without text."""
        with self.conversations(500):
            time.sleep(MISCHIEF_S)

    def flushes(self) -> None:
        """A conversation of nothing but flushes."""
        with self.conversations(1) as texts:
            for _ in range(3000):
                texts[0].put(TextPiece(flush=speech_pb2.Flush()))
            time.sleep(MISCHIEF_S)

    def unread(self) -> None:
        """Streams that are never read."""
        calls = [self.begin() for _ in range(30)]
        time.sleep(MISCHIEF_S)
        for call in calls:
            call.cancel()

    def vanishing(self) -> None:
        """Connections that are closed after the first message, of gRPC and of HTTP."""
        for _ in range(10):
            with Attacker(self.victim, self.random) as other, suppress(grpc.RpcError):
                next(iter(other.begin()))
            body = b'{"input": "%s", "stream_format": "sse"}' % LONG[:2000].encode()
            head = (
                f"POST /v1/audio/speech HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n"
                "Content-Type: application/json\r\n"
                f"Authorization: Bearer {self.victim.hostile}\r\n\r\n"
            )
            with self.http() as connection:
                connection.sendall(head.encode() + body)
                connection.recv(1000)
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

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
        end_s = time.monotonic() + MISCHIEF_S
        while time.monotonic() < end_s:
            drain(self.begin("No."))

    @property
    def places(self) -> list[tuple[str, int]]:
        """Of gRPC and of HTTP."""
        port = int(self.victim.address.rpartition(":")[2])
        return [(HOST, port), (HOST, self.victim.http_port)]

    def worst(self) -> None:
        """The most expensive request of each entry point."""
        digits, marks = "lj*" + "1" * 240_000 + "x", "a  " + "\u0301\u0323" * 240_000
        words = {f"w{number}": "F IH1 SH" for number in range(10_000)}
        largest = ",".join(f"w{number}  fɪʃ" for number in range(1000))
        call: Any = self.channel.unary_unary(f"/{RIVA}/Synthesize")
        for _ in range(5):
            post(self.places[1], self.victim.hostile, input="Hi.", voice=digits)
            post(self.places[1], self.victim.hostile, input="Hi.", dictionary=words)
            for dictionary in (marks, largest):
                request = riva.SynthesizeSpeechRequest(text="Hi.", custom_dictionary=dictionary)
                with suppress(grpc.RpcError):
                    call(request.SerializeToString(), CALL_S, self._metadata)

    def messages(self) -> None:
        """Small WebSocket messages: no JSON, keep-alives, flushes."""
        begin, flush = json.dumps({"type": "begin"}), json.dumps({"type": "flush"})
        for path, first, message in (
            ("/v1/realtime", [], "x"),
            ("/v1/text-to-speech/lj/multi-stream-input", [], "{}"),
            ("/v1/audio/speech/stream", [begin], flush),
        ):
            token = self.victim.hostile
            tiny_messages(self.places[1], path, token, first, message, FLOOD_BYTES)

    def resets(self) -> None:
        """Streams that are reset at once."""
        reset_streams(self.places[0], SPEECH, MISCHIEF_S, RESETS_PER_S)

    def metadata(self) -> None:
        """Calls whose header is not UTF-8."""
        reset_streams(self.places[0], SPEECH, MISCHIEF_S, RESETS_PER_S, NO_TEXT)

    def hoard(self) -> None:
        """More connections than one address may hold, half of them with an unread reply."""
        hoard(self.places[1], 700, MISCHIEF_S)

    def burst(self) -> None:
        """Many callers at the same moment."""
        calls = [self.begin("Noise becomes speech.") for _ in range(BURST)]
        for call in calls:
            drain(call)

    def crowd(self) -> None:
        """Silent connections, and some that send a header byte by byte."""
        grpc_port = int(self.victim.address.rpartition(":")[2])
        with ExitStack() as stack:
            idle = [
                stack.enter_context(socket.create_connection((HOST, port), 5))
                for _ in range(500)
                for port in (grpc_port, self.victim.http_port)
            ]
            for byte in b"GET /v1/models HTTP/1.1\r\nX:"[: int(4 * MISCHIEF_S)]:
                for connection in idle[1:200:2]:
                    connection.send(bytes((byte,)))
                time.sleep(0.25)


def drain(call: Any) -> None:
    """Read a call to its end, however it ends."""
    with suppress(grpc.RpcError):
        for _ in call:
            pass
