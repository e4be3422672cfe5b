"""What a server with every port speaks, or how it refuses, by each kind of API."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any
from urllib.request import Request, urlopen

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
