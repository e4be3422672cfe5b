"""A bundle with voices of two languages: which of them speaks a text."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import aiohttp
import grpc
import pytest

from dlpo.bundle import Manifest
from dlpo.errors import BundleError
from dlpo.v1 import speech_pb2
from dlpo_serving.errors import RequestError
from dlpo_serving.protocols.riva.proto.riva_tts_pb2 import (
    SynthesizeSpeechRequest,
    SynthesizeSpeechResponse,
)
from dlpo_serving.request import SpeechRequest, check_request
from tests.callers import WAIT_S, fake_voice
from tests.fake_engine import FakeEngine, fake_manifest
from tests.serving.conftest import RunningServer

LANGUAGES = {"ann": "en-US", "dora": "es-419"}
BILINGUAL = replace(fake_manifest("ann"), voices=("ann", "dora"), voice_languages=LANGUAGES)
SPANISH = "veintiuna niñas"
TEXT = "21 niñas."


class Bilingual(FakeEngine):
    def __init__(self, manifest: Manifest = BILINGUAL) -> None:
        super().__init__()
        self.manifest = manifest

    def speaking(self, voice: str) -> Bilingual:
        return Bilingual(self.manifest.with_voice(voice))


def test_manifest_names_a_language_per_voice() -> None:
    assert BILINGUAL.with_voice("dora").language == "es-419"
    assert BILINGUAL.with_voice("dora").with_voice("ann").language == "en-US"
    assert BILINGUAL.with_voice("ann*0.3+dora*0.7").language == "es-419"
    assert BILINGUAL.named("x").voice_languages == {"x": "en-US", "x-1": "es-419"}
    assert b"voice_languages" not in fake_manifest().to_json()
    with pytest.raises(BundleError, match="voice_languages has ann; expected each of voices once"):
        Manifest.from_json(replace(BILINGUAL, voice_languages={"ann": "en-US"}).to_json())


@pytest.mark.parametrize(
    ("language", "asked", "speaks"),
    [
        ("es-419", "es", True),
        ("es-419", "es-MX", True),
        ("es-419", "es-ES", False),
        ("es-ES", "es", True),
        ("es-419", "en", False),
        ("es-419", "", True),
    ],
)
def test_voice_of_the_americas_speaks_their_languages(
    language: str, asked: str, speaks: bool
) -> None:
    assert replace(fake_manifest(), language=language).speaks(asked) is speaks


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (SpeechRequest("Hola", language="es"), "language"),
        (SpeechRequest('<speak xml:lang="es">Hola</speak>'), "text"),
    ],
)
def test_language_that_a_voice_lacks_is_refused(request_: SpeechRequest, field: str) -> None:
    with pytest.raises(RequestError, match="speaks en-US") as caught:
        check_request(request_, fake_manifest())
    assert [violation.field for violation in caught.value.violations] == [field]


@pytest.mark.parametrize(
    ("text", "voice", "language", "expected"),
    [
        ("21 niñas", "", "es", ("dora", SPANISH)),
        ("21 niñas", "", "es-MX", ("dora", SPANISH)),
        ("21 niñas", "dora", "", ("dora", SPANISH)),
        ('<speak xml:lang="es">21 niñas</speak>', "", "", ("dora", SPANISH)),
        ("21 girls", "", "", ("ann", "twenty one girls")),
        ("Esta es una prueba de que el 1 no está.", "", "", ("dora", None)),
        ("21 girls", "", "en", ("ann", "twenty one girls")),
    ],
)
def test_voice_is_chosen_by_the_language(
    bilingual: Callable[..., tuple[str, str]],
    text: str,
    voice: str,
    language: str,
    expected: tuple[str, str | None],
) -> None:
    spoken_by, said = bilingual(text, voice, language)
    assert spoken_by == expected[0]
    assert expected[1] is None or said == expected[1]


def test_named_voice_of_another_language_is_an_error(
    bilingual: Callable[..., tuple[str, str]],
) -> None:
    with pytest.raises(grpc.RpcError, match="'es'; voice 'ann' speaks en-US"):
        bilingual("21 niñas", "ann", "es")


async def by_http(server: RunningServer, language: str) -> bytes:
    body = {"input": TEXT, "response_format": "pcm", "sample_rate": 22_050, "language": language}
    async with (
        aiohttp.ClientSession() as session,
        session.post(server.http_url + "v1/audio/speech", json=body) as reply,
    ):
        return await reply.read() if reply.ok else (await reply.text()).encode()


async def by_socket(
    server: RunningServer, path: str, *messages: dict[str, Any], last: str
) -> bytes:
    """The audio in base64 of the replies, up to one that has `last` in it."""
    audio = b""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(server.http_url + path.lstrip("/")) as socket,
    ):
        for message in messages:
            await socket.send_json(message)
        async for reply in socket:
            fields = json.loads(reply.data)
            if "error" in fields:
                return reply.data.encode()
            given = fields.get("delta" if "audio.delta" in fields.get("type", "") else "audio")
            audio += base64.b64decode(given or "")
            if last in reply.data:
                break
    return audio or reply.data.encode()


async def by_own_socket(server: RunningServer, language: str) -> bytes:
    begin = {"type": "begin", "audio": "base64", "language": language, "sample_rate": 22_050}
    begin, path = begin | {"input": TEXT}, "/v1/audio/speech/stream"
    return await by_socket(server, path, begin, {"type": "end"}, last="speech.done")


def of_elevenlabs(kind: str) -> Callable[[RunningServer, str], Awaitable[bytes]]:
    """ElevenLabs' path, in whose words every voice of theirs is our default."""

    async def speak(server: RunningServer, language: str) -> bytes:
        path = f"/v1/text-to-speech/hpp4J3VqNfWAUOO0d1Us/{kind}?output_format=pcm_22050"
        context = {"context_id": "one"} if kind.startswith("multi") else {}
        end = {"close_context": True} if context else {"text": ""}
        messages = {"text": " "} | context, {"text": TEXT} | context, end | context
        path += f"&language_code={language}"
        return await by_socket(server, path, *messages, last='"isFinal": true')

    return speak


