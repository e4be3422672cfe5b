"""TLS handshakes that are not finished: they count for their address, and end."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest

from dlpo_serving.protocols.http import connections
from tests.callers import WAIT_S, free_port, rest_of, wait_until
from tests.serving.conftest import StartServer

if TYPE_CHECKING:
    from conftest import Authority

GREEDY, OTHER = "127.0.0.2", "127.0.0.3"


class TlsServer:
    """An HTTPS port, and who connects to it."""

    def __init__(self, start: Any, authority: Authority, stack: ExitStack) -> None:
        served = authority.issue("server")
        self._port = free_port()
        self._stack = stack
        self._context = authority.context()
        start(tls_certificate=served.certificate, tls_key=served.key, http_port=self._port)

    def silent(self, source: str) -> socket.socket:
        """A connection that does not begin its handshake."""
        place = ("127.0.0.1", self._port)
        made = socket.create_connection(place, WAIT_S, source_address=(source, 0))
        return self._stack.enter_context(closing(made))

    def status(self, source: str, path: str) -> int:
        with self._context.wrap_socket(self.silent(source), server_hostname="localhost") as tls:
            tls.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            reply = http.client.HTTPResponse(tls)
            reply.begin()
            return reply.status


@pytest.fixture
def tls_server(
    patient_server: StartServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], TlsServer]]:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 40)
    with ExitStack() as stack:
        yield lambda: TlsServer(patient_server, authority, stack)


def test_unfinished_handshakes_count_for_their_address(tls_server: Callable[[], TlsServer]) -> None:
    server = tls_server()
    begun = [server.silent(GREEDY) for _ in range(10)]
    for one in begun[::2]:
        one.sendall(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a handshake
    wait_until(lambda: server.status(GREEDY, "/v1/voices") == 503)
    assert server.status(GREEDY, "/readyz") == 200
    assert server.status(OTHER, "/v1/voices") == 200
    begun[0].close()
    begun[1].close()
    wait_until(lambda: server.status(GREEDY, "/v1/voices") == 200)


def test_unfinished_handshakes_end(
    tls_server: Callable[[], TlsServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HANDSHAKE_S", 0.2)
    server = tls_server()
    begun = [server.silent(GREEDY) for _ in range(10)]
    begun[0].sendall(b"\x16\x03\x01\x02\x00\x01")
    assert {rest_of(one) for one in begun} == {b""}
    monkeypatch.setattr(connections, "HANDSHAKE_S", WAIT_S)
    wait_until(lambda: server.status(GREEDY, "/v1/voices") == 200)


def test_malformed_handshake_ends_only_its_connection(tls_server: Callable[[], TlsServer]) -> None:
    server = tls_server()
    for _ in range(60):  # more than there are places
        plain = server.silent(GREEDY)
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        rest_of(plain)
    assert server.status(GREEDY, "/v1/voices") == 200
