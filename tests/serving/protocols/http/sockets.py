"""WebSocket connections to a server, by aiohttp's client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.callers import WAIT_S
from tests.serving.protocols.http.conftest import RunningServer

Until = Callable[[dict[str, Any]], bool]


def never(event: dict[str, Any]) -> bool:
    return False


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
            server.url + path,
            headers=headers,
            protocols=protocols,
            autoping=autoping,
            max_msg_size=0,
        ) as socket,  # fmt: skip
    ):
        yield socket


async def send(socket: aiohttp.ClientWebSocketResponse, *messages: Any) -> None:
    """Text and bytes as they are, all else in JSON."""
    senders = {str: socket.send_str, bytes: socket.send_bytes, dict: socket.send_json}
    for message in messages:
        await senders[type(message)](message)


async def received(socket: aiohttp.ClientWebSocketResponse, until: Until = never) -> list[Any]:
    """Events and bytes up to an event that is the last, or the end."""
    found: list[Any] = []
    async with asyncio.timeout(WAIT_S):
        async for message in socket:
            is_audio = message.type is aiohttp.WSMsgType.BINARY
            found.append(message.data if is_audio else message.json())
            if not is_audio and until(found[-1]):
                break
    return found


async def converse(
    server: RunningServer, path: str, *sent: Any, until: Until = never, **headers: str
) -> list[Any]:
    """Send messages; what is received."""
    async with connected(server, path, **headers) as socket:
        await send(socket, *sent)
        return await received(socket, until)


def audio_of(received: list[Any]) -> bytes:
    return b"".join(one for one in received if isinstance(one, bytes))
