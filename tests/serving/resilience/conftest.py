"""Hostile callers, and a neighbour who must not notice them."""

from __future__ import annotations

import http.client
import json
import os
import queue
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dlpo_serving import endpoints, server
from dlpo_serving.client import Flush, RetryPolicy, SpeechClient
from dlpo_serving.request import SpeechRequest
from dlpo_serving.scheduling.stream import AdmissionPolicy
from dlpo_serving.synthesizer import Synthesizer

TIMEOUT_S = 120.0  # of a wait that must end; no test takes this long, but on a busy machine
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING = 0, 1, 4, 6
ACK, END_STREAM, END_HEADERS = 1, 1, 4
PATIENT = RetryPolicy(attempts=50, max_delay_s=0.5, total_s=TIMEOUT_S)


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.01)


@pytest.fixture(name="wait_until")
def _wait_until() -> Callable[[Callable[[], object]], None]:
    """`wait_until(condition)`, which must come true soon."""
    return wait_until


class Neighbour:
    """Another caller, in the middle of a stream while a test does its worst."""

    FIRST, SECOND = "Noise becomes speech.", "Is it not strange?"

    def __init__(self, client: SpeechClient, alone: bytes) -> None:
        self._client, self._alone = client, alone
        self._text: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._text.put(self.FIRST + " ")
        self._first_sound: queue.SimpleQueue[None] = queue.SimpleQueue()

    def hears_all(self) -> None:
        """A whole call of the neighbour's sounds as it did alone."""
        text = SpeechRequest(f"{self.FIRST} {self.SECOND}")
        assert self._client.speak(text, timeout_s=TIMEOUT_S).audio == self._alone

    def _stream(self) -> bytes:
        with self._client.stream_pieces(iter(self._pieces()), timeout_s=TIMEOUT_S) as stream:
            audio = b""
            for chunk in stream:
                audio += chunk.audio
                self._first_sound.put(None)
            return audio

    def _pieces(self) -> Iterator[str | Flush]:
        while (piece := self._text.get()) is not None:
            yield piece
            yield Flush()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """A stream that has begun before the block, and goes on after it."""
        with ThreadPoolExecutor(1) as thread:
            stream = thread.submit(self._stream)
            try:
                self._first_sound.get(timeout=TIMEOUT_S)
                yield
                self._text.put(self.SECOND)
            finally:
                self._text.put(None)
            assert stream.result(TIMEOUT_S) == self._alone


@contextmanager
def _neighbour(address: str, **client: Any) -> Iterator[Neighbour]:
    with SpeechClient(address, retries=PATIENT, **client) as own:
        own.wait_until_serving(TIMEOUT_S)
        text = SpeechRequest(f"{Neighbour.FIRST} {Neighbour.SECOND}")
        neighbour = Neighbour(own, own.speak(text, timeout_s=TIMEOUT_S).audio)
        with neighbour.listening():
            yield neighbour
        neighbour.hears_all()


@pytest.fixture
def neighbour() -> Callable[..., AbstractContextManager[Neighbour]]:
    """`with neighbour(address) as other:` another caller hears the same as alone throughout."""
    return _neighbour


