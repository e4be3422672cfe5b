"""Connections that cost without asking for anything."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiohttp import web

from dlpo.errors import InputError
from dlpo_serving.http import listening

TIMEOUT_S = 20.0


def rest_of(connection: socket.socket) -> bytes:
    """All bytes until the server ends the connection."""
    received = b""
    while data := connection.recv(65_536):
        received += data
    return received


def dribble(connection: socket.socket, lines: int) -> Iterator[None]:
    """Send a header a line at a time; each line that the server still waits for counts."""
    for _ in range(lines):
        try:
            connection.sendall(b"X-Slow: 1\r\n")
            if not connection.recv(1):
                return
        except TimeoutError:  # it has nothing to say yet
            yield
        except ConnectionError:
            return


@pytest.mark.parametrize(
    "sent",
    [b"", b"POST /v1/audio/sp", b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "],
    ids=["nothing", "half a line", "half a header"],
)
def test_a_connection_whose_request_does_not_come_is_closed(
    sent: bytes, open_http_door: Callable[..., Any]
) -> None:
    door = open_http_door(None, idle_s=0.05)
    with socket.create_connection(("127.0.0.1", door.port), TIMEOUT_S) as connection:
        connection.sendall(sent)

        assert rest_of(connection) == b""


def test_a_dribbled_header_does_not_keep_a_connection_open(
    open_http_door: Callable[..., Any],
) -> None:
    door = open_http_door(None, idle_s=0.3)
    with socket.create_connection(("127.0.0.1", door.port), TIMEOUT_S) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        connection.settimeout(0.05)

        assert sum(1 for _ in dribble(connection, lines=100)) < 100


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Large: " + b"a" * 10_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-Many: 1\r\n" * 100 + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["long line", "large header", "many headers", "TLS", "length -1", "smuggling"],
)
def test_what_is_no_small_http_request_is_a_400_and_no_traceback(
    request_: bytes, open_http_door: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    door = open_http_door(None)
    with caplog.at_level(logging.INFO), socket.create_connection(("127.0.0.1", door.port)) as peer:
        peer.settimeout(TIMEOUT_S)
        peer.sendall(request_)

        assert rest_of(peer).startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))

    assert not [record for record in caplog.records if record.exc_info]


def test_an_address_that_is_taken_is_an_error_that_says_so() -> None:
    async def listen_twice() -> None:
        async with (
            listening(web.Application(), "127.0.0.1", 0) as port,
            listening(web.Application(), "127.0.0.1", port),
        ):
            raise AssertionError("two servers on one port")

    with pytest.raises(InputError, match=r"can't listen on 127\.0\.0\.1:\d+ for HTTP"):
        asyncio.run(listen_twice())


def test_connections_beyond_the_limit_are_answered_503_until_one_closes() -> None:
    async def test() -> None:
        app = web.Application()
        async with listening(app, "127.0.0.1", 0, max_connections=2) as port:

            async def ask() -> tuple[bytes, asyncio.StreamWriter]:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                return (await reader.readline()).split()[1], writer

            first, second, third = [await ask() for _ in range(3)]
            assert [status for status, _ in (first, second, third)] == [b"404", b"404", b"503"]
            second[1].close()
            await second[1].wait_closed()
            while (again := await ask())[0] == b"503":  # the server has not noticed yet
                again[1].close()
            assert again[0] == b"404"
            for _, writer in (first, third, again):
                writer.close()

    asyncio.run(asyncio.wait_for(test(), TIMEOUT_S))
