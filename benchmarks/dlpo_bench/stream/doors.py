"""How each protocol is asked for speech; what is heard is the same for all of them."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Protocol

import grpc

from dlpo.errors import InputError
from dlpo.v1 import speech_pb2
from dlpo_bench.load.caller import OWN_CONNECTION, Caller, Heard, ended, stream_request
from dlpo_bench.stream.contestants import Contestant
from dlpo_bench.stream.openai_door import OpenAIDoor
from dlpo_serving.riva.proto import riva_audio_pb2, riva_tts_pb2

CONNECT_S = 10.0
PROBE = "Hello there."
RIVA_METHOD = "/nvidia.riva.tts.RivaSpeechSynthesis/SynthesizeOnline"

_SENTENCE_END = re.compile(r"[.!?][\"')]*\s*$")


class Door(Protocol):
    """Calls to one server. What goes wrong in a call is in `heard`, not raised."""

    async def speak(self, text: str, seed: int, heard: Heard) -> None:
        """Receive the speech of a text as fast as it comes."""
        ...

    async def speak_tokens(self, tokens: AsyncIterator[str], heard: Heard) -> None:
        """Receive the speech of a text that comes in pieces, as early as the protocol can."""
        ...


@asynccontextmanager
async def open_door(contestant: Contestant, connections: int) -> AsyncIterator[Door]:
    """Connect, and close at the end of the block.

    Raises:
        InputError: nothing answers there, or it speaks another protocol.
    """
    if contestant.protocol == "openai":
        async with OpenAIDoor(contestant) as web:
            yield web
        return
    try:
        async with asyncio.timeout(CONNECT_S) as patience:
            await _listens(contestant)
            if contestant.protocol == "dlpo":
                opened: DlpoDoor | RivaDoor = DlpoDoor(contestant, connections)
            else:
                opened = RivaDoor(contestant, connections)
            await opened.connect()
    except TimeoutError as error:
        if not patience.expired():
            raise
        raise InputError(
            f"{contestant.address}: something listens there that does not speak gRPC; give an"
            f" OpenAI-compatible server as http://{contestant.address}/v1, and no server with TLS"
        ) from error
    try:
        yield opened
    finally:
        await opened.close()


async def check_door(contestant: Contestant) -> None:
    """Speak a word or two.

    Raises:
        InputError: nothing answers, or not with speech.
    """
    async with open_door(contestant, 1) as door:
        heard = Heard(time.perf_counter())
        await door.speak(PROBE, 0, heard)
    if heard.first_audio_s is None or heard.failed:
        code = heard.code.name if heard.code else "no status"
        hint = ""
        if contestant.protocol == "openai" and heard.code == grpc.StatusCode.UNAVAILABLE:
            hint = "; is it running? And a gRPC server is given as HOST:PORT, without http://"
        elif contestant.protocol != "openai" and heard.code == grpc.StatusCode.UNIMPLEMENTED:
            hint = f"; it does not serve the protocol {contestant.protocol!r}"
        raise InputError(
            f"{contestant.address}: asked for {PROBE!r}, it gave no speech: {code}"
            f" {heard.detail}".rstrip()
            + hint
        )


class DlpoDoor:
    """dlpo.v1."""

    def __init__(self, contestant: Contestant, connections: int) -> None:
        self._caller = Caller(contestant.address, connections)
        self._voice = contestant.voice

    async def connect(self) -> None:
        await self._caller.__aenter__()

    async def close(self) -> None:
        await self._caller.__aexit__(None, None, None)

    async def speak(self, text: str, seed: int, heard: Heard) -> None:
        request = stream_request(text, seed)
        request.config.voice = self._voice
        await self._caller.listen(request, heard)

    async def speak_tokens(self, tokens: AsyncIterator[str], heard: Heard) -> None:
        async def messages() -> AsyncIterator[speech_pb2.IncrementalSynthesizeRequest]:
            config = speech_pb2.SynthesisConfig(voice=self._voice)
            yield speech_pb2.IncrementalSynthesizeRequest(config=config)
            async for token in tokens:
                yield speech_pb2.IncrementalSynthesizeRequest(text=token)

        await self._caller.listen_typed(messages(), heard)


class RivaDoor:
    """nvidia.riva.tts; a text that comes in pieces is sent sentence by sentence."""

    def __init__(self, contestant: Contestant, connections: int) -> None:
        self._contestant = contestant
        self._channels = [
            grpc.aio.insecure_channel(contestant.address, OWN_CONNECTION)
            for _ in range(connections)
        ]
        self._calls = 0

    async def connect(self) -> None:
        for channel in self._channels:
            await channel.channel_ready()

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()

    async def speak(self, text: str, seed: int, heard: Heard) -> None:
        # Without the seed: NVIDIA's server has none, and refuses what it does not know.
        async def once() -> AsyncIterator[str]:
            yield text

        await self._speak_sentences(once(), heard)

    async def speak_tokens(self, tokens: AsyncIterator[str], heard: Heard) -> None:
        await self._speak_sentences(sentences(tokens), heard)

    async def _speak_sentences(self, texts: AsyncIterator[str], heard: Heard) -> None:
        peer = self._contestant

        async def requests() -> AsyncIterator[riva_tts_pb2.SynthesizeSpeechRequest]:
            async for text in texts:
                yield riva_tts_pb2.SynthesizeSpeechRequest(
                    text=text,
                    language_code="en-US",
                    encoding=riva_audio_pb2.LINEAR_PCM,
                    sample_rate_hz=peer.rate_hz,
                    voice_name=peer.voice,
                )

        self._calls += 1
        call = self._channels[self._calls % len(self._channels)].stream_stream(
            RIVA_METHOD,
            riva_tts_pb2.SynthesizeSpeechRequest.SerializeToString,
            riva_tts_pb2.SynthesizeSpeechResponse.FromString,
        )(requests())
        async with ended(call, heard):
            async for reply in call:
                if reply.audio:
                    seconds = len(reply.audio) / 2 / peer.rate_hz
                    heard.playback.receive(time.perf_counter(), seconds)


async def sentences(tokens: AsyncIterator[str]) -> AsyncIterator[str]:
    """The tokens joined to sentences, each as soon as its last token is there."""
    text = ""
    async for token in tokens:
        text += token
        if _SENTENCE_END.search(text):
            yield text
            text = ""
    if text.strip():
        yield text


async def _listens(contestant: Contestant) -> None:
    """Else gRPC would try for as long as it is let.

    Raises:
        InputError: nothing does.
    """
    host, _, port = contestant.address.rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except OSError as error:
        raise InputError(
            f"{contestant.address}: nothing answers ({error.strerror or error}); is the server"
            " running, and are host and port right?"
        ) from error
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
