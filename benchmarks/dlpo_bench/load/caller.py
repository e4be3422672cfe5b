"""The clients: plain grpc.aio, a few connections, every arrival timed."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import grpc
from google.rpc.error_details_pb2 import RetryInfo
from grpc_status import rpc_status

from dlpo.v1 import speech_pb2, speech_pb2_grpc
from dlpo_bench.load.playback import Playback

S16 = speech_pb2.AUDIO_ENCODING_LINEAR_PCM_S16
F32 = speech_pb2.AUDIO_ENCODING_LINEAR_PCM_F32
SAMPLE_BYTES = {S16: 2, F32: 4}
# Else all channels of a process to one address share one connection.
OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)


@dataclass(slots=True, eq=False)
class Heard:
    """What the caller of one stream noticed; seconds of `time.perf_counter`."""

    sent_s: float
    playback: Playback = field(default_factory=Playback)
    accepted_s: float | None = None
    """when the first message came, with format and text"""
    ended_s: float | None = None
    code: grpc.StatusCode | None = None
    """None while it runs, and where the caller left"""
    detail: str = ""
    """what the server said of its error"""
    retry_after_s: float | None = None
    """of RetryInfo; None where the status has none"""

    @property
    def refused(self) -> bool:
        """The server was full."""
        return self.code == grpc.StatusCode.RESOURCE_EXHAUSTED

    @property
    def failed(self) -> bool:
        """It ended, and neither well nor because the server was full."""
        return self.code not in (None, grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED)

    @property
    def first_audio_s(self) -> float | None:
        """From sending to the first audio; None where there was none."""
        begins_s = self.playback.begins_s
        return None if begins_s is None else begins_s - self.sent_s


class Caller:
    """Many callers of one server; use it in an `async with` statement."""

    def __init__(self, address: str, connections: int) -> None:
        """`address` is host:port."""
        self._channels = [
            grpc.aio.insecure_channel(address, OWN_CONNECTION) for _ in range(connections)
        ]
        self._stubs = itertools.cycle(
            [speech_pb2_grpc.SpeechServiceStub(channel) for channel in self._channels]
        )

    async def __aenter__(self) -> Self:
        for channel in self._channels:  # connecting is not what is measured
            await channel.channel_ready()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for channel in self._channels:
            await channel.close()

    async def listen(
        self,
        request: speech_pb2.StreamSynthesizeRequest,
        heard: Heard | None = None,
        on_audio: Callable[[bytes], object] | None = None,
    ) -> Heard:
        """Receive a stream to its end, as fast as it comes; if cancelled, the call is too.

        Args:
            request: what to say.
            heard: filled while the stream runs; a new one if None.
            on_audio: called with the bytes of each piece.
        """
        heard = heard or Heard(time.perf_counter())
        call = next(self._stubs).StreamSynthesize(request)
        await _receive(call, request.config.encoding or S16, heard, on_audio)
        return heard

    async def listen_typed(
        self, messages: AsyncIterator[speech_pb2.IncrementalSynthesizeRequest], heard: Heard
    ) -> None:
        """Receive the speech of a text that is still being written, as s16, to its end."""
        await _receive(next(self._stubs).IncrementalSynthesize(messages), S16, heard)

    async def whole(self, request: speech_pb2.SynthesizeRequest) -> bytes:
        """The audio of a unary call; raises grpc.aio.AioRpcError."""
        reply: speech_pb2.SynthesizeResponse = await next(self._stubs).Synthesize(request)
        return reply.audio

    def begin(self, request: speech_pb2.StreamSynthesizeRequest, **call: Any) -> Any:
        """A call that the caller reads by itself; `call` is what grpc takes, such as timeout."""
        return next(self._stubs).StreamSynthesize(request, **call)


async def _receive(
    call: Any,
    encoding: speech_pb2.AudioEncoding,
    heard: Heard,
    on_audio: Callable[[bytes], object] | None = None,
) -> None:
    sample_bytes = SAMPLE_BYTES[encoding]
    rate = 0
    async with ended(call, heard):
        async for part in call:
            now = time.perf_counter()
            if part.HasField("audio"):
                audio = part.audio.audio
                heard.playback.receive(now, len(audio) / sample_bytes / rate)
                if on_audio:
                    on_audio(audio)
            elif part.HasField("info"):
                heard.accepted_s = now
                rate = part.info.format.sample_rate_hz


@asynccontextmanager
async def ended(call: Any, heard: Heard) -> AsyncIterator[None]:
    """Write down how a gRPC call ended that is read inside the block, whoever ended it."""
    try:
        yield
        heard.code = await call.code()
    except grpc.aio.AioRpcError as error:
        heard.code, heard.retry_after_s = error.code(), retry_after_s(error)
        heard.detail = error.details() or ""
    finally:
        call.cancel()  # without effect on one that has ended
        heard.ended_s = time.perf_counter()


def first_audio_ms(heard: Iterable[Heard]) -> list[float]:
    """Milliseconds to the first audio of those that had any."""
    return [1000 * call.first_audio_s for call in heard if call.first_audio_s is not None]


def stream_request(
    text: str, seed: int = 0, encoding: speech_pb2.AudioEncoding = S16
) -> speech_pb2.StreamSynthesizeRequest:
    """The request of one stream."""
    config = speech_pb2.SynthesisConfig(seed=seed, encoding=encoding)
    return speech_pb2.StreamSynthesizeRequest(text=text, config=config)


def retry_after_s(error: grpc.aio.AioRpcError) -> float | None:
    """The delay of the status's RetryInfo, None where it has none."""
    status = rpc_status.from_call(error)
    info = RetryInfo()
    for detail in status.details if status else ():
        if detail.Unpack(info):
            return float(info.retry_delay.ToTimedelta().total_seconds())
    return None
