"""Calls to a server in each protocol, and the listener's audio device that plays them."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, get_args
from urllib.parse import parse_qs, urlsplit

import aiohttp
import grpc

from dlpo.errors import InputError
from dlpo.v1 import speech_pb2, speech_pb2_grpc
from dlpo_bench.machine import percentile
from dlpo_bench.options import ProtocolName
from dlpo_serving.client.errors import retry_after_s
from dlpo_serving.protocols.riva.proto import riva_audio_pb2, riva_tts_pb2

RATES_HZ: Mapping[str, int] = {"dlpo": 0, "riva": 22_050, "openai": 24_000}
"""Sample rate: dlpo.v1 reports it, Riva's clients request one, OpenAI's pcm has this one."""
SAMPLE_BYTES = 2
# Without it, all channels of a process to the same address share one connection.
OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)
CONNECT_S = 10.0
PROBE = "Hello there."
RIVA_METHOD = "/nvidia.riva.tts.RivaSpeechSynthesis/SynthesizeOnline"
HTTP_CODES = {  # -> gRPC equivalent
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.RESOURCE_EXHAUSTED,
}
DETAIL = 200  # characters of an error message that are shown
NOT_PCM = (
    "audio/mpeg", "audio/wav", "audio/x-wav", "audio/ogg", "audio/flac", "audio/aac", "text/",
    "application/json",
)  # fmt: skip
EXPECTED = (
    "expected HOST:PORT or riva://HOST:PORT, dlpo://HOST:PORT, or http://HOST:PORT/v1 of an"
    " OpenAI-compatible server, each with ?voice=NAME, model, rate_hz or metrics=URL where needed"
)

_SCHEME = re.compile(r"\w+://")
_SENTENCE_END = re.compile(r"[.!?][\"')]*\s*$")


@dataclass(frozen=True, slots=True)
class TestedServer:
    """A server as its clients see it."""

    __test__ = False  # not a test, despite its name

    name: str
    """label in tables"""
    protocol: str
    """one of `ProtocolName`"""
    address: str
    """host:port; for OpenAI's protocol the URL before /audio/speech"""
    rate_hz: int
    """sample rate of the audio if the server does not report it; 0 if it does"""
    voice: str = ""
    """voice to request; empty: the server's default"""
    model: str = "tts-1"
    """required by OpenAI's protocol"""
    language: str = "en-US"
    """required by Riva's protocol"""
    pid: int | None = None
    """process id, if this run started it"""
    metrics_url: str | None = None
    """URL of a dlpo server's metrics"""


def parse_against(text: str) -> TestedServer:
    """Parse the address of a running server; raises InputError if it is malformed."""
    parts = urlsplit(text if _SCHEME.match(text) else f"riva://{text}")
    try:
        settings = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        host_and_port = bool(parts.hostname and parts.port)
    except ValueError as error:
        raise InputError(f"--against {text}: {error}; {EXPECTED}") from error
    last = {name: values[-1] for name, values in settings.items()}
    if unknown := sorted(set(last) - {"voice", "model", "rate_hz", "metrics"}):
        raise InputError(f"--against {text}: no setting {', '.join(unknown)}; {EXPECTED}")
    web = parts.scheme in ("http", "https")
    scheme = "openai" if web else parts.scheme
    protocol = next((one for one in get_args(ProtocolName) if one == scheme), None)
    if protocol is None or not parts.hostname or not (web or host_and_port):
        raise InputError(f"--against {text}: {EXPECTED}")
    rate = last.get("rate_hz", str(RATES_HZ[protocol]))
    if not rate.isdecimal() or (not int(rate) and protocol != "dlpo"):
        raise InputError(f"--against {text}: rate_hz is {rate!r}; expected a whole number above 0")
    root = f"{parts.scheme}://{parts.netloc}"
    return TestedServer(
        f"{parts.netloc} {protocol}", protocol,
        f"{root}{parts.path.rstrip('/')}" if web else parts.netloc, int(rate),
        last.get("voice", ""), last.get("model", "tts-1"),
        metrics_url=last.get("metrics", f"{root}/metrics" if web else None),
    )  # fmt: skip


class AudioDevice:
    """Plays from the first piece on, without a jitter buffer.

    A piece that arrives after everything before it has been played leaves a gap. Times are seconds
    of one clock.
    """

    def __init__(self) -> None:
        self.gaps_s: list[float] = []
        """length of each gap in mid-speech"""
        self.audio_s = 0.0
        """seconds of audio received so far"""
        self.begins_s: float | None = None
        """when the first piece arrived; None before that"""
        self.ends_s = 0.0
        """when everything received so far will have been played"""

    def receive(self, at_s: float, audio_s: float) -> None:
        """Receive a piece of `audio_s` seconds."""
        if self.begins_s is None:
            self.begins_s = self.ends_s = at_s
        if at_s > self.ends_s:
            self.gaps_s.append(at_s - self.ends_s)
            self.ends_s = at_s
        self.audio_s += audio_s
        self.ends_s += audio_s


