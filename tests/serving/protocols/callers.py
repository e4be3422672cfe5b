"""How each API is called: a row for each way that its clients have, for the tests they all pass."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from math import inf
from typing import Any, Protocol

import aiohttp
import grpc
from wyoming.client import AsyncTcpClient
from wyoming.event import Event

from dlpo.v1 import speech_pb2, speech_pb2_grpc
from dlpo_serving.protocols import deepgram, jambonz, kokoro, openai_speech, riva_realtime, vapi
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
from tests.callers import WAIT_S
from tests.serving.conftest import RunningServer

RATE_HZ = 22_050  # the voice's own
NOTHING: Mapping[str, str] = {}
Message = dict[str, Any]


@dataclass
class Heard:
    """What a client gets."""

    audio: bytes = b""
    words: list[str] = field(default_factory=list)
    """what has a time: words or characters, or a transcript's parts"""
    error: str = ""
    closed: int | None = None
    """the code with which a socket was closed"""


class Conversing(Protocol):
    """A connection that stays open."""

    async def speak(self, text: str, voice: str = "fake") -> None: ...
    async def cancel(self) -> None: ...
    async def hear(self, length: float = inf) -> Heard: ...


class Caller(Protocol):
    """A way of an API to have a text spoken."""

    api: Api
    times: bool
    encoding: str

    async def speak(
        self,
        server: RunningServer,
        text: str,
        voice: str = "fake",
        headers: Any = NOTHING,
        length: float = inf,
    ) -> Heard: ...


def url_of(server: RunningServer, path: str, voice: str = "fake") -> str:
    return f"{str(server.http_url).rstrip('/')}{path.replace('VOICE', voice)}"


def sevens(text: str) -> list[str]:
    """A text in pieces of seven characters, or in one if it is long."""
    size = 7 if len(text) < 500 else len(text)
    return [text[start : start + size] for start in range(0, len(text), size)]


def decoded(message: Message, *names: str) -> bytes:
    return b"".join(base64.b64decode(message.get(name) or "") for name in names)


@dataclass(frozen=True)
class Post:
    """A request over HTTP; VOICE in its path is the voice."""

    api: Api
    path: str
    body: Callable[[str, str], Message]
    line: Callable[[Message], tuple[bytes, list[str]]] | None = None
    """audio and words of a line of the reply, unless all of it is audio"""
    encoding: str = "pcm"

    @property
    def times(self) -> bool:
        return self.line is not None

    async def speak(
        self,
        server: RunningServer,
        text: str,
        voice: str = "fake",
        headers: Any = NOTHING,
        length: float = inf,
    ) -> Heard:
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                url_of(server, self.path, voice), json=self.body(text, voice), headers=headers
            ) as reply,
        ):
            content = await reply.read()
        if reply.status != 200:
            return Heard(error=content.decode())
        if self.line is None:
            return Heard(content)
        heard = Heard()
        for line in content.splitlines():
            if not line.startswith(b"event:") and line:
                audio, words = self.line(json.loads(line.removeprefix(b"data: ")))
                heard.audio += audio
                heard.words += words
        return heard


@dataclass(frozen=True)
class Socket:
    """A WebSocket; text comes in pieces."""

    api: Api
    path: str
    begin: Callable[[str], list[Message]]
    piece: Callable[[str, str], Message]
    end: list[Message]
    is_done: Callable[[Message], bool]
    audio: Callable[[Message], bytes] = lambda message: b""
    words: Callable[[Message], list[str]] | None = None
    interrupt: tuple[Message, ...] = ()
    """what a client sends for an interruption, if it does not close the connection"""
    cut: Callable[[str], list[str]] = sevens
    is_error: Callable[[Message], bool] = lambda one: str(one.get("type")).lower() == "error"
    encoding = "pcm"

    @property
    def times(self) -> bool:
        return self.words is not None

    async def speak(
        self,
        server: RunningServer,
        text: str,
        voice: str = "fake",
        headers: Any = NOTHING,
        length: float = inf,
    ) -> Heard:
        try:
            async with self.connected(server, voice, headers) as connection:
                await connection.speak(text, voice)
                return await connection.hear(length)
        except aiohttp.WSServerHandshakeError as error:
            return Heard(error=await refusal(url_of(server, self.path, voice), headers, error))

    @asynccontextmanager
    async def connected(
        self, server: RunningServer, voice: str = "fake", headers: Any = NOTHING
    ) -> AsyncIterator[OpenSocket]:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(
                url_of(server, self.path, voice), headers=headers, max_msg_size=0
            ) as socket,
        ):
            yield OpenSocket(self, socket)


