"""How each API is called: a row for each way that its clients have, for the tests they all pass.

The messages are those of `scripts/oracle_apis.py`.
"""

from __future__ import annotations

import asyncio
import base64
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from math import inf
from typing import Any

import aiohttp
import grpc
from wyoming.client import AsyncTcpClient
from wyoming.event import Event, write_event

from dlpo.v1 import speech_pb2, speech_pb2_grpc
from dlpo_serving.protocols import (
    deepgram,
    deepgram_flux,
    jambonz,
    kokoro,
    openai_speech,
    riva_realtime,
    vapi,
)
from dlpo_serving.protocols import wyoming as wyoming_api
from dlpo_serving.protocols.api import Api
from dlpo_serving.protocols.cartesia import server as cartesia
from dlpo_serving.protocols.elevenlabs import server as elevenlabs
from dlpo_serving.protocols.grpc import server as own_grpc
from dlpo_serving.protocols.openai_realtime import server as realtime
from dlpo_serving.protocols.riva import server as riva
from dlpo_serving.protocols.riva.proto.riva_tts_pb2 import (
    SynthesizeSpeechRequest,
    SynthesizeSpeechResponse,
)
from scripts import oracle_apis as messages
from scripts.oracle_apis import Message, Request
from tests.callers import WAIT_S
from tests.serving.conftest import RunningServer

RATE_HZ = 22_050  # the voice's own
NOTHING: Mapping[str, str] = {}
ENDINGS = ({"type": "Close"}, {"type": "input_text.done"})  # of a connection, which stays open here
RIVA_BYTES = SynthesizeSpeechRequest.SerializeToString, SynthesizeSpeechResponse.FromString
Words = Callable[[Message], list[str]]
Conversation = Callable[[Request], tuple[str, list[Message]]]


@dataclass
class Heard:
    """What a client gets."""

    audio: bytes = b""
    words: list[str] = field(default_factory=list)
    """what has a time: words or characters, or a transcript's parts"""
    error: str = ""
    closed: int | None = None
    """the code with which a socket was closed"""


@dataclass(frozen=True)
class Caller(ABC):
    """A way of an API to have a text spoken."""

    api: Api
    encoding = "pcm"
    live = True
    """whether a full server refuses it; otherwise it waits for its turn"""

    @property
    def times(self) -> bool:
        """Whether words have times."""
        return bool(getattr(self, "words", None))

    async def speak(
        self,
        server: RunningServer,
        text: str,
        voice: str = "fake",
        headers: Any = NOTHING,
        length: float = inf,
        **settings: Any,
    ) -> Heard:
        """A text on a connection of its own, up to `length` bytes of audio."""
        return await self.hear(server, asked(text, voice, **settings), headers, length)

    @abstractmethod
    async def hear(
        self, server: RunningServer, r: Request, headers: Any, length: float
    ) -> Heard: ...


def url_of(server: RunningServer, path: str) -> str:
    return f"{str(server.http_url).rstrip('/')}{path}"


def asked(text: str, voice: str, **settings: Any) -> Request:
    return Request(0, "en", text, voice, {"sample_rate": RATE_HZ, **settings})


@dataclass(frozen=True)
class Post(Caller):
    """A request over HTTP."""

    written: Callable[[Request], tuple[str, Message]]
    words: Words | None = None
    """of a line of the reply"""
    encoding: str = "pcm"
    live: bool = True
    in_lines: bool = False
    """whether audio comes in lines; it does where words do"""

    async def hear(self, server: RunningServer, r: Request, headers: Any, length: float) -> Heard:
        path, body = self.written(r)
        async with (
            aiohttp.ClientSession() as session,
            session.post(url_of(server, path), json=body, headers=headers) as reply,
        ):
            content = await reply.read()
        if reply.status != 200:
            return Heard(error=content.decode())
        if not (self.words or self.in_lines):
            return Heard(content)
        heard = Heard()
        for line in messages.lines_of(content.decode()):
            heard.audio += messages.audio_in(line)
            heard.words += self.words(line) if self.words else []
        return heard