def underrun_figures(devices: Sequence[AudioDevice]) -> dict[str, float]:
    """How often and how long listeners waited in mid-speech.

    Returns:
        `underrun_calls`, the share of streams with a gap; `underrun_s`, the sum of all gaps;
        `underrun_share`, their share of the time from first to last sound; `gap_ms_p95` and
        `gap_ms_max` over all gaps, 0 if there are none.
    """
    begun = [device for device in devices if device.begins_s is not None]
    gaps_ms = [1000 * gap_s for device in begun for gap_s in device.gaps_s]
    underrun_s = sum(gaps_ms) / 1000
    played_s = underrun_s + sum(device.audio_s for device in begun)
    return {
        "underrun_calls": sum(bool(one.gaps_s) for one in begun) / len(begun) if begun else 0.0,
        "underrun_s": underrun_s,
        "underrun_share": underrun_s / played_s if played_s else 0.0,
        "gap_ms_p95": percentile(gaps_ms, 95) if gaps_ms else 0.0,
        "gap_ms_max": max(gaps_ms, default=0.0),
    }


@dataclass(slots=True, eq=False)
class TimedCall:
    """One call as its client sees it; times in seconds of `time.perf_counter`."""

    sent_s: float
    characters: int = 0
    """characters of its text: the offered load, even if nothing came back"""
    late_s: float = 0.0
    """how late the client itself sent it"""
    device: AudioDevice = field(default_factory=AudioDevice)
    ended_s: float | None = None
    code: grpc.StatusCode | None = None
    """status at the end; None while it runs, and if the client cancelled"""
    detail: str = ""
    """the server's error message"""
    retry_after_s: float | None = None
    """from RetryInfo; None if the status has none"""
    on_audio: Callable[[bytes], object] | None = None
    """receives each piece of audio"""

    @property
    def refused(self) -> bool:
        """The server was full."""
        return self.code == grpc.StatusCode.RESOURCE_EXHAUSTED

    @property
    def failed(self) -> bool:
        """Neither refused nor served: an error, no audio, or no end."""
        silent = self.device.begins_s is None
        return not self.refused and (self.code != grpc.StatusCode.OK or silent)

    @property
    def played_well(self) -> bool:
        """Served to the end without a gap."""
        return not self.refused and not self.failed and not self.device.gaps_s

    @property
    def first_audio_s(self) -> float | None:
        """From sending to the first audio; None if there was none."""
        begins_s = self.device.begins_s
        return None if begins_s is None else begins_s - self.sent_s

    @property
    def waited_ms(self) -> float:
        """Time until the first audio, or until the call ended if none came."""
        if self.first_audio_s is not None:
            return 1000 * self.first_audio_s
        return 1000 * ((self.sent_s if self.ended_s is None else self.ended_s) - self.sent_s)

    @property
    def ending(self) -> str:
        """Status and message."""
        return f"{self.code.name if self.code else 'no status'} {self.detail}".rstrip()

    def receive(self, audio: bytes, rate_hz: int) -> None:
        """Record a piece of audio that arrives now."""
        self.device.receive(time.perf_counter(), len(audio) / SAMPLE_BYTES / rate_hz)
        if self.on_audio:
            self.on_audio(audio)


def first_audio_ms(calls: Iterable[TimedCall]) -> list[float]:
    """Milliseconds to the first audio of the calls that received any."""
    return [1000 * call.first_audio_s for call in calls if call.first_audio_s is not None]


class TextEndpoint(Protocol):
    """Calls to one server. A call's errors are recorded in `call`, not raised."""

    async def speak(self, text: str, seed: int, call: TimedCall) -> None:
        """Receive the speech of a text as fast as it arrives."""


class Endpoint(TextEndpoint, Protocol):
    """Calls that can bring their text in pieces too."""

    async def speak_tokens(self, tokens: AsyncIterator[str], call: TimedCall) -> None:
        """Receive the speech of a text that arrives in pieces, as early as the protocol allows."""