async def refusal(url: str, headers: Any, error: aiohttp.WSServerHandshakeError) -> str:
    """The body of a refused handshake, which aiohttp's client does not keep."""
    upgrade = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(), **headers,
    }  # fmt: skip
    with suppress(aiohttp.ClientError):
        async with aiohttp.ClientSession() as session, session.get(url, headers=upgrade) as reply:
            return (await reply.read()).decode()
    return str(error)


@dataclass(frozen=True)
class OpenSocket:
    """An open connection of a `Socket`."""

    way: Socket
    socket: aiohttp.ClientWebSocketResponse

    async def speak(self, text: str, voice: str = "fake") -> None:
        pieces = [self.way.piece(part, voice) for part in self.way.cut(text)]
        for message in [*self.way.begin(voice), *pieces, *self.way.end]:
            with suppress(ConnectionResetError):  # refused: the reason is read
                await self.socket.send_json(message)

    async def cancel(self) -> None:
        for message in self.way.interrupt:
            await self.socket.send_json(message)
        if not self.way.interrupt:
            await self.socket.close()

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
            if self.way.is_error(read):
                heard.error = message.data
            else:
                heard.audio += self.way.audio(read)
                heard.words += self.way.words(read) if self.way.words else []
                if self.way.is_done(read):
                    break
        return heard


@dataclass(frozen=True)
class Grpc:
    """A call over gRPC."""

    api: Api
    call: Callable[[grpc.aio.Channel, str, str, Any], Any]
    part: Callable[[Any], tuple[bytes, list[str]]]
    encoding = "pcm"
    times = True

    async def speak(
        self,
        server: RunningServer,
        text: str,
        voice: str = "fake",
        headers: Any = NOTHING,
        length: float = inf,
    ) -> Heard:
        heard = Heard()
        metadata = [(name.lower(), value) for name, value in headers.items()]
        async with grpc.aio.insecure_channel(server.address) as channel:
            try:
                async for message in self.call(channel, text, voice, metadata):
                    audio, words = self.part(message)
                    heard.audio += audio
                    heard.words += words
            except grpc.aio.AioRpcError as error:
                heard.error = str(error.details())
        return heard


def own_call(channel: grpc.aio.Channel, text: str, voice: str, metadata: Any) -> Any:
    """With text in pieces."""
    part = speech_pb2.IncrementalSynthesizeRequest
    config = part(config=speech_pb2.SynthesisConfig(voice=voice, time_detail="TIME_DETAIL_WORDS"))
    pieces = [part(text=piece) for piece in sevens(text)]
    stub: Any = speech_pb2_grpc.SpeechServiceStub(channel)
    return stub.IncrementalSynthesize([config, *pieces], metadata=metadata, timeout=WAIT_S)


def riva_call(channel: grpc.aio.Channel, text: str, voice: str, metadata: Any) -> Any:
    synthesize = channel.stream_stream(
        "/nvidia.riva.tts.RivaSpeechSynthesis/SynthesizeOnline",
        SynthesizeSpeechRequest.SerializeToString,
        SynthesizeSpeechResponse.FromString,
    )
    request = SynthesizeSpeechRequest(text=text, voice_name=voice, sample_rate_hz=RATE_HZ)
    request.enable_word_time_offsets = True
    return synthesize([request], metadata=metadata, timeout=WAIT_S)


@dataclass(frozen=True)
class Wyoming:
    """A connection of Home Assistant's."""

    api: Api
    encoding = "pcm"
    times = False
    interrupt = ()

    async def speak(
        self,
        server: RunningServer,
        text: str,
        voice: str = "fake",
        headers: Any = NOTHING,
        length: float = inf,
    ) -> Heard:
        async with self.connected(server) as connection:
            await connection.speak(text, voice)
            return await connection.hear()

    @asynccontextmanager
    async def connected(self, server: RunningServer) -> AsyncIterator[OpenWyoming]:
        async with AsyncTcpClient.from_uri(f"tcp://{server.wyoming_address}") as client:
            yield OpenWyoming(client)