@dataclass(frozen=True)
class Socket(Caller):
    """A WebSocket; text comes in pieces."""

    written: Conversation
    is_done: Callable[[Message], object]
    words: Words | None = None
    interrupt: tuple[Message, ...] = ()
    """what a client sends for an interruption, if it does not close the connection"""

    async def hear(self, server: RunningServer, r: Request, headers: Any, length: float) -> Heard:
        try:
            async with self.connected(server, r.voice, headers, **r.settings) as connection:
                await connection.speak(r.text, r.voice, **r.settings)
                return await connection.hear(length)
        except aiohttp.WSServerHandshakeError:
            return Heard(error=await refusal(url_of(server, self.written(r)[0]), headers))

    @asynccontextmanager
    async def connected(
        self, server: RunningServer, voice: str = "fake", headers: Any = NOTHING, **settings: Any
    ) -> AsyncIterator[OpenSocket]:
        url = url_of(server, self.written(asked("", voice, **settings))[0])
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, headers=headers, max_msg_size=0) as socket,
        ):
            yield OpenSocket(self, socket)


async def refusal(url: str, headers: Any) -> str:
    """The body of a refused handshake, which aiohttp's client does not keep."""
    upgrade = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(), **headers,
    }  # fmt: skip
    async with aiohttp.ClientSession() as session, session.get(url, headers=upgrade) as reply:
        return (await reply.read()).decode()


@dataclass(frozen=True)
class OpenSocket:
    """An open connection of a `Socket`."""

    way: Socket
    socket: aiohttp.ClientWebSocketResponse

    async def speak(self, text: str, voice: str = "fake", **settings: Any) -> None:
        for message in self.way.written(asked(text, voice, **settings))[1]:
            with suppress(ConnectionResetError):  # refused: the reason is read
                if message not in ENDINGS:
                    await self.socket.send_json(message)

    async def cancel(self) -> None:
        for message in self.way.interrupt:
            await self.socket.send_json(message)

    async def hear(self, length: float = inf) -> Heard:
        """What comes up to the end of a text, `length`, an error, or the end of the connection."""
        heard = Heard()
        while not heard.error and len(heard.audio) < length:
            message = await self.socket.receive(WAIT_S)
            if message.type is aiohttp.WSMsgType.BINARY:
                heard.audio += message.data
                continue
            if message.type is not aiohttp.WSMsgType.TEXT:
                heard.closed = self.socket.close_code
                break
            read = message.json()
            failed = read.get("response", {}).get("status") == "failed"
            if failed or "error" in read or str(read.get("type")).lower() == "error":
                heard.error = message.data
                break
            heard.audio += messages.audio_in(read)
            heard.words += self.way.words(read) if self.way.words else []
            if self.way.is_done(read):
                break
        return heard


@dataclass(frozen=True)
class Grpc(Caller):
    """A call over gRPC."""

    call: Callable[[grpc.aio.Channel, Request, Any], Any]
    part: Callable[[Any], tuple[bytes, Any]]
    """audio and words of a reply"""
    live: bool = True
    words = True

    async def hear(self, server: RunningServer, r: Request, headers: Any, length: float) -> Heard:
        heard = Heard()
        metadata = [(name.lower(), value) for name, value in headers.items()]
        async with grpc.aio.insecure_channel(server.address) as channel:
            try:
                async for message in self.call(channel, r, metadata):
                    audio, words = self.part(message)
                    heard.audio += audio
                    heard.words += [word.word for word in words]
            except grpc.aio.AioRpcError as error:
                heard.error = str(error.details())
        return heard


def own_call(channel: grpc.aio.Channel, r: Request, metadata: Any) -> Any:
    """With text in pieces."""
    part, config = speech_pb2.IncrementalSynthesizeRequest, messages.config_of(r)
    config.time_detail = speech_pb2.TIME_DETAIL_WORDS
    sent = [part(config=config), *(part(text=word) for word in r.words)]
    stub: Any = speech_pb2_grpc.SpeechServiceStub(channel)
    return stub.IncrementalSynthesize(sent, metadata=metadata, timeout=WAIT_S)


def riva_call(channel: grpc.aio.Channel, r: Request, metadata: Any) -> Any:
    call = channel.stream_stream(f"{messages.RIVA}SynthesizeOnline", *RIVA_BYTES)
    return call([riva_request(r)], metadata=metadata, timeout=WAIT_S)


