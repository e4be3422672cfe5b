"""Clients that are slow on purpose, on both ports: each loses its place, the others their wait."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable

import pytest

from dlpo.v1 import speech_pb2
from dlpo_serving.protocols.riva.proto import riva_tts_pb2
from tests.callers import figure, rest_of
from tests.serving.conftest import RunningServer
from tests.serving.resilience.conftest import Attack, Http2

TEXT = "Noise becomes speech, step by step. " * 50
TIMEOUT_S = 20.0
DATA = 0
HEADERS = 1
WINDOW_UPDATE = 8
CONTINUATION = 9
DLPO, RIVA = "/dlpo.v1.SpeechService/", "/nvidia.riva.tts.RivaSpeechSynthesis/"
LONG = speech_pb2.StreamSynthesizeRequest(text=TEXT).SerializeToString()
LONG_RIVA = riva_tts_pb2.SynthesizeSpeechRequest(text=TEXT).SerializeToString()


def stalled_calls(server: RunningServer) -> float:
    """How many callers have lost their place because they did not read."""
    return figure(str(server.http_url).split("/")[2], 'dlpo_shed_total{reason="stalled"}')


@pytest.mark.parametrize(
    ("method", "message"),
    [(f"{DLPO}StreamSynthesize", LONG), (f"{RIVA}SynthesizeOnline", LONG_RIVA)],
    ids=["dlpo.v1", "Riva"],
)
def test_grpc_client_reading_byte_by_byte_is_dropped(
    method: str, message: bytes, attacked: Attack, raw_http2: Http2
) -> None:
    with attacked(stall_s=0.3, http_port=0) as server:
        slow = raw_http2(server.address, window=1)
        slow.begin(method)
        slow.say(message)
        while not stalled_calls(server):
            kind, _, payload = slow.frame()
            if kind == DATA and payload:
                for stream in (0, 1):  # of the connection, and of the call
                    slow.send(WINDOW_UPDATE, 0, stream, (1).to_bytes(4))


def test_http_client_reading_byte_by_byte_is_dropped(attacked: Attack) -> None:
    body = json.dumps({"input": TEXT, "response_format": "pcm", "speed": 0.5, "sample_rate": 48000})
    with attacked(stall_s=0.3, http_port=0) as server, socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(TIMEOUT_S)
        slow.connect(("127.0.0.1", int(server.http_url.rpartition(":")[2].rstrip("/"))))
        head = (
            f"POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        )
        slow.sendall(f"{head}Content-Type: application/json\r\n\r\n{body}".encode())

        received = b""
        while not stalled_calls(server):
            received += slow.recv(1)
        received += rest_of(slow)

        assert received.startswith(b"HTTP/1.1 200")
        assert not received.endswith(b"0\r\n\r\n")  # nobody takes it for the whole


@pytest.mark.parametrize("sent", [None, b"", b"PRI * HTTP/2.0\r\n", b"\x16\x03\x01\x02\x00\x01"])
def test_silent_connections_are_closed(
    sent: bytes | None, attacked: Attack, raw_http2: Http2, channel_options: Callable[..., None]
) -> None:
    channel_options(server_handshake_timeout_ms=1000, max_connection_idle_ms=300)
    with attacked() as server:
        many = [raw_http2(server.address, greet=sent is None) for _ in range(200)]
        for connection in many:
            connection.socket.sendall(sent or b"")
        for connection in many:
            rest_of(connection.socket)  # the server ends it


def test_conversation_of_a_vanished_client_is_closed(
    attacked: Attack, raw_http2: Http2, channel_options: Callable[..., None]
) -> None:
    pieces = speech_pb2.IncrementalSynthesizeRequest(config={}).SerializeToString()
    channel_options(keepalive_time_ms=300, **{"http2.ping_timeout_ms": 1000})
    with attacked() as server:
        half_open = raw_http2(server.address)
        half_open.begin(f"{DLPO}IncrementalSynthesize")
        half_open.send(DATA, 0, 1, b"\0" + len(pieces).to_bytes(4) + pieces)

        rest_of(half_open.socket)  # the server ends it: it answers no ping


def test_headers_without_end_harm_nobody(attacked: Attack, raw_http2: Http2) -> None:
    with attacked() as server:
        endless = raw_http2(server.address)
        endless.begin(f"{DLPO}StreamSynthesize", flags=0)
        for number in range(10_000):
            endless.send(CONTINUATION, 0, 1, endless.headers({f"x-{number}": "a" * 100}))


@pytest.mark.parametrize(
    ("method", "started"),
    [
        (f"{DLPO}Synthesize", b""),
        (f"{DLPO}StreamSynthesize", b"\0\0\0\0\x05he"),
        (f"{DLPO}IncrementalSynthesize", b""),
        (f"{RIVA}Synthesize", b""),
        (f"{RIVA}SynthesizeOnline", b"\0\0\0\0\x05he"),
    ],
)
def test_a_call_whose_request_does_not_come_is_ended(
    method: str, started: bytes, attacked: Attack, raw_http2: Http2, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlpo_serving.rpc.interceptor.REQUEST_S", 0.3)
    with attacked() as server:
        silent = raw_http2(server.address)
        silent.begin(method)
        silent.send(DATA, 0, 1, started)

        while (frame := silent.frame())[0] != HEADERS:
            pass

        assert b"no request received" in frame[2]
