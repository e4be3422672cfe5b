"""Servers in processes of their own: one of two is killed; many calls that end badly.

What happens behind haproxy is in tests/deploy/test_fleet.py.
"""

from __future__ import annotations

import queue
import resource
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

import pytest

from dlpo.v1 import speech_pb2
from dlpo_bench.load.hostile_clients import PING, RST_STREAM
from dlpo_serving.client import RetryPolicy, SpeechClient
from dlpo_serving.request import SpeechRequest
from tests.callers import PATIENT, WAIT_S, ServerProcess, wait_until
from tests.serving.resilience.conftest import Beside, Http2, StartProcess

pytestmark = pytest.mark.full

LONG = SpeechRequest("Noise becomes speech, step by step. " * 20)
SHORT = SpeechRequest("Is it not strange?")
PHRASE = "Noise becomes speech, step by step. "
STREAM = "/dlpo.v1.SpeechService/StreamSynthesize"
LONG_CALL = speech_pb2.StreamSynthesizeRequest(text=PHRASE * 20).SerializeToString()
MEMORY_KIB = 32 << 10  # that allocators may keep; a leaked connection or stream takes more than 30


@pytest.fixture
def replicas(start_process: StartProcess) -> Iterator[tuple[ServerProcess, ServerProcess, str]]:
    """Two servers, and the address by which a client knows both."""
    with start_process() as first, start_process() as second:
        yield first, second, f"ipv4:{first.address},{second.address}"


def test_calls_without_audio_restart_at_another_replica(
    replicas: tuple[ServerProcess, ServerProcess, str],
) -> None:
    first, _, address = replicas
    with SpeechClient(address, retries=PATIENT) as client:
        client.wait_until_serving(WAIT_S)
        alone = client.speak(SHORT, timeout_s=WAIT_S).audio
        texts: list[queue.SimpleQueue[str | None]] = [queue.SimpleQueue() for _ in range(4)]
        for text in texts:
            text.put("Is it not ")  # nothing can be spoken yet
        calls = [client.stream_pieces(iter(text.get, None), timeout_s=WAIT_S) for text in texts]

        first.process.kill()
        first.process.wait(WAIT_S)
        for text in texts:
            text.put("strange?")
            text.put(None)

        assert [b"".join(chunk.audio for chunk in call) for call in calls] == [alone] * 4


@pytest.fixture(scope="module")
def server(start_process: StartProcess) -> Iterator[ServerProcess]:
    with start_process() as process:
        yield process


@pytest.fixture
def unharmed(server: ServerProcess, neighbour: Beside) -> Iterator[ServerProcess]:
    """The server, with a neighbour beside the test; then it must hold as little as before it."""
    with neighbour(server.address):
        pass  # so that what is made once is made
    before = server.figures()
    with neighbour(server.address):
        yield server

    def is_as_before() -> bool:
        now = server.figures()
        return (
            now["files"] <= before["files"] + 2
            and now["threads"] <= before["threads"] + 4
            and now["memory"] <= before["memory"] + MEMORY_KIB
        )

    wait_until(is_as_before)
    assert "Traceback" not in server.log.read_text()


def connect(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), WAIT_S)


@pytest.mark.parametrize("endpoint", ["address", "http_address"])
def test_a_thousand_connections_that_are_opened_and_dropped(
    unharmed: ServerProcess, endpoint: str
) -> None:
    crowd = [connect(getattr(unharmed, endpoint)) for _ in range(1000)]
    for number, connection in enumerate(crowd):
        if number % 2:  # every other one with a RST
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


def test_connections_that_are_reset_amid_their_streams(
    unharmed: ServerProcess, raw_http2: Http2
) -> None:
    for _ in range(5):
        connection = raw_http2(unharmed.address)
        connection.begin(STREAM)
        connection.say(LONG_CALL)
        while not connection.frame()[2].startswith(b"\0"):  # a message
            pass
        connection.reset()
        reader = connect(unharmed.http_address)
        body = b'{"input": "%s"}' % (PHRASE * 20).encode()
        head = (
            f"POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        )
        reader.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + body)
        reader.recv(1000)
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        reader.close()


def test_calls_that_are_cancelled_as_fast_as_they_are_begun(
    unharmed: ServerProcess, raw_http2: Http2
) -> None:
    connection = raw_http2(unharmed.address)
    with suppress(ConnectionError):  # the server may send such a client away
        for number in range(3000):  # gRPC's own limit of calls to be handled is 1000
            stream = 2 * number + 1
            connection.begin(STREAM, stream)
            connection.say(LONG_CALL, stream)
            connection.send(RST_STREAM, 0, stream, (8).to_bytes(4))
    with SpeechClient(unharmed.address, retries=RetryPolicy(attempts=1)) as other:
        assert other.speak(SpeechRequest(PHRASE), timeout_s=WAIT_S).audio


def test_pings_without_end_are_answered_with_the_end(
    unharmed: ServerProcess, raw_http2: Http2
) -> None:
    connection = raw_http2(unharmed.address)

    def flood() -> None:
        for _ in range(100_000):
            connection.send(PING, 0, 0, bytes(8))

    with pytest.raises(ConnectionError):
        flood()


def test_more_calls_than_a_connection_may_have_wait_or_end(
    unharmed: ServerProcess, raw_http2: Http2
) -> None:
    connection = raw_http2(unharmed.address)
    for number in range(3000):  # their requests never come
        connection.begin(STREAM, 2 * number + 1)
    while connection.frame()[0] != RST_STREAM:
        pass


def test_a_server_asks_for_as_many_files_as_it_may_have(server: ServerProcess) -> None:
    soft, hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)

    assert soft == hard


@pytest.mark.parametrize("endpoint", ["address", "http_address"])
def test_out_of_descriptors_open_calls_finish(
    endpoint: str, start_process: StartProcess, neighbour: Beside
) -> None:
    with start_process() as server, neighbour(server.address) as other:
        limit = server.figures()["files"] + 20
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
        crowd = [connect(getattr(server, endpoint)) for _ in range(40)]
        wait_until(lambda: server.figures()["files"] == limit)

        other.hears_all()
        log = server.log.read_text()
        assert "Traceback" not in log
        assert log.count("no file is left") <= 1

        for connection in crowd:
            connection.close()
        with SpeechClient(server.address) as newcomer:
            newcomer.wait_until_serving(WAIT_S)
            assert newcomer.speak(SpeechRequest(PHRASE), timeout_s=WAIT_S).audio