class RawHttp2:
    """A client of HTTP/2 that keeps to no rule: it sends any frame."""

    def __init__(self, address: str, window: int = 65_535, greet: bool = True) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), TIMEOUT_S)
        if greet:
            self.socket.sendall(PREFACE)
            self.send(SETTINGS, 0, 0, struct.pack(">HI", 4, window))  # SETTINGS_INITIAL_WINDOW_SIZE

    def send(self, kind: int, flags: int, stream: int, payload: bytes = b"") -> None:
        length = struct.pack(">I", len(payload))[1:]
        self.socket.sendall(length + bytes((kind, flags)) + struct.pack(">I", stream) + payload)

    def begin(self, method: str, stream: int = 1, flags: int = END_HEADERS) -> None:
        """The headers of a call."""
        pseudo = {":method": "POST", ":scheme": "http", ":path": method, ":authority": "a"}
        self.send(HEADERS, flags, stream, self.headers(pseudo | {"te": "trailers"} | GRPC))

    def say(self, message: bytes, stream: int = 1) -> None:
        """The one message of a call."""
        data = b"\0" + struct.pack(">I", len(message)) + message
        self.send(DATA, END_STREAM, stream, data)

    @staticmethod
    def headers(fields: dict[str, str]) -> bytes:
        """HPACK without tables and Huffman code. Reference: RFC 7541, section 6.2.2."""
        literals = ((name.encode(), value.encode()) for name, value in fields.items())
        return b"".join(
            b"\0" + bytes((len(name),)) + name + bytes((len(value),)) + value
            for name, value in literals
        )

    def frame(self) -> tuple[int, int, bytes]:
        """Type, flags and payload of the next frame; pings and settings are answered."""
        head = self._read(9)
        kind, flags = head[3], head[4]
        payload = self._read(int.from_bytes(head[:3]))
        if kind in (PING, SETTINGS) and not flags & ACK:
            self.send(kind, ACK, 0, payload if kind == PING else b"")
        return kind, flags, payload

    def is_closed(self) -> bool:
        """Whether the server ends the connection; waits for it."""
        try:
            while self.socket.recv(65_536):
                pass
        except ConnectionError:
            pass
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


GRPC = {"content-type": "application/grpc"}


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
    start_server: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """`start_server`, but a busy machine does not refuse what a test expects to be spoken."""
    monkeypatch.setattr(
        server, "AdmissionPolicy", partial(AdmissionPolicy, utilisation=1e6, burst_utilisation=1e6)
    )
    return partial(start_server, max_first_audio_s=1e6)


@pytest.fixture
def attacked(
    patient_server: Callable[..., Any], synthesizer: Synthesizer
) -> Callable[..., AbstractContextManager[Any]]:
    """`with attacked(**settings) as server:`; a neighbour hears all during the block and after."""

    @contextmanager
    def run(**settings: Any) -> Iterator[Any]:
        server = patient_server(synthesizer, **settings)
        with _neighbour(server.address) as other:
            yield server
            other.hears_all()

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


@dataclass(frozen=True)
class ServerProcess:
    """`dlpo serve` with the embedded voice and both doors open."""

    process: subprocess.Popen[str]
    address: str
    http_address: str
    log: Path

    def figures(self) -> dict[str, int]:
        """What the process holds: files, threads, resident memory in KiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return {
            "files": len(os.listdir(f"/proc/{self.process.pid}/fd")),
            "threads": int(re.search(r"Threads:\s+(\d+)", status)[1]),  # type: ignore[index]
            "memory": int(re.search(r"VmRSS:\s+(\d+)", status)[1]),  # type: ignore[index]
        }


@contextmanager
def server_process(folder: Path, *options: str) -> Iterator[ServerProcess]:
    """Run a server until the block ends; `folder` gets its log."""
    log = folder / "server.log"
    command = [sys.executable, "-m", "dlpo_serving", "--port", "0", "--http-port", "0"]
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [*command, *options], stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            first, second = process.stdout.readline(), process.stdout.readline()
            serving = re.match(r"SERVING \S+ on (\S+) after", first)
            page = re.search(r"https?://([^/]+)/", second)
            assert serving, log.read_text()
            assert page, second
            yield ServerProcess(process, serving[1], page[1], log)
        finally:
            process.kill()


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
        connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
        opened.append(connection)
        body = json.dumps({"model": "dlpo", "response_format": "pcm", **fields})
        headers = {"Content-Type": "application/json", **(headers or {})}
        connection.request("POST", "/v1/audio/speech", body, headers)
        return connection.getresponse()

    yield post
    for connection in opened:
        connection.close()