@asynccontextmanager
async def open_endpoint(server: TestedServer, connections: int = 1) -> AsyncIterator[Endpoint]:
    """Connect, and close at the end of the block.

    Raises:
        InputError: the address does not answer, or speaks another protocol.
    """
    if server.protocol == "openai":
        # No connection limit: callers must not wait for each other.
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_S)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            yield OpenAIEndpoint(server, session)
        return
    channels: list[grpc.aio.Channel] = []
    try:
        async with asyncio.timeout(CONNECT_S) as limit:
            await _check_port(server)
            for _ in range(connections):
                channels.append(grpc.aio.insecure_channel(server.address, OWN_CONNECTION))
            for channel in channels:
                await channel.channel_ready()
        yield (DlpoEndpoint if server.protocol == "dlpo" else RivaEndpoint)(server, channels)
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise InputError(
            f"{server.address}: a server listens there that does not speak gRPC; give an"
            f" OpenAI-compatible server as http://{server.address}/v1, and no server with TLS"
        ) from error
    finally:
        for channel in channels:
            await channel.close()


async def check_endpoint(server: TestedServer) -> None:
    """Synthesize a word or two; raises InputError if the answer is not speech."""
    async with open_endpoint(server) as endpoint:
        call = TimedCall(time.perf_counter())
        await endpoint.speak(PROBE, 0, call)
    if not call.failed and not call.refused:
        return
    hint = ""
    if server.protocol == "openai" and call.code == grpc.StatusCode.UNAVAILABLE:
        hint = "; is it running? And a gRPC server is given as HOST:PORT, without http://"
    elif server.protocol != "openai" and call.code == grpc.StatusCode.UNIMPLEMENTED:
        hint = f"; it does not serve the protocol {server.protocol!r}"
    raise InputError(f"{server.address}: {PROBE!r} gave no speech: {call.ending}{hint}")


class DlpoEndpoint:
    """dlpo.v1; calls use the connections in turn."""

    def __init__(
        self, server: TestedServer, channels: Sequence[grpc.aio.Channel], token: str = ""
    ) -> None:
        stubs = [speech_pb2_grpc.SpeechServiceStub(channel) for channel in channels]
        self._stubs = itertools.cycle(stubs)
        self._voice = server.voice
        self.metadata = (("authorization", f"Bearer {token}"),) if token else ()

    async def speak(self, text: str, seed: int, call: TimedCall) -> None:
        await self.stream(stream_request(text, seed, voice=self._voice), call)

    async def speak_tokens(self, tokens: AsyncIterator[str], call: TimedCall) -> None:

        async def messages() -> AsyncIterator[speech_pb2.IncrementalSynthesizeRequest]:
            config = speech_pb2.SynthesisConfig(voice=self._voice)
            yield speech_pb2.IncrementalSynthesizeRequest(config=config)
            async for token in tokens:
                yield speech_pb2.IncrementalSynthesizeRequest(text=token)

        stream = next(self._stubs).IncrementalSynthesize(messages(), metadata=self.metadata)
        await _receive(stream, call)

    async def stream(
        self, request: speech_pb2.StreamSynthesizeRequest, call: TimedCall, **options: Any
    ) -> None:
        """Receive a stream to its end; `options` are grpc's, such as timeout."""
        stub = next(self._stubs)
        await _receive(stub.StreamSynthesize(request, metadata=self.metadata, **options), call)


class RivaEndpoint:
    """nvidia.riva.tts; a text that arrives in pieces is sent sentence by sentence."""

    def __init__(self, server: TestedServer, channels: Sequence[grpc.aio.Channel]) -> None:
        self._server = server
        self._channels = itertools.cycle(channels)

    async def speak(self, text: str, seed: int, call: TimedCall) -> None:
        """See `Endpoint`. Sends no seed: NVIDIA's server rejects unknown fields."""

        async def once() -> AsyncIterator[str]:
            yield text

        await self.speak_tokens(once(), call)

    async def speak_tokens(self, tokens: AsyncIterator[str], call: TimedCall) -> None:
        server = self._server

        async def requests() -> AsyncIterator[riva_tts_pb2.SynthesizeSpeechRequest]:
            async for text in sentences(tokens):
                yield riva_tts_pb2.SynthesizeSpeechRequest(
                    text=text, language_code=server.language, voice_name=server.voice,
                    encoding=riva_audio_pb2.LINEAR_PCM, sample_rate_hz=server.rate_hz,
                )  # fmt: skip

        stream = next(self._channels).stream_stream(
            RIVA_METHOD,
            riva_tts_pb2.SynthesizeSpeechRequest.SerializeToString,
            riva_tts_pb2.SynthesizeSpeechResponse.FromString,
        )(requests())
        async with _noting_the_end(stream, call):
            async for reply in stream:
                if reply.audio:
                    call.receive(reply.audio, server.rate_hz)


