"""WebSocket connections to a server, by aiohttp's client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.callers import WAIT_S
from tests.serving.protocols.http.conftest import RunningServer


@asynccontextmanager
async def connected(
    server: RunningServer,
    path: str,
    protocols: Sequence[str] = (),
    autoping: bool = True,
    **headers: str,
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(WAIT_S)) as session,
        session.ws_connect(
            server.url + path, headers=headers, protocols=protocols, autoping=autoping
        ) as socket,
    ):
        yield socket


async def send(socket: aiohttp.ClientWebSocketResponse, *messages: Any) -> None:
    """Text and bytes as they are, all else in JSON."""
    senders = {str: socket.send_str, bytes: socket.send_bytes, dict: socket.send_json}
    for message in messages:
        await senders[type(message)](message)
