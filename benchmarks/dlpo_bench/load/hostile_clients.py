"""Clients that keep to no rule, for `dlpo bench stream chaos` and for the tests of resilience.

Whatever the server does to such a client is right, as long as others don't notice.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import socket
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import aiohttp
import grpc

from dlpo.v1 import speech_pb2, speech_pb2_grpc

TIMEOUT_S = 60.0
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA = 0
HEADERS = 1
RST_STREAM = 3
SETTINGS = 4
PING = 6
ACK = 1
END_STREAM = 1
END_HEADERS = 4
CANCEL = struct.pack(">I", 8)
GRPC = {"content-type": "application/grpc"}
DRAIN_S = 5.0  # after the last message of a flood
OWN, REALTIME = "v1/audio/speech/stream", "v1/realtime"
BEGIN = json.dumps({"type": "begin"})
FLOODS = {  # path of a WebSocket, with a {voice}; messages before the flood; its message
    "no JSON": (REALTIME, [], "x"),
    "keep-alives": ("v1/text-to-speech/{voice}/multi-stream-input", [], "{}"),
    "Cartesia's cancels": ("tts/websocket", [], '{"context_id":"a","cancel":true}'),
    "Deepgram's flushes": ("v1/speak", [], '{"type":"Flush"}'),
    "Riva's commits": (f"{REALTIME}?intent=synthesize", [], '{"type":"input_text.commit"}'),
    "flushes": (OWN, [BEGIN], '{"type":"flush"}'),
    "letters": (OWN, [BEGIN], '{"type":"text","text":"a"}'),
}

Piece = speech_pb2.IncrementalSynthesizeRequest


class RawHttp2:
    """A client of HTTP/2 that sends any frame."""

    def __init__(self, address: str, window: int = 65_535, greet: bool = True) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), TIMEOUT_S)
        if greet:
            self.socket.sendall(PREFACE)
            self.send(SETTINGS, 0, 0, struct.pack(">HI", 4, window))  # SETTINGS_INITIAL_WINDOW_SIZE

    def send(self, kind: int, flags: int, stream: int, payload: bytes = b"") -> None:
        self.socket.sendall(self.framed(kind, flags, stream, payload))

    @staticmethod
    def framed(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
        length = struct.pack(">I", len(payload))[1:]
        return length + bytes((kind, flags)) + struct.pack(">I", stream) + payload

    def begin(
        self,
        method: str,
        stream: int = 1,
        flags: int = END_HEADERS,
        more: Mapping[bytes, bytes] | None = None,
    ) -> int:
        """Send the headers of a call; returns how many bytes they are."""
        block = self.call_headers(method, more or {})
        self.send(HEADERS, flags, stream, block)
        return len(block)

    def reset_streams(
        self, method: str, numbers: Iterable[int], more: Mapping[bytes, bytes] | None = None
    ) -> None:
        """Begin streams, numbered from 0, and reset each at once."""
        block, frames = self.call_headers(method, more or {}), bytearray()
        for number in numbers:
            frames += self.framed(HEADERS, END_HEADERS, 2 * number + 1, block)
            frames += self.framed(RST_STREAM, 0, 2 * number + 1, CANCEL)
        self.socket.sendall(frames)

    def say(self, message: bytes, stream: int = 1) -> None:
        """The one message of a call."""
        data = b"\0" + struct.pack(">I", len(message)) + message
        self.send(DATA, END_STREAM, stream, data)

    @staticmethod
    def call_headers(method: str, more: Mapping[bytes, bytes]) -> bytes:
        """Of a call of gRPC; `more` may have any bytes."""
        pseudo = {":method": "POST", ":scheme": "http", ":path": method, ":authority": "a"}
        return RawHttp2.headers(pseudo | {"te": "trailers"} | GRPC) + RawHttp2.literals(
            more.items()
        )

    @staticmethod
    def headers(fields: Mapping[str, str]) -> bytes:
        """HPACK without tables and Huffman code. Reference: RFC 7541, section 6.2.2."""
        return RawHttp2.literals((name.encode(), value.encode()) for name, value in fields.items())

    @staticmethod
    def literals(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
        """The same for bytes, of fewer than 127 each."""
        return b"".join(
            b"\0" + bytes((len(name),)) + name + bytes((len(value),)) + value
            for name, value in fields
        )

    def frame(self) -> tuple[int, int, bytes]:
        """Type, flags and payload of the next frame; pings and settings are answered."""
        head = self._read(9)
        kind, flags = head[3], head[4]
        payload = self._read(int.from_bytes(head[:3]))
        if kind in (PING, SETTINGS) and not flags & ACK:
            self.send(kind, ACK, 0, payload if kind == PING else b"")
        return kind, flags, payload

    def hear_ends(self, calls: int) -> None:
        """Wait until the server has ended this many calls that this client leaves open."""
        while calls:
            calls -= self.frame()[0] == RST_STREAM

    def reset(self) -> None:
        """Close without a farewell: the server gets a RST."""
        close_abruptly(self.socket)

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise ConnectionError("the server has closed the connection")
            data += part
        return data


class OpenCall:
    """A call of IncrementalSynthesize that has begun, and has no text yet."""

    def __init__(self, channel: grpc.Channel, metadata: Sequence[tuple[str, str]] = ()) -> None:
        self._parts: queue.SimpleQueue[Piece | None] = queue.SimpleQueue()
        self.say(config=speech_pb2.SynthesisConfig())
        stub = speech_pb2_grpc.SpeechServiceStub(channel)
        parts = iter(self._parts.get, None)
        self.call = stub.IncrementalSynthesize(parts, timeout=TIMEOUT_S, metadata=metadata)

    def say(self, **part: Any) -> None:
        self._parts.put(Piece(**part))

    def end(self) -> None:
        self._parts.put(None)
        self.call.cancel()

    def refusal(self) -> grpc.RpcError | None:
        """How the call ends, if not well; waits for it."""
        return drain(self.call)


def drain(call: Any) -> grpc.RpcError | None:
    """Read a call to its end; returns its error, if it has one."""
    try:
        for _ in call:
            pass
    except grpc.RpcError as error:
        return error
    return None


def close_abruptly(connection: socket.socket) -> None:
    """Close with a RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def post_speech(
    connection: HTTPConnection, headers: Mapping[str, str] | None = None, **fields: Any
) -> HTTPResponse:
    """Ask for speech by OpenAI's API; the reply, not yet read."""
    body = json.dumps({"model": "dlpo", "response_format": "pcm", **fields})
    headers = {"Content-Type": "application/json", **(headers or {})}
    connection.request("POST", "/v1/audio/speech", body, headers)
    return connection.getresponse()


async def flood(
    url: str,
    path: str,
    first: Sequence[str],
    message: str,
    count: int,
    all_read: Callable[[], bool] = bool,
    headers: Mapping[str, str] | None = None,
) -> str:
    """Send a small message so often, reading replies to the end, `all_read`, or for `DRAIN_S`.

    Returns:
        The last reply.
    """
    last = ""
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(f"{url}{path}", max_msg_size=0) as connection,
    ):

        async def read() -> None:
            nonlocal last
            async for reply in connection:
                last = str(reply.data)

        reading = asyncio.create_task(read())
        try:
            for one in [*first, *[message] * count]:
                await connection.send_str(one)
        except ConnectionError:  # the server has closed it
            pass
        else:
            if message == "{}":
                await connection.send_json({"close_socket": True})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while not (reading.done() or all_read()):
                    await asyncio.sleep(0.01)
        reading.cancel()
    return last