async def riva_whole(channel: grpc.aio.Channel, r: Request, metadata: Any) -> Any:
    call = channel.unary_unary(f"{messages.RIVA}Synthesize", *RIVA_BYTES)
    yield await call(riva_request(r), metadata=metadata, timeout=WAIT_S)


def riva_request(r: Request) -> SynthesizeSpeechRequest:
    return SynthesizeSpeechRequest(
        text=r.text, voice_name=r.voice, language_code=r.settings.get("language", ""),
        sample_rate_hz=r.rate_hz, enable_word_time_offsets=True,
        custom_configuration={key: str(r.sound[key]) for key in r.sound if key != "language"},
    )  # fmt: skip


async def own_whole(channel: grpc.aio.Channel, r: Request, metadata: Any) -> Any:
    stub: Any = speech_pb2_grpc.SpeechServiceStub(channel)
    request = speech_pb2.SynthesizeRequest(text=r.text, config=messages.config_of(r))
    yield await stub.Synthesize(request, metadata=metadata, timeout=WAIT_S)


@dataclass(frozen=True)
class Wyoming(Caller):
    """A connection of Home Assistant's."""

    whole: bool = False
    """whether a text comes at once"""

    async def hear(self, server: RunningServer, r: Request, headers: Any, length: float) -> Heard:
        async with self.connected(server) as connection:
            await connection.speak(r.text, r.voice, **r.sound)
            return await connection.hear()

    @asynccontextmanager
    async def connected(self, server: RunningServer) -> AsyncIterator[OpenWyoming]:
        async with AsyncTcpClient.from_uri(f"tcp://{server.wyoming_address}") as client:
            yield OpenWyoming(client, self.whole)


@dataclass(frozen=True)
class OpenWyoming:
    """An open connection of `Wyoming`."""

    client: AsyncTcpClient
    whole: bool

    async def speak(
        self, text: str, voice: str = "fake", language: str = "", **pauses: float
    ) -> None:
        pieces = [Event("synthesize-chunk", {"text": word}) for word in asked(text, voice).words]
        fields = {"voice": {"name": voice, "language": language}, **pauses}
        events = [Event("synthesize-start", fields), *pieces, Event("synthesize-stop")]
        if self.whole:
            kind = "ssml" if text.startswith("<speak") else "text"
            events = [Event("synthesize", {"text": text, "text_format": kind, **fields})]
        sent = BytesIO()
        for event in events:
            write_event(event, sent)
        writer: Any = self.client._writer  # at once: a server that refuses closes after the first
        writer.write(sent.getvalue())
        await writer.drain()

    async def hear(self, length: float = inf) -> Heard:
        heard = Heard()
        async with asyncio.timeout(WAIT_S):
            while (event := await self.client.read_event()) and event.type != "audio-stop":
                if event.type == "error":
                    heard.error = event.data["text"]
                    break
                heard.audio += event.payload or b""
        return heard


def words_of(message: Message) -> list[str]:
    return [one["word"] for one in message.get("words") or message.get("timestamps") or ()]


def characters_of(message: Message) -> list[str]:
    aligned = message.get("alignment") or {}
    return list(aligned.get("characters") or aligned.get("chars") or [])


def cartesia_words(message: Message) -> list[str]:
    return list(message.get("word_timestamps", {}).get("words", []))


def timed(r: Request) -> Message:
    return messages.cartesia_body(r) | {"add_timestamps": True}


def cartesia_socket(r: Request) -> tuple[str, list[Message]]:
    path, sent = messages.cartesia_socket(r)
    return path, [{**message, "add_timestamps": True} for message in sent]


def eleven(socket: Conversation) -> Conversation:
    """With the language in the query."""

    def written(r: Request) -> tuple[str, list[Message]]:
        path, sent = socket(r)
        return f"{path}&language_code={r.settings.get('language', '')}", sent

    return written


def own_socket(r: Request) -> tuple[str, list[Message]]:
    path, (begin, *sent) = messages.own_socket(r)
    return path, [{**begin, "keep_open": True}, *sent]


