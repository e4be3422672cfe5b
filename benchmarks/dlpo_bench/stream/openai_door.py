"""POST /audio/speech, as OpenAI's clients send it, for bare samples that stream."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Self

import aiohttp
import grpc

from dlpo_bench.load.caller import Heard
from dlpo_bench.stream.contestants import Contestant

CODES = {  # of HTTP -> what gRPC would have said
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.RESOURCE_EXHAUSTED,
}
CONNECT_S = 10.0
DETAIL = 200  # characters of an error that are worth showing
SAMPLE_BYTES = 2


class OpenAIDoor:
    """Use it in an `async with` statement. A text that comes in pieces is sent when it is whole."""

    def __init__(self, contestant: Contestant) -> None:
        self._contestant = contestant
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # No limit of connections: callers don't wait for each other.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_S),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._session  # it was entered
        await self._session.close()

    async def speak_tokens(self, tokens: AsyncIterator[str], heard: Heard) -> None:
        text = "".join([token async for token in tokens])
        await self.speak(text, 0, heard)

    async def speak(self, text: str, seed: int, heard: Heard) -> None:
        # Without the seed: OpenAI has none.
        assert self._session
        peer = self._contestant
        body = {
            "model": peer.model,
            "voice": peer.voice or "alloy",
            "input": text,
            "response_format": "pcm",
        }
        try:
            async with self._session.post(f"{peer.address}/audio/speech", json=body) as reply:
                if reply.status != 200:
                    heard.code = CODES.get(reply.status, grpc.StatusCode.UNKNOWN)
                    text = await reply.text(errors="replace")
                    heard.detail = f"HTTP {reply.status} {text[:DETAIL]}"
                    heard.retry_after_s = retry_after_s(reply.headers)
                elif not bare_samples(reply.content_type):
                    heard.code = grpc.StatusCode.UNIMPLEMENTED
                    heard.detail = f"asked for pcm, it sent {reply.content_type}"
                else:
                    heard.accepted_s = time.perf_counter()
                    await self._receive(reply, heard)
                    heard.code = grpc.StatusCode.OK
        except (aiohttp.ClientError, TimeoutError) as error:
            heard.code = grpc.StatusCode.UNAVAILABLE
            said = " ".join(str(error).split())
            heard.detail = f"{type(error).__name__}: {said[:DETAIL]}"
        finally:
            heard.ended_s = time.perf_counter()

    async def _receive(self, reply: aiohttp.ClientResponse, heard: Heard) -> None:
        # Our own server says it; OpenAI's documentation does for theirs.
        rate = int(reply.headers.get("X-Sample-Rate", self._contestant.rate_hz))
        half = 0  # bytes of a sample whose rest is still to come
        async for piece in reply.content.iter_any():
            samples, half = divmod(half + len(piece), SAMPLE_BYTES)
            if samples:
                heard.playback.receive(time.perf_counter(), samples / rate)


def bare_samples(content_type: str) -> bool:
    """Servers call them audio/pcm or application/octet-stream; a file or text they are not."""
    files = ("audio/mpeg", "audio/wav", "audio/x-wav", "audio/ogg", "audio/flac", "audio/aac")
    return content_type not in files and not content_type.startswith(("text/", "application/json"))


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The finer header of the two that servers send; None where there is neither."""
    for name, scale in (("retry-after-ms", 1e-3), ("Retry-After", 1.0)):
        try:
            return scale * float(headers[name])
        except (KeyError, ValueError):
            continue
    return None