async def by_realtime(server: RunningServer, language: str) -> bytes:
    output = {"format": {"type": "audio/pcm", "rate": 22_050}, "language": language}
    content = [{"type": "input_text", "text": TEXT}]
    item = {"type": "message", "role": "user", "content": content}
    response = {"audio": {"output": output}, "input": [item]}
    create = {"type": "response.create", "response": response}
    return await by_socket(server, "/v1/realtime", create, last="response.done")


async def by_riva(server: RunningServer, language: str) -> bytes:
    request = SynthesizeSpeechRequest(text=TEXT, language_code=language, sample_rate_hz=22_050)
    synthesize = server.channel.unary_unary(
        "/nvidia.riva.tts.RivaSpeechSynthesis/Synthesize",
        SynthesizeSpeechRequest.SerializeToString,
        SynthesizeSpeechResponse.FromString,
    )
    try:
        return (await asyncio.to_thread(synthesize, request, timeout=WAIT_S)).audio
    except grpc.RpcError as error:
        return str(error).encode()


async def by_wyoming(server: RunningServer, language: str) -> bytes:
    pytest.importorskip("wyoming", reason="wyoming is not installed")
    from wyoming.client import AsyncTcpClient
    from wyoming.tts import Synthesize, SynthesizeVoice

    audio = b""
    async with AsyncTcpClient.from_uri(f"tcp://{server.wyoming_address}") as client:
        await client.write_event(Synthesize(TEXT, SynthesizeVoice(language=language)).event())
        while event := await client.read_event():
            if event.type == "error":
                return str(event.data).encode()
            audio += event.payload or b""
            if event.type == "audio-stop":
                break
    return audio


@pytest.mark.parametrize(
    "speak",
    [
        by_http, by_own_socket, of_elevenlabs("stream-input"), of_elevenlabs("multi-stream-input"),
        by_realtime, by_riva, by_wyoming,
    ],
)  # fmt: skip
async def test_every_protocol_reads_its_language_field(
    bilingual_server: RunningServer, speak: Callable[[RunningServer, str], Awaitable[bytes]]
) -> None:
    request = speech_pb2.SynthesizeRequest(
        text=TEXT, config=speech_pb2.SynthesisConfig(voice="dora", language="es")
    )
    by_grpc = await asyncio.to_thread(bilingual_server.stub.Synthesize, request, timeout=WAIT_S)
    assert await speak(bilingual_server, "es") == by_grpc.audio
    assert await speak(bilingual_server, "en") != by_grpc.audio
    assert b"'de'" in await speak(bilingual_server, "de")


@pytest.fixture(scope="module")
def bilingual_server() -> Iterator[RunningServer]:
    from tests.serving.conftest import running_server

    with running_server(fake_voice(Bilingual()), http_port=0, wyoming_port=0) as server:
        yield server


@pytest.fixture
def bilingual(bilingual_server) -> Callable[..., tuple[str, str]]:  # type: ignore[no-untyped-def]
    """Text, voice, language -> the voice that speaks it, and its words."""

    def speak(text: str, voice: str, language: str) -> tuple[str, str]:
        config = speech_pb2.SynthesisConfig(voice=voice, language=language)
        document = {"ssml" if text.startswith("<speak") else "text": text}
        request = speech_pb2.SynthesizeRequest(config=config, **document)
        info = next(bilingual_server.stub.StreamSynthesize(request)).info
        return info.voice, info.processed_text

    return speak