@dataclass(frozen=True)
class OpenWyoming:
    """An open connection of `Wyoming`."""

    client: AsyncTcpClient

    async def speak(self, text: str, voice: str = "fake") -> None:
        await self.client.write_event(Event("synthesize-start", {"voice": {"name": voice}}))
        for piece in sevens(text):
            await self.client.write_event(Event("synthesize-chunk", {"text": piece}))
        await self.client.write_event(Event("synthesize-stop"))

    async def cancel(self) -> None:
        await self.client.disconnect()

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
    return [one["word"] for one in message.get("words") or ()]


def characters_of(message: Message, part: str = "characters") -> list[str]:
    aligned = message.get("alignment")
    return list(aligned[part]) if aligned else []


def cartesia_words(message: Message) -> list[str]:
    return list(message.get("word_timestamps", {}).get("words", []))


def cartesia_asked(text: str, voice: str, **more: Any) -> Message:
    output = {"container": "raw", "encoding": "pcm_s16le", "sample_rate": RATE_HZ}
    asked = {"voice": {"mode": "id", "id": voice}, "output_format": output, "add_timestamps": True}
    return {**asked, "transcript": text, **more}


def of_type(kind: str) -> Callable[[Message], bool]:
    return lambda message: message.get("type") == kind


def speech(text: str, voice: str) -> Message:
    return {"input": text, "voice": voice, "response_format": "pcm", "sample_rate": RATE_HZ}


ELEVENLABS, PCM = "/v1/text-to-speech/VOICE", f"output_format=pcm_{RATE_HZ}"
LINEAR = f"/v1/speak?model=VOICE&encoding=linear16&sample_rate={RATE_HZ}&container=none"
CREATE = {"type": "response.create"}
OUTPUT = {"format": {"type": "audio/pcm", "rate": RATE_HZ}}


def ways() -> Iterator[tuple[str, Caller]]:
    """Each way with its name."""
    yield "gRPC", Grpc(
        own_grpc.API, own_call,
        lambda part: (part.audio.audio, [word.word for word in part.audio.words]),
    )  # fmt: skip
    yield (
        "Riva",
        Grpc(
            riva.API, riva_call, lambda part: (part.audio, [word.word for word in part.meta.words])
        ),
    )
    yield "Wyoming", Wyoming(wyoming_api.API)
    yield from posts()
    yield from sockets()


def posts() -> Iterator[tuple[str, Post]]:
    yield "speech", Post(openai_speech.SPEECH_API, "/v1/audio/speech", speech)
    yield "speech as events", Post(
        openai_speech.SPEECH_API, "/v1/audio/speech",
        lambda text, voice: {**speech(text, voice), "stream_format": "dlpo"},
        lambda line: (decoded(line, "audio"), words_of(line)),
    )  # fmt: skip
    yield "ElevenLabs", Post(elevenlabs.API, f"{ELEVENLABS}?{PCM}", lambda text, _: {"text": text})
    yield "ElevenLabs' times", Post(
        elevenlabs.API, f"{ELEVENLABS}/stream/with-timestamps?{PCM}",
        lambda text, _: {"text": text},
        lambda line: (decoded(line, "audio_base64"), characters_of(line)),
    )  # fmt: skip
    yield "Cartesia", Post(cartesia.API, "/tts/bytes", cartesia_asked)
    yield "Cartesia's events", Post(
        cartesia.API, "/tts/sse", cartesia_asked,
        lambda line: (decoded(line, "data"), cartesia_words(line)),
    )  # fmt: skip
    yield "Deepgram", Post(deepgram.API, LINEAR, lambda text, _: {"text": text})
    yield "Kokoro", Post(
        kokoro.API, "/dev/captioned_speech", speech,
        lambda line: (decoded(line, "audio"), [one["word"] for one in line["timestamps"]]),
    )  # fmt: skip
    yield "jambonz", Post(
        jambonz.API, "/v1/jambonz", lambda text, voice: {"text": text, "voice": voice},
        encoding="mp3",
    )  # fmt: skip
    yield "Vapi", Post(
        vapi.API, "/v1/vapi",
        lambda text, voice: {"message": {
            "type": "voice-request", "text": text, "sampleRate": RATE_HZ, "voiceId": voice,
        }},
    )  # fmt: skip


