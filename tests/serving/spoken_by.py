"""What a server with every port speaks, or how it refuses, by each kind of API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.request import Request, urlopen

import aiohttp
import grpc

from tests.callers import WAIT_S
from tests.serving.conftest import RunningServer
from tests.serving.protocols.callers import WAYS


def posted(url: str, **fields: Any) -> bytes:
    """The body of the reply to a JSON object; HTTPError if it is refused."""
    asked = Request(url, json.dumps(fields).encode(), {"Content-Type": "application/json"})
    with urlopen(asked, timeout=WAIT_S) as reply:
        return bytes(reply.read())


def by_way(way: str, server: RunningServer, text: str, **asked: Any) -> bytes:
    """The audio by a way of `WAYS`, with settings that it has by our names; or the refusal."""
    heard = asyncio.run(WAYS[way].speak(server, text, **asked))
    return heard.error.encode() or heard.audio


def by_grpc(server: RunningServer, method: str, *messages: Any) -> str:
    """The code of a call of any method, and what it says."""
    raw = [one if isinstance(one, bytes) else one.SerializeToString() for one in messages]
    call = server.channel.stream_stream(method)(iter(raw), timeout=WAIT_S)
    with suppress(grpc.RpcError):
        list(call)
    return f"{call.code().name} {call.details()}"


async def converse(
    url: str, *sent: dict[str, Any], until: Callable[[dict[str, Any]], bool] = lambda event: False
) -> list[Any]:
    """Events and bytes that a WebSocket answers, up to an event that is the last, or the end."""
    received: list[Any] = []
    async with (
        asyncio.timeout(WAIT_S),
        aiohttp.ClientSession() as session,
        session.ws_connect(url, max_msg_size=0) as socket,
    ):
        for message in sent:
            await socket.send_json(message)
        async for message in socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                received.append(message.data)
                continue
            received.append(message.json())
            if until(received[-1]):
                break
    return received
