"""Calls of mixed API, format, voice, language, speed and length, all chosen by the call's seed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from random import Random
from typing import Any
from urllib.parse import quote

import aiohttp
import grpc

from dlpo.bundle import Bundle
from dlpo.v1 import speech_pb2
from dlpo_bench.load.calls import RATES_HZ, TestedServer, TimedCall
from dlpo_bench.load.endpoints import (
    OWN_CONNECTION,
    DlpoEndpoint,
    RivaEndpoint,
    TextEndpoint,
    is_served,
    noting_http,
    stream_request,
)
from dlpo_bench.load.texts import mixed_text
from dlpo_bench.options import LoadOptions
from dlpo_serving.local.local_server import LocalServer
from dlpo_serving.voices import find_voice

ENCODINGS = (
    speech_pb2.AUDIO_ENCODING_LINEAR_PCM_S16, speech_pb2.AUDIO_ENCODING_LINEAR_PCM_F32,
    speech_pb2.AUDIO_ENCODING_WAV, speech_pb2.AUDIO_ENCODING_FLAC,
    speech_pb2.AUDIO_ENCODING_OGG_OPUS, speech_pb2.AUDIO_ENCODING_MP3,
    speech_pb2.AUDIO_ENCODING_MULAW, speech_pb2.AUDIO_ENCODING_ALAW, speech_pb2.AUDIO_ENCODING_AAC,
)  # fmt: skip
SPEEDS = (0.8, 1.0, 1.5)
RPCS = 3  # a whole text, its words one by one, Riva
MIXES = 0.2  # of the calls speak in a mix of two voices
Written = Callable[[str, str, Random], tuple[str, Mapping[str, Any]]]
"""a text, a voice and what chooses the rest -> the path of a POST, and its JSON body"""


def _openai(text: str, voice: str, random: Random) -> tuple[str, Mapping[str, Any]]:
    body = {"input": text, "voice": voice, "speed": random.choice(SPEEDS)}
    wanted = random.choice(("pcm", "wav", "mp3", "opus", "flac", "aac"))
    as_events = random.choice(({}, {"stream_format": "sse"}))
    return "/v1/audio/speech", {**body, "response_format": wanted, **as_events}


def _elevenlabs(text: str, voice: str, random: Random) -> tuple[str, Mapping[str, Any]]:
    end = random.choice(("", "/stream", "/with-timestamps", "/stream/with-timestamps"))
    wanted = random.choice(("mp3_44100_128", "pcm_16000", "ulaw_8000", "opus_48000_64"))
    return f"/v1/text-to-speech/{quote(voice)}{end}?output_format={wanted}", {"text": text}


def _cartesia(text: str, voice: str, random: Random) -> tuple[str, Mapping[str, Any]]:
    container = random.choice(("raw", "wav"))
    encoding, rate_hz = random.choice((("pcm_f32le", 44_100), ("pcm_s16le", 24_000)))
    audio = {"container": container, "encoding": encoding, "sample_rate": rate_hz}
    return "/tts/bytes", {"transcript": text, "voice": {"id": voice}, "output_format": audio}


def _deepgram(text: str, voice: str, random: Random) -> tuple[str, Mapping[str, Any]]:
    wanted = random.choice(("linear16", "mulaw", "mp3", "flac"))
    return f"/v1/speak?model={quote(voice)}&encoding={wanted}", {"text": text}


def _kokoro(text: str, voice: str, random: Random) -> tuple[str, Mapping[str, Any]]:
    wanted = random.choice(("mp3", "wav"))
    return "/dev/captioned_speech", {"input": text, "voice": voice, "response_format": wanted}


class MixedEndpoint:
    """All APIs of one of our servers that need no WebSocket.

    Args:
        server: its gRPC address.
        channels: to it, of which each call takes one.
        url: of its HTTP APIs.
        session: for them.
        voices: name -> language.
    """

    def __init__(
        self,
        server: TestedServer,
        channels: Sequence[grpc.aio.Channel],
        url: str,
        session: aiohttp.ClientSession,
        voices: Mapping[str, str],
    ) -> None:
        self._server = server
        self._channels = channels
        self._url = url
        self._session = session
        self._voices = voices

    async def speak(self, text: str, seed: int, call: TimedCall) -> None:
        """Receive speech of another text, chosen like everything else by the seed."""
        random = Random(seed)
        voice, language = random.choice([*self._voices.items()])
        text = mixed_text(language, random)
        call.characters = len(text)
        others = [name for name, spoken in self._voices.items() if spoken == language]
        if random.random() < MIXES:
            voice = f"{voice}*0.6+{random.choice(others)}*0.4"
        posts: Sequence[Written] = (_openai, _elevenlabs, _cartesia, _deepgram, _kokoro)
        api = random.randrange(RPCS + len(posts))
        if api < RPCS:
            await self._speak_over_grpc(api, text, voice, random, call)
            return
        path, body = posts[api - RPCS](text, voice, random)
        with noting_http(call):
            async with self._session.post(self._url + path, json=body) as reply:
                if await is_served(reply, call):
                    async for _ in reply.content.iter_any():
                        call.device.receive(call.sent_s, 0.0)

    async def _speak_over_grpc(
        self, api: int, text: str, voice: str, random: Random, call: TimedCall
    ) -> None:
        channels = [random.choice(self._channels)]
        language = self._voices[voice.split("*")[0]]
        server = replace(self._server, voice=voice, language=language)
        if api == 0:
            request = stream_request(text, random.getrandbits(31), voice)
            request.config.encoding = random.choice(ENCODINGS)
            await DlpoEndpoint(server, channels).stream(request, call)
        elif api == 1:
            await DlpoEndpoint(server, channels).speak_tokens(_words(text), call)
        else:
            riva = replace(server, rate_hz=RATES_HZ["riva"])
            await RivaEndpoint(riva, channels).speak(text, 0, call)


async def _words(text: str) -> AsyncIterator[str]:
    for word in text.split():
        yield f"{word} "


@asynccontextmanager
async def open_mixed(
    server: TestedServer, own: LocalServer, options: LoadOptions
) -> AsyncIterator[TextEndpoint]:
    """Connect to all APIs of our server, and close at the end of the block."""
    manifest = Bundle.load(find_voice(options.voice)).manifest
    voices = {name: manifest.language_of(name) for name in manifest.offered_voices}
    connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=None)
    async with AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(
                grpc.aio.insecure_channel(server.address, OWN_CONNECTION)
            )
            for _ in range(options.connections)
        ]
        session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        await stack.enter_async_context(session)
        yield MixedEndpoint(server, channels, own.page_url, session, voices)