def speech(path: str, **more: Any) -> Callable[[Request], tuple[str, Message]]:
    fields = {"response_format": "pcm", "sample_rate": RATE_HZ, **more}
    return lambda r: (path, {"input": r.text, "voice": r.voice, **fields, **r.sound})


def of_type(kind: str) -> Callable[[Message], bool]:
    return lambda message: message.get("type") == kind


WAYS: dict[str, Caller] = {
    "gRPC": Grpc(own_grpc.API, own_call, lambda one: (one.audio.audio, one.audio.words)),
    "Riva": Grpc(riva.API, riva_call, lambda one: (one.audio, one.meta.words)),
    "gRPC, whole": Grpc(own_grpc.API, own_whole, lambda one: (one.audio, one.words), live=False),
    "Riva, whole": Grpc(
        riva.API, riva_whole, lambda one: (one.audio, one.meta.words), live=False
    ),
    "Wyoming": Wyoming(wyoming_api.API),
    "Wyoming, whole": Wyoming(wyoming_api.API, whole=True),
    "file": Post(
        openai_speech.SPEECH_API, speech("/v1/audio/speech", response_format="mp3"),
        encoding="mp3", live=False,
    ),
    "speech": Post(openai_speech.SPEECH_API, speech("/v1/audio/speech")),
    "events": Post(
        openai_speech.SPEECH_API, speech("/v1/audio/speech", stream_format="dlpo"), words_of
    ),
    "OpenAI's events": Post(
        openai_speech.SPEECH_API, speech("/v1/audio/speech", stream_format="sse"), in_lines=True
    ),
    "ElevenLabs": Post(
        elevenlabs.API, lambda r: (messages.eleven_path(r, ""), {"text": r.text, **r.sound})
    ),
    "ElevenLabs' times": Post(
        elevenlabs.API,
        lambda r: (messages.eleven_path(r, "/stream/with-timestamps"), {"text": r.text}),
        characters_of,
    ),
    "Cartesia": Post(cartesia.API, lambda r: ("/tts/bytes", {"transcript": r.text, **timed(r)})),
    "Cartesia's events": Post(
        cartesia.API, lambda r: ("/tts/sse", {"transcript": r.text, **timed(r)}), cartesia_words
    ),
    "Deepgram": Post(deepgram.API, lambda r: (messages.deepgram_path(r), {"text": r.text})),
    "Kokoro": Post(kokoro.API, speech("/dev/captioned_speech"), words_of),
    "jambonz": Post(jambonz.API, messages.jambonz_mp3, encoding="mp3"),
    "Vapi": Post(vapi.API, messages.vapi),
    "our socket": Socket(
        openai_speech.SOCKET_API, own_socket, of_type("speech.done"), words_of,
        ({"type": "cancel"},),
    ),
    "ElevenLabs' socket": Socket(
        elevenlabs.API, eleven(messages.eleven_socket), lambda one: one["isFinal"], characters_of
    ),
    "ElevenLabs' contexts": Socket(
        elevenlabs.API, eleven(messages.eleven_contexts), lambda one: one["isFinal"], characters_of
    ),
    "Cartesia's contexts": Socket(
        cartesia.API, cartesia_socket, of_type("done"), cartesia_words,
        ({"context_id": "a", "cancel": True},),
    ),
    "Deepgram's socket": Socket(
        deepgram.API, messages.deepgram_socket, of_type("Flushed"), None, ({"type": "Clear"},)
    ),
    "Flux": Socket(
        deepgram_flux.API, messages.flux_socket, of_type("SpeechMetadata"), None,
        ({"type": "Interrupt"},),
    ),
    "jambonz's socket": Socket(
        jambonz.API, messages.jambonz_socket, lambda one: False, None, ({"type": "clear"},)
    ),
    "Riva realtime": Socket(
        riva_realtime.API, messages.riva_realtime, of_type("conversation.item.speech.completed")
    ),
    "OpenAI Realtime": Socket(
        realtime.API, messages.openai_realtime, of_type("response.done"),
        lambda one: [one["delta"]] if "transcript.delta" in one["type"] else [],
        ({"type": "response.cancel"},),
    ),
}  # fmt: skip
CONVERSING = [name for name, way in WAYS.items() if isinstance(way, Socket | Wyoming)]


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
