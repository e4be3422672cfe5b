"""Listening for HTTP, with limits on what a connection may cost."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.http import HttpProcessingError

from dlpo.errors import InputError

IDLE_S = 30.0  # for the header of a request, from the last one's end: ends slow-loris connections
MAX_LINE_BYTES = 8_190  # of the request line, and of a header
MAX_HEADERS = 64
QUEUE = 128  # connections that wait to be accepted
MAX_CONNECTIONS = 2_000  # each is a file and some 20 kB
LAST_WORDS_S = 0.5  # for replies on their way when listening ends
LINGERING_S = 1.0  # for the rest of a body that nobody reads, so that the client sees the refusal

_log = logging.getLogger(__name__)


@asynccontextmanager
async def listening(
    app: web.Application,
    host: str,
    port: int,
    tls: ssl.SSLContext | None = None,
    idle_s: float = IDLE_S,
    max_connections: int = MAX_CONNECTIONS,
) -> AsyncIterator[int]:
    """Serve `app` while the block runs.

    Args:
        host: address to listen on.
        port: TCP port; 0 lets the system choose.
        tls: None for plain HTTP.
        idle_s: seconds that a connection has to send the header of its next request.
        max_connections: open at the same time; further ones are answered 503 and closed.

    Yields:
        The port.

    Raises:
        InputError: the address can't be listened on.
    """
    _log.addFilter(_is_ours)
    runner = web.AppRunner(
        app,
        logger=_log,
        handle_signals=False,
        handler_cancellation=True,  # a client that is gone ends the work for it
        shutdown_timeout=LAST_WORDS_S,
        access_log=None,  # the speaker logs a line for each call
        keepalive_timeout=idle_s,
        lingering_time=LINGERING_S,
        max_line_size=MAX_LINE_BYTES,
        max_field_size=MAX_LINE_BYTES,
        max_headers=MAX_HEADERS,
        auto_decompress=False,  # bodies are small: no deflate bombs
    )
    await runner.setup()
    try:
        # As many connections as `backlog` says are accepted in a row: where no file is left, each
        # is in vain and sets a timer to try again, and they would multiply.
        handlers = runner.server
        assert handlers  # set up

        def protocol() -> asyncio.Protocol:
            return handlers() if len(handlers.connections) < max_connections else _Full()

        try:
            server = await asyncio.get_running_loop().create_server(
                protocol, host, port, ssl=tls, backlog=1
            )
        except OSError as error:
            raise InputError(
                f"can't listen on {host}:{port} for HTTP ({error.strerror}); is another server"
                " there? Choose another --http-port, or 0 for a free one"
            ) from error
        for listening_socket in server.sockets:
            with listening_socket.dup() as same:
                same.listen(QUEUE)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
    finally:
        await runner.cleanup()


class _Full(asyncio.Protocol):
    """Answers a connection that is too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(
            b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
            b"Connection: close\r\n\r\n"
        )
        transport.close()


def _is_ours(record: logging.LogRecord) -> bool:
    """Not a traceback for each stranger whose bytes are no HTTP; 400 tells them."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