def sockets() -> Iterator[tuple[str, Socket]]:
    yield "our socket", Socket(
        openai_speech.SOCKET_API, "/v1/audio/speech/stream",
        lambda voice: [{"type": "begin", "voice": voice, "sample_rate": RATE_HZ,
                        "keep_open": True}],
        lambda text, _: {"type": "text", "text": text}, [{"type": "end"}],
        of_type("speech.done"), words=words_of, interrupt=({"type": "cancel"},),
    )  # fmt: skip
    for name, begin in (("stream-input", {}), ("multi-stream-input", {"context_id": "a"})):
        end: Message = {**begin, "close_context": True} if begin else {"text": ""}
        yield f"ElevenLabs' {name}", Socket(
            elevenlabs.API, f"{ELEVENLABS}/{name}?{PCM}",
            lambda voice, begin=begin: [{"text": " ", **begin}],  # type: ignore[misc]
            lambda text, _, begin=begin: {"text": text, **begin}, [end],  # type: ignore[misc]
            lambda message: message.get("isFinal") is True,
            audio=lambda message: decoded(message, "audio"),
            words=lambda message: characters_of(message, "chars"),
            is_error=lambda message: "error" in message,
        )  # fmt: skip
    yield "Cartesia's contexts", Socket(
        cartesia.API, "/tts/websocket", lambda voice: [],
        lambda text, voice: cartesia_asked(text, voice, **{"context_id": "a", "continue": True}),
        [cartesia_asked("", "fake", context_id="a")], of_type("done"),
        audio=lambda message: decoded(message, "data"), words=cartesia_words,
        interrupt=({"context_id": "a", "cancel": True},),
    )  # fmt: skip
    yield "Deepgram's socket", Socket(
        deepgram.API, LINEAR, lambda voice: [],
        lambda text, _: {"type": "Speak", "text": text}, [{"type": "Flush"}], of_type("Flushed"),
        interrupt=({"type": "Clear"},),
    )  # fmt: skip
    yield "jambonz's socket", Socket(
        jambonz.API, f"/v1/jambonz?voice=VOICE;callSid=1&sampleRate={RATE_HZ}", lambda voice: [],
        lambda text, _: {"type": "stream", "text": text}, [{"type": "flush"}],
        lambda message: False, interrupt=({"type": "clear"},), cut=lambda text: [text],
    )  # fmt: skip
    yield "Riva realtime", Socket(
        riva_realtime.API, "/v1/realtime?intent=synthesize",
        lambda voice: [{"type": "synthesize_session.update", "session": {
            "input_text_synthesis": {"voice_name": voice},
            "output_audio_params": {"sample_rate_hz": RATE_HZ},
        }}],
        lambda text, _: {"type": "input_text.append", "text": text},
        [{"type": "input_text.commit"}], of_type("conversation.item.speech.completed"),
        audio=lambda message: decoded(message, "audio"),
    )  # fmt: skip
    yield "OpenAI Realtime", Socket(
        realtime.API, "/v1/realtime",
        lambda voice: [{"type": "session.update", "session": {
            "audio": {"output": {**OUTPUT, "voice": voice}},
        }}],
        lambda text, _: {"type": "conversation.item.create", "item": {
            "type": "message", "role": "user", "content": [{"type": "input_text", "text": text}],
        }},
        [CREATE], of_type("response.done"),
        audio=lambda one: decoded(one, "delta") if "audio.delta" in one["type"] else b"",
        words=lambda one: [one["delta"]] if "transcript.delta" in one["type"] else [],
        interrupt=({"type": "response.cancel"},), cut=lambda text: [text],
        is_error=lambda one: one["type"] == "error"
        or one.get("response", {}).get("status") == "failed",
    )  # fmt: skip


WAYS: dict[str, Caller] = dict(ways())
CONVERSING: Sequence[str] = ("Wyoming", *(name for name, _ in sockets()))
