"""Every API of a server as a call that returns samples, for `oracle_speech`.

Only what users have is used: wire protocols, `dlpo say`, `Voice` and `Client`.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import sys
import wave
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any
from urllib.parse import urlencode

import aiohttp
import grpc
import numpy as np
from wyoming import tts
from wyoming.client import AsyncTcpClient

from dlpo import Client, Voice
from dlpo.v1 import speech_pb2, speech_pb2_grpc
from dlpo_serving.protocols.riva.proto import riva_audio_pb2, riva_tts_pb2

RATE_HZ, WAIT_S = 24_000, 60.0
AUDIO = ("audio", "audio_base64", "data", "delta")  # keys of base64 in JSON
ENDS = {"speech.done", "response.done", "done"}
RIVA = "/nvidia.riva.tts.RivaSpeechSynthesis/"
# Settings that a request may have, by the names of OpenAI's route.
SOUND = {"speed", "seed", "pitch_semitones", "volume_db", "steps", "sentence_pause_s"}
ALL = SOUND | {"sample_rate", "ssml"}
VENDORS = {"speed", "seed", "sample_rate", "ssml"}
Message = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """A text to speak, a voice, and settings."""

    number: int
    language: str
    text: str
    voice: str
    settings: Message = field(default_factory=dict)

    @property
    def rate_hz(self) -> int:
        return int(self.settings.get("sample_rate", RATE_HZ))

    @property
    def sound(self) -> Message:
        """The settings other than the rate."""
        return {key: value for key, value in self.settings.items() if key != "sample_rate"}

    @property
    def words(self) -> list[str]:
        """The text in pieces, cut behind words."""
        return [f"{word} " for word in self.text.split()]


@dataclass(frozen=True)
class Server:
    """Where a server is, and connections to it."""

    address: str
    url: str
    wyoming: str
    channel: grpc.aio.Channel
    session: aiohttp.ClientSession


Call = Callable[[Server, Request], Awaitable[bytes]]


@dataclass(frozen=True)
class Route:
    """One way to have a text spoken."""

    call: Call
    takes: set[str]
    whole: bool = False
    """the reply comes at once"""
    in_pieces: bool = False
    """the text arrives piece by piece"""
    is_pcm: bool = True
    alone: bool = False
    """too slow to be called sixteen times at once"""


def audio_in(message: Message) -> bytes:
    """What base64 a JSON message holds; raises where the message is an error."""
    if message.get("error"):
        raise RuntimeError(json.dumps(message)[:200])
    if "transcript" in message.get("type", ""):
        return b""
    found = (message.get(key) for key in AUDIO)
    return b"".join(base64.b64decode(one) for one in found if isinstance(one, str))


def lines_of(content: str) -> Iterator[Message]:
    """The objects of a body of JSON, a line each, or of events."""
    for line in content.splitlines():
        data = line.removeprefix("data:").strip()
        if data.startswith("{"):
            yield json.loads(data)


async def post(
    written: Callable[[Request], tuple[str, Message]], server: Server, r: Request
) -> bytes:
    path, body = written(r)
    async with server.session.post(server.url + path, json=body) as reply:
        content = await reply.read()
        if reply.status != 200:
            raise RuntimeError(f"HTTP {reply.status} {content[:200]!r}")
        kind = reply.content_type
    if "json" in kind or "event" in kind:
        return b"".join(map(audio_in, lines_of(content.decode())))
    return content


def openai(path: str = "/v1/audio/speech", **more: Any) -> Call:
    def written(r: Request) -> tuple[str, Message]:
        body = {"input": r.text, "voice": r.voice, "response_format": "pcm"}
        return path, {**body, "sample_rate": r.rate_hz, **r.sound, **more}

    return partial(post, written)


def eleven_body(r: Request) -> Message:
    speed = {"voice_settings": {"speed": r.sound["speed"]}} if "speed" in r.sound else {}
    return {key: value for key, value in r.sound.items() if key != "speed"} | speed


def eleven_path(r: Request, end: str) -> str:
    return f"/v1/text-to-speech/{r.voice}{end}?output_format=pcm_{r.rate_hz}"


def elevenlabs(end: str) -> Call:
    return partial(post, lambda r: (eleven_path(r, end), {"text": r.text, **eleven_body(r)}))


def cartesia_body(r: Request) -> Message:
    output = {"container": "raw", "encoding": "pcm_s16le", "sample_rate": r.rate_hz}
    body = {"voice": {"mode": "id", "id": r.voice}, "output_format": output, **r.sound}
    return body | {"generation_config": {"speed": r.sound.get("speed", 1.0)}}


def cartesia(path: str) -> Call:
    return partial(post, lambda r: (path, {"transcript": r.text, **cartesia_body(r)}))


def deepgram_path(r: Request) -> str:
    query = {"model": r.voice, "encoding": "linear16", "container": "none", **r.sound}
    return "/v1/speak?" + urlencode(query | {"sample_rate": r.rate_hz})


def vapi(r: Request) -> tuple[str, Message]:
    message = {"type": "voice-request", "text": r.text, "sampleRate": r.rate_hz}
    return "/v1/vapi", {"message": {**message, "voiceId": r.voice}}


def jambonz_mp3(r: Request) -> tuple[str, Message]:
    return "/v1/jambonz", {"text": r.text, "voice": r.voice}


def over(socket: Callable[[Request], tuple[str, Iterable[Message]]]) -> Call:
    """A WebSocket, to which all messages go before its answers are read to the last."""

    async def call(server: Server, r: Request) -> bytes:
        path, messages = socket(r)
        audio = b""
        async with server.session.ws_connect(server.url + path) as connection:
            for message in messages:
                await connection.send_json(message)
            async for received in connection:
                if received.type is aiohttp.WSMsgType.BINARY:
                    audio += received.data
                    continue
                event = json.loads(received.data)
                audio += audio_in(event)
                flags = ("done", "isFinal", "is_final", "is_last_result")
                if event.get("type") in ENDS or any(event.get(flag) is True for flag in flags):
                    break
        return audio

    return call


def own_socket(r: Request) -> tuple[str, list[Message]]:
    begin = {"type": "begin", "voice": r.voice, "sample_rate": r.rate_hz, **r.sound}
    texts = [{"type": "text", "text": piece} for piece in r.words]
    return "/v1/audio/speech/stream", [begin, *texts, {"type": "end"}]


def eleven_socket(r: Request) -> tuple[str, list[Message]]:
    texts = [{"text": piece} for piece in r.words]
    return eleven_path(r, "/stream-input"), [{"text": " ", **eleven_body(r)}, *texts, {"text": ""}]


def eleven_contexts(r: Request) -> tuple[str, list[Message]]:
    messages = [{"text": " ", **eleven_body(r)}, *({"text": piece} for piece in r.words)]
    messages.append({"close_context": True})
    path = eleven_path(r, "/multi-stream-input")
    return path, [{**message, "context_id": "a"} for message in messages]


def cartesia_socket(r: Request) -> tuple[str, list[Message]]:
    shared = {**cartesia_body(r), "context_id": "a"}
    texts = [{**shared, "transcript": piece, "continue": True} for piece in r.words]
    return "/tts/websocket", [*texts, {**shared, "transcript": "", "continue": False}]


def deepgram_socket(r: Request) -> tuple[str, list[Message]]:
    texts = [{"type": "Speak", "text": piece} for piece in r.words]
    return deepgram_path(r), [*texts, {"type": "Flush"}, {"type": "Close"}]


def flux_socket(r: Request) -> tuple[str, list[Message]]:
    path, sent = deepgram_socket(r)
    return path.replace("/v1/", "/v2/"), sent


def openai_realtime(r: Request) -> tuple[str, list[Message]]:
    sound = {"format": {"type": "audio/pcm", "rate": r.rate_hz}, "voice": r.voice, **r.sound}
    content = [{"type": "input_text", "text": r.text}]
    item = {"type": "message", "role": "user", "content": content}
    return "/v1/realtime?model=gpt-realtime", [
        {"type": "session.update", "session": {"type": "realtime", "audio": {"output": sound}}},
        {"type": "conversation.item.create", "item": item},
        {"type": "response.create"},
    ]


def riva_realtime(r: Request) -> tuple[str, list[Message]]:
    session = {
        "input_text_synthesis": {"voice_name": r.voice},
        "output_audio_params": {"sample_rate_hz": r.rate_hz, "audio_format": "LINEAR_PCM"},
        "custom_configuration": {key: str(value) for key, value in r.sound.items()},
    }
    texts = [{"type": "input_text.append", "text": piece} for piece in r.words]
    return "/v1/realtime?intent=synthesize", [
        {"type": "synthesize_session.update", "session": session}, *texts,
        {"type": "input_text.commit"}, {"type": "input_text.done"},
    ]  # fmt: skip


def jambonz_socket(r: Request) -> tuple[str, list[Message]]:
    query = urlencode({"voice": f"{r.voice};callSid=1", "sampleRate": r.rate_hz})
    texts = [{"type": "stream", "text": word} for word in r.text.split()]
    return f"/v1/jambonz?{query}", [*texts, {"type": "flush"}]


async def jambonz(server: Server, r: Request) -> bytes:
    """Its WebSocket has no last message: as many samples are read as ours gives."""
    expected, audio = await over(own_socket)(server, r), b""
    path, messages = jambonz_socket(r)
    async with server.session.ws_connect(server.url + path) as connection:
        for message in messages:
            await connection.send_json(message)
        while len(audio) < len(expected):
            received = await connection.receive(timeout=WAIT_S)
            audio += received.data if received.type is aiohttp.WSMsgType.BINARY else b""
            if received.type is aiohttp.WSMsgType.CLOSE:
                raise RuntimeError(f"closed after {len(audio)} bytes of {len(expected)}")
    return audio


def config_of(r: Request) -> speech_pb2.SynthesisConfig:
    encoding = speech_pb2.AUDIO_ENCODING_LINEAR_PCM_S16
    settings = {"encoding": encoding, "sample_rate_hz": r.rate_hz, **r.sound}
    return speech_pb2.SynthesisConfig(voice=r.voice, **settings)


async def grpc_whole(server: Server, r: Request) -> bytes:
    request = speech_pb2.SynthesizeRequest(text=r.text, config=config_of(r))
    reply = await speech_pb2_grpc.SpeechServiceStub(server.channel).Synthesize(request)
    return bytes(reply.audio)


async def grpc_chunks(server: Server, r: Request, pieces: bool = False) -> bytes:
    stub = speech_pb2_grpc.SpeechServiceStub(server.channel)
    request = speech_pb2.StreamSynthesizeRequest(text=r.text, config=config_of(r))
    Piece = speech_pb2.IncrementalSynthesizeRequest
    further = [Piece(config=config_of(r)), *(Piece(text=word) for word in r.words)]
    stream = stub.IncrementalSynthesize(iter(further)) if pieces else stub.StreamSynthesize(request)
    return b"".join([reply.audio.audio async for reply in stream])


async def riva(server: Server, r: Request, method: str, pieces: bool = False) -> bytes:
    texts = r.words if pieces else [r.text]
    sound = {key: str(value) for key, value in r.sound.items()}
    requests = [
        riva_tts_pb2.SynthesizeSpeechRequest(
            text=text, voice_name=r.voice, sample_rate_hz=r.rate_hz,
            encoding=riva_audio_pb2.LINEAR_PCM, custom_configuration=sound,
        )
        for text in texts
    ]  # fmt: skip
    reply, to_bytes = riva_tts_pb2.SynthesizeSpeechResponse, type(requests[0]).SerializeToString
    if method == "Synthesize":
        whole = server.channel.unary_unary(RIVA + method, to_bytes, reply.FromString)
        return bytes((await whole(requests[0])).audio)
    stream = server.channel.stream_stream(RIVA + method, to_bytes, reply.FromString)
    return b"".join([reply.audio async for reply in stream(iter(requests))])


async def wyoming(server: Server, r: Request, pieces: bool = False) -> bytes:
    voice, audio = tts.SynthesizeVoice(name=r.voice), b""
    events = [tts.Synthesize(r.text, voice).event()]
    if pieces:
        chunks = [tts.SynthesizeChunk(word).event() for word in r.words]
        events = [tts.SynthesizeStart(voice=voice).event(), *chunks, tts.SynthesizeStop().event()]
    async with AsyncTcpClient.from_uri(server.wyoming) as client:
        for event in events:
            await client.write_event(event)
        last = "synthesize-stopped" if pieces else "audio-stop"
        while (event := await client.read_event()) and event.type != last:
            if event.type == "error":
                raise RuntimeError(str(event.data))
            audio += event.payload or b""
    return audio


@cache
def voice_of(name: str) -> Voice:
    return Voice(name)


def samples(chunks: Sequence[Any]) -> bytes:
    """Floats as 16-bit PCM."""
    floats = np.concatenate([np.asarray(chunk) for chunk in chunks])
    return bytes(np.rint(np.clip(floats, -1, 1) * np.float32(32767)).astype("<i2"))


async def voice_whole(server: Server, r: Request) -> bytes:
    return samples([await asyncio.to_thread(voice_of(r.voice), r.text, **r.sound)])


async def voice_chunks(server: Server, r: Request, pieces: bool = False) -> bytes:
    text = r.words if pieces else r.text
    return samples(await asyncio.to_thread(lambda: [*voice_of(r.voice).stream(text, **r.sound)]))


async def client_chunks(server: Server, r: Request) -> bytes:
    def spoken() -> list[Any]:
        with Client(server.address, r.voice) as client:
            return [*client.stream(r.text, **r.sound)]

    return samples(await asyncio.to_thread(spoken))


async def say(server: Server, r: Request, *options: str) -> bytes:
    command = [sys.executable, "-m", "dlpo", "say", r.text, "--out", "-", "--voice", r.voice]
    for name, value in r.settings.items():
        option = name.removesuffix("_semitones").removesuffix("_db").removesuffix("_s")
        command += [f"--{option.replace('_', '-')}={value}"]
    process = await asyncio.create_subprocess_exec(
        *command, *options, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, errors = await process.communicate()
    if process.returncode:
        raise RuntimeError(errors.decode()[-200:])
    with wave.open(io.BytesIO(out)) as file:
        return bytes(file.readframes(file.getnframes()))


def whole(call: Call, takes: set[str], **more: Any) -> Route:
    return Route(call, takes, whole=True, **more)


def pieces(call: Call, takes: set[str]) -> Route:
    return Route(call, takes - {"ssml"}, in_pieces=True)


ROUTES = {
    "grpc-synthesize": whole(grpc_whole, ALL),
    "openai": whole(openai(), ALL),
    "elevenlabs": whole(elevenlabs(""), ALL),
    "elevenlabs-times": whole(elevenlabs("/with-timestamps"), ALL),
    "cartesia": whole(cartesia("/tts/bytes"), VENDORS),
    "deepgram": whole(partial(post, lambda r: (deepgram_path(r), {"text": r.text})), VENDORS),
    "kokoro-whole": whole(openai("/dev/captioned_speech", stream=False), ALL),
    "vapi": whole(partial(post, vapi), {"sample_rate", "ssml"}),
    "jambonz-mp3": whole(partial(post, jambonz_mp3), {"ssml"}, is_pcm=False),
    "riva-synthesize": whole(partial(riva, method="Synthesize"), ALL),
    "wyoming": whole(wyoming, {"ssml"}),
    "voice": whole(voice_whole, SOUND | {"ssml"}),
    "say": whole(say, ALL, alone=True),
    "grpc-stream": Route(grpc_chunks, ALL),
    "grpc-pieces": pieces(partial(grpc_chunks, pieces=True), ALL),
    "openai-events": Route(openai(stream_format="sse"), ALL),
    "own-events": Route(openai(stream_format="dlpo"), ALL),
    "own-socket": pieces(over(own_socket), ALL),
    "openai-realtime": Route(over(openai_realtime), {"speed", "sample_rate", "ssml"}),
    "elevenlabs-stream": Route(elevenlabs("/stream"), ALL),
    "elevenlabs-stream-times": Route(elevenlabs("/stream/with-timestamps"), ALL),
    "elevenlabs-socket": pieces(over(eleven_socket), ALL),
    "elevenlabs-contexts": pieces(over(eleven_contexts), ALL),
    "cartesia-events": Route(cartesia("/tts/sse"), VENDORS),
    "cartesia-socket": pieces(over(cartesia_socket), VENDORS),
    "deepgram-socket": pieces(over(deepgram_socket), VENDORS),
    "flux-socket": pieces(over(flux_socket), VENDORS),
    "kokoro": Route(openai("/dev/captioned_speech"), ALL),
    "jambonz-socket": pieces(jambonz, {"sample_rate"}),
    "riva-online": Route(partial(riva, method="SynthesizeOnline"), ALL),
    "riva-realtime": pieces(over(riva_realtime), ALL),
    "wyoming-pieces": pieces(partial(wyoming, pieces=True), set()),
    "voice-stream": Route(voice_chunks, SOUND | {"ssml"}),
    "voice-pieces": pieces(partial(voice_chunks, pieces=True), SOUND),
    "client-stream": Route(client_chunks, SOUND | {"ssml"}),
}
