"""Connections and handshakes: a share for each address, an end to each, local names only."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dlpo_serving.operations.keys import new_key
from dlpo_serving.protocols.http import connections
from dlpo_serving.protocols.http.connections import owner_of
from dlpo_serving.rpc import interceptor
from tests.callers import WAIT_S, rest_of, wait_until
from tests.serving.conftest import (
    Authority,
    GatedEngine,
    RunningServer,
    StartServer,
    running_server,
)
from tests.serving.resilience.conftest import Attack

PRIVATE = (
    "localhost", "127.0.0.1:80", "LOCALHOST:1", "[::1]", "[::1]:80", "192.168.1.20:8080", "nas",
    "dlpo.default.svc:8080", "tts.example:443",
)  # fmt: skip
FOREIGN = (
    "evil.example", "evil@localhost", "evil.example.", "localhost.", "evil.example:80",
    "localhost.evil.example", "127.0.0.1.evil.example",
)  # fmt: skip
GREEDY, OTHER = "127.0.0.2", "127.0.0.3"
Connect = Callable[..., socket.socket]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """`connect(server, source)`: an idle connection from that address; closes with the test."""
    with ExitStack() as stack:

        def open_one(server: RunningServer, source: str = "127.0.0.1") -> socket.socket:
            place = ("127.0.0.1", int(server.http_url.rstrip("/").rpartition(":")[2]))
            made = socket.create_connection(place, WAIT_S, source_address=(source, 0))
            return stack.enter_context(closing(made))

        yield open_one


def status(connection: socket.socket, path: str = "/") -> int:
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    reply = http.client.HTTPResponse(connection)
    reply.begin()
    return reply.status


@pytest.mark.parametrize("trusted", [False, True])
def test_one_address_holds_a_quarter_and_probes_are_answered(
    trusted: bool, attacked: Attack, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 40)
    proxies = (GREEDY,) if trusted else ()
    with attacked(http_port=0, trusted_proxies=proxies) as server:
        for _ in range(10):
            assert status(connect(server, GREEDY), "/healthz") == 200
        eleventh = [status(connect(server, GREEDY), path) for path in ("/", "/readyz", "/healthz")]
        assert eleventh == ([200] * 3 if trusted else [503, 200, 200])
        assert status(connect(server, OTHER)) == 200


def test_beyond_all_places_a_probe_is_still_answered(
    attacked: Attack, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 4)
    with attacked(http_port=0) as server:
        crowd = [connect(server, f"127.0.0.{number}") for number in range(2, 6)]
        assert [status(one, "/healthz") for one in crowd] == [200] * 4
        late = [status(connect(server, "127.0.0.9"), path) for path in ("/v1/voices", "/readyz")]
        assert late == [503, 200]
        crowd[0].close()
        wait_until(lambda: status(connect(server, "127.0.0.9")) == 200)


def is_open(connection: socket.socket, data: bytes) -> bool:
    try:
        connection.sendall(data)
    except ConnectionError:
        return False
    return True


@pytest.mark.parametrize("path", ["/", "/metrics", "/openapi.json"])
def test_replies_that_nobody_reads_do_not_hold_a_connection(
    path: str, attacked: Attack, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SWEEP_S", "LATER_S"):
        monkeypatch.setattr(connections, name, 0.02)
    with attacked(http_port=0, stall_s=0.3) as server:
        unread = connect(server)
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        unread.settimeout(0.2)
        sent = 0
        try:
            while sent < 50_000_000:  # until the server reads no more, and then ends it
                sent += unread.send(request * 100)
        except TimeoutError:
            unread.settimeout(WAIT_S)
        except ConnectionError:
            return
        while is_open(unread, request * 100):
            pass
        assert status(connect(server), "/healthz") == 200


def test_an_ipv6_network_is_one_owner() -> None:
    assert owner_of(("2001:db8::1", 1)) == owner_of(("2001:db8::ffff", 2))
    assert owner_of(("2001:db8:0:1::1", 1)) != owner_of(("2001:db8::1", 1))
    assert owner_of(("::ffff:10.0.0.1", 1)) == owner_of(("10.0.0.1", 2)) == "10.0.0.1"
    assert owner_of(None) == owner_of("") == ""


@pytest.mark.parametrize("name", [*PRIVATE, *FOREIGN])
def test_without_keys_only_private_names_are_served(name: str, local: RunningServer) -> None:
    for method, path in (
        ("POST", "/v1/audio/speech"),
        ("GET", "/metrics"),
        ("GET", "/v1/realtime"),
    ):
        connection = http.client.HTTPConnection(local.http_url.split("/")[2], timeout=WAIT_S)
        headers = {"Host": name, "Content-Type": "application/json", "Origin": f"http://{name}"}
        with closing(connection):
            connection.request(
                method, path, b'{"input": "Hi."}' if method == "POST" else None, headers
            )
            found = connection.getresponse().status
        assert (found == 421) is (name in FOREIGN), path


@pytest.fixture(scope="module")
def local() -> Iterator[RunningServer]:
    with running_server(
        http_host="0.0.0.0", http_port=0, allowed_hosts=("tts.example",), max_first_audio_s=1e6
    ) as server:
        yield server


def test_with_keys_any_name_is_served(start_server: StartServer, tmp_path: Path) -> None:
    token = new_key(tmp_path / "keys.toml", "alice")
    server = start_server(http_port=0, keys_file=tmp_path / "keys.toml")
    connection = http.client.HTTPConnection(server.http_url.split("/")[2], timeout=WAIT_S)
    with closing(connection):
        named = {"Host": "tts.example", "Authorization": f"Bearer {token}"}
        connection.request("GET", "/v1/voices", headers=named)
        assert connection.getresponse().status == 200


def test_watches_and_reflection_of_one_address_have_a_limit(
    attacked: Attack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interceptor, "MAX_OPEN", 20)
    with attacked() as server:
        stub = health_pb2_grpc.HealthStub(server.channel)
        watches = [stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(5)]
        assert [next(watch).status for watch in watches] == [1] * 5
        with pytest.raises(grpc.RpcError) as caught:
            next(stub.Watch(health_pb2.HealthCheckRequest()))
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert stub.Check(health_pb2.HealthCheckRequest()).status == 1  # a probe
        watches[0].cancel()

        def watched() -> bool:
            try:
                return bool(next(stub.Watch(health_pb2.HealthCheckRequest())).status)
            except grpc.RpcError:
                return False

        wait_until(watched)


class TlsServer:
    """An HTTPS port, and who connects to it."""

    def __init__(self, start: StartServer, authority: Authority, connect: Connect) -> None:
        served = authority.issue("server")
        self._context = authority.context()
        self._connect = connect
        self._server = start(tls_certificate=served.certificate, tls_key=served.key, http_port=0)

    def silent(self, source: str = GREEDY) -> socket.socket:
        """A connection that does not begin its handshake."""
        return self._connect(self._server, source)

    def status(self, source: str, path: str = "/v1/voices") -> int:
        with self._context.wrap_socket(self.silent(source), server_hostname="localhost") as tls:
            return status(tls, path)


@pytest.fixture
def tls_server(
    patient_server: StartServer,
    authority: Authority,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> TlsServer:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 40)
    return TlsServer(patient_server, authority, connect)


def test_unfinished_handshakes_count_for_their_address(tls_server: TlsServer) -> None:
    begun = [tls_server.silent() for _ in range(10)]
    for one in begun[::2]:
        one.sendall(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a handshake
    wait_until(lambda: tls_server.status(GREEDY) == 503)
    assert tls_server.status(GREEDY, "/readyz") == 200
    assert tls_server.status(OTHER) == 200
    begun[0].close()
    begun[1].close()
    wait_until(lambda: tls_server.status(GREEDY) == 200)


def test_unfinished_handshakes_end(tls_server: TlsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HANDSHAKE_S", 0.2)
    begun = [tls_server.silent() for _ in range(10)]
    begun[0].sendall(b"\x16\x03\x01\x02\x00\x01")
    assert {rest_of(one) for one in begun} == {b""}
    monkeypatch.setattr(connections, "HANDSHAKE_S", WAIT_S)
    wait_until(lambda: tls_server.status(GREEDY) == 200)


def test_malformed_handshake_ends_only_its_connection(tls_server: TlsServer) -> None:
    for _ in range(60):  # more than there are places
        plain = tls_server.silent()
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        rest_of(plain)
    assert tls_server.status(GREEDY) == 200


@pytest.mark.parametrize("gate", ["open", "shut"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("format", ["mp3", "pcm"])
def test_a_client_that_stops_sending_is_answered(
    format: str,
    version: str,
    gate: str,
    gated_server: StartServer,
    gated_engine: GatedEngine,
    connect: Connect,
) -> None:
    """As `nc -N` does; one that closes its socket instead frees its place, as other tests see."""
    server = gated_server(http_port=0)
    connection = connect(server)
    if gate == "open":
        gated_engine.free()
    body = json.dumps({"input": "Hello.", "response_format": format})
    head = f"POST /v1/audio/speech HTTP/{version}\r\nHost: localhost\r\nContent-Length: {len(body)}"
    connection.sendall(f"{head}\r\nContent-Type: application/json\r\n\r\n{body}".encode())
    connection.shutdown(socket.SHUT_WR)
    if gate == "shut":
        assert gated_engine.waiting.acquire(timeout=WAIT_S)
        gated_engine.free()
    reply = http.client.HTTPResponse(connection)
    reply.begin()
    assert reply.status == 200
    assert len(reply.read()) > 1_000
    assert connection.recv(1) == b""


def test_an_idle_client_that_stops_sending_is_let_go(attacked: Attack, connect: Connect) -> None:
    with attacked(http_port=0) as server:
        connection = connect(server)
        assert status(connection, "/healthz") == 200
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(100):
            pass