class OpenAIEndpoint:
    """POST /audio/speech for raw samples; a text that arrives in pieces is sent when complete."""

    def __init__(self, server: TestedServer, session: aiohttp.ClientSession) -> None:
        self._server = server
        self._session = session

    async def speak_tokens(self, tokens: AsyncIterator[str], call: TimedCall) -> None:
        await self.speak("".join([token async for token in tokens]), 0, call)

    async def speak(self, text: str, seed: int, call: TimedCall) -> None:
        """See `Endpoint`. Sends no seed: OpenAI has none."""
        server = self._server
        body = {"model": server.model, "voice": server.voice or "alloy", "input": text}
        body["response_format"] = "pcm"
        url = f"{server.address}/audio/speech"
        with noting_http(call):
            async with self._session.post(url, json=body) as reply:
                if await is_served(reply, call):
                    await self._receive(reply, call)

    async def _receive(self, reply: aiohttp.ClientResponse, call: TimedCall) -> None:
        if reply.content_type.startswith(NOT_PCM):
            call.code = grpc.StatusCode.UNIMPLEMENTED
            call.detail = f"expected pcm, it sent {reply.content_type}"
            return
        # Our own server reports the rate; OpenAI documents its own.
        rate_hz = int(reply.headers.get("X-Sample-Rate", self._server.rate_hz))
        rest = b""  # bytes of an incomplete sample
        async for piece in reply.content.iter_any():
            size = len(rest + piece) // SAMPLE_BYTES * SAMPLE_BYTES
            samples, rest = (rest + piece)[:size], (rest + piece)[size:]
            if samples:
                call.receive(samples, rate_hz)


@contextmanager
def noting_http(call: TimedCall) -> Iterator[None]:
    """Record when a request that is made and read in the block ended, and an error of its."""
    try:
        yield
    except (aiohttp.ClientError, TimeoutError) as error:
        call.code = grpc.StatusCode.UNAVAILABLE
        message = " ".join(str(error).split())
        call.detail = f"{type(error).__name__}: {message[:DETAIL]}"
    finally:
        call.ended_s = time.perf_counter()


async def is_served(reply: aiohttp.ClientResponse, call: TimedCall) -> bool:
    """Record the status of a reply: whether audio follows, or why not."""
    call.code = grpc.StatusCode.OK
    if reply.status == 200:
        return True
    call.code = HTTP_CODES.get(reply.status, grpc.StatusCode.UNKNOWN)
    message = await reply.text(errors="replace")
    call.detail = f"HTTP {reply.status} {message[:DETAIL]}"
    call.retry_after_s = http_retry_after_s(reply.headers)
    return False


def http_retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The finer of the two headers that servers send; None if neither is present."""
    for name, scale in (("retry-after-ms", 1e-3), ("Retry-After", 1.0)):
        with suppress(KeyError, ValueError):
            return scale * float(headers[name])
    return None


def stream_request(text: str, seed: int = 0, voice: str = "") -> speech_pb2.StreamSynthesizeRequest:
    """Build the request of one stream."""
    encoding = speech_pb2.AUDIO_ENCODING_LINEAR_PCM_S16
    config = speech_pb2.SynthesisConfig(seed=seed, encoding=encoding, voice=voice)
    return speech_pb2.StreamSynthesizeRequest(text=text, config=config)


async def sentences(tokens: AsyncIterator[str]) -> AsyncIterator[str]:
    """Join tokens to sentences, yielding each as soon as its last token has arrived."""
    text = ""
    async for token in tokens:
        text += token
        if _SENTENCE_END.search(text):
            yield text
            text = ""
    if text.strip():
        yield text


async def _receive(stream: Any, call: TimedCall) -> None:
    """Read a stream of dlpo.v1 to its end."""
    rate_hz = 0
    async with _noting_the_end(stream, call):
        async for part in stream:
            if part.HasField("audio"):
                call.receive(part.audio.audio, rate_hz)
            elif part.HasField("info"):
                rate_hz = part.info.format.sample_rate_hz


@asynccontextmanager
async def _noting_the_end(stream: Any, call: TimedCall) -> AsyncIterator[None]:
    """Record how a gRPC stream that is read inside the block ended."""
    try:
        yield
        call.code = await stream.code()
    except grpc.aio.AioRpcError as error:
        call.code, call.retry_after_s = error.code(), retry_after_s(error)
        call.detail = error.details() or ""
    finally:
        stream.cancel()  # no effect on a stream that has ended
        call.ended_s = time.perf_counter()


async def _check_port(server: TestedServer) -> None:
    """Raise InputError if no server listens; gRPC alone would retry until its deadline."""
    host, _, port = server.address.rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except OSError as error:
        raise InputError(
            f"{server.address}: no answer ({error.strerror or error}); is the server running, and"
            " are host and port right?"
        ) from error
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
