"""Hostile callers, and a neighbour who must not notice them."""

from __future__ import annotations

import http.client
import json
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import pytest

from dlpo_serving import server
from dlpo_serving.client import SpeechClient
from dlpo_serving.protocols import endpoints
from dlpo_serving.request import SpeechRequest
from dlpo_serving.scheduling.stream import AdmissionPolicy
from tests.callers import PATIENT, WAIT_S, Conversation, ServerProcess, rest_of, server_process
from tests.serving.conftest import RunningServer

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA = 0
HEADERS = 1
RST_STREAM = 3
SETTINGS = 4
PING = 6
ACK = 1
END_STREAM = 1
END_HEADERS = 4
GRPC = {"content-type": "application/grpc"}


class Neighbour:
    """Another caller, who has begun a stream before a test does its worst."""

    TEXT = SpeechRequest(Conversation.FIRST + Conversation.SECOND)

    def __init__(self, client: SpeechClient) -> None:
        self._client = client
        self.alone = client.speak(self.TEXT, timeout_s=WAIT_S).audio
        self.stream = Conversation(client)

    def hears_all(self) -> None:
        """A whole call of the neighbour's sounds as it did alone."""
        assert self._client.speak(self.TEXT, timeout_s=WAIT_S).audio == self.alone


@contextmanager
def _neighbour(address: str) -> Iterator[Neighbour]:
    with SpeechClient(address, retries=PATIENT) as client:
        client.wait_until_serving(WAIT_S)
        neighbour = Neighbour(client)
        try:
            yield neighbour
        finally:
            heard = neighbour.stream.finish()
        assert heard == neighbour.alone
        neighbour.hears_all()


@pytest.fixture
def neighbour() -> Callable[..., AbstractContextManager[Neighbour]]:
    """`with neighbour(address) as other:` another caller hears the same as alone throughout."""
    return _neighbour


class RawHttp2:
    """A client of HTTP/2 that keeps to no rule: it sends any frame."""

    def __init__(self, address: str, window: int = 65_535, greet: bool = True) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), WAIT_S)
        if greet:
            self.socket.sendall(PREFACE)
            self.send(SETTINGS, 0, 0, struct.pack(">HI", 4, window))  # SETTINGS_INITIAL_WINDOW_SIZE

    def send(self, kind: int, flags: int, stream: int, payload: bytes = b"") -> None:
        length = struct.pack(">I", len(payload))[1:]
        self.socket.sendall(length + bytes((kind, flags)) + struct.pack(">I", stream) + payload)

    def begin(
        self,
        method: str,
        stream: int = 1,
        flags: int = END_HEADERS,
        more: dict[bytes, bytes] | None = None,
    ) -> int:
        """The headers of a call, and how many bytes they are; `more` may have any bytes."""
        pseudo = {":method": "POST", ":scheme": "http", ":path": method, ":authority": "a"}
        block = self.headers(pseudo | {"te": "trailers"} | GRPC)
        block += self.literals((more or {}).items())
        self.send(HEADERS, flags, stream, block)
        return len(block)

    def say(self, message: bytes, stream: int = 1) -> None:
        """The one message of a call."""
        data = b"\0" + struct.pack(">I", len(message)) + message
        self.send(DATA, END_STREAM, stream, data)

    @staticmethod
    def headers(fields: dict[str, str]) -> bytes:
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

    def is_closed(self) -> bool:
        """Whether the server ends the connection; waits for it."""
        rest_of(self.socket)
        return True

    def reset(self) -> None:
        """Close without a farewell: the server gets a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise ConnectionError("the server has closed the connection")
            data += part
        return data


@pytest.fixture
def raw_http2() -> Iterator[Callable[..., RawHttp2]]:
    """`raw_http2(address, window=..., greet=...)`; closed after the test."""
    opened = []

    def connect(*arguments: Any, **named: Any) -> RawHttp2:
        opened.append(RawHttp2(*arguments, **named))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.socket.close()


@pytest.fixture
def patient_server(
    start_server: Callable[..., RunningServer], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., RunningServer]:
    """`start_server`, but a busy machine does not refuse what a test expects to be spoken."""
    patient = {"utilisation": 1e6, "burst_utilisation": 1e6}
    monkeypatch.setattr(
        server, "AdmissionPolicy", lambda **named: AdmissionPolicy(**(named | patient))
    )
    return partial(start_server, max_first_audio_s=1e6)


@pytest.fixture
def attacked(
    patient_server: Callable[..., RunningServer],
) -> Callable[..., AbstractContextManager[RunningServer]]:
    """`with attacked(**settings) as server:`; a neighbour hears all during the block and after."""

    @contextmanager
    def run(**settings: Any) -> Iterator[RunningServer]:
        server = patient_server(**settings)
        with _neighbour(server.address):
            yield server

    return run


@pytest.fixture
def channel_options(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`channel_options(max_connection_idle_ms=...)`: those of servers that start after it."""

    def change(**options: int) -> None:
        named = {f"grpc.{name}": value for name, value in options.items()}
        changed = {**dict(endpoints.CHANNEL_OPTIONS), **named}
        assert len(changed) == len(endpoints.CHANNEL_OPTIONS)  # else the server has no such option
        monkeypatch.setattr(endpoints, "CHANNEL_OPTIONS", tuple(changed.items()))

    return change


@pytest.fixture(scope="module")
def start_process(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., AbstractContextManager[ServerProcess]]:
    """`with start_process(*options) as server:`."""
    return lambda *options: server_process(tmp_path_factory.mktemp("server"), *options)


@pytest.fixture
def http_speech() -> Iterator[Callable[..., http.client.HTTPResponse]]:
    """`http_speech(address, input=..., headers=..., **fields)`: the reply to a POST."""
    opened: list[http.client.HTTPConnection] = []

    def post(
        address: str, headers: dict[str, str] | None = None, **fields: Any
    ) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(address, timeout=WAIT_S)
        opened.append(connection)
        body = json.dumps({"model": "dlpo", "response_format": "pcm", **fields})
        headers = {"Content-Type": "application/json", **(headers or {})}
        connection.request("POST", "/v1/audio/speech", body, headers)
        return connection.getresponse()

    yield post
    for connection in opened:
        connection.close()
