"""What the smaller APIs have of their own: Cartesia, Deepgram, jambonz, Kokoro, Riva, Vapi."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import aiohttp
import pytest

from dlpo_serving.errors import UnauthenticatedError
from dlpo_serving.operations.metrics import Metrics
from dlpo_serving.protocols.http.server import ROUTES, build_app
from tests.callers import WAIT_S, fake_voice
from tests.serving.conftest import GatedEngine
from tests.serving.protocols.http.conftest import Client, RunningServer, StartServer
from tests.serving.protocols.http.sockets import (
    audio_of,
    connected,
    converse,
    received,
    send,
)

TEXT = "Your order #42 costs $3.50. Is it 😀 not strange?"
RAW = {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 22_050}
CARTESIA = {"model_id": "sonic-3", "voice": {"mode": "id", "id": "fake"}, "output_format": RAW}
DEEPGRAM = "/v1/speak?model=aura-2-thalia-en&encoding=linear16&sample_rate=22050&container=none"
RIVA = "/v1/realtime?intent=synthesize"
DONE = {"type": "input_text.done"}
ELEVEN = "/v1/text-to-speech/fake"
HI = {"text": "Hi."}
JAMBONZ = "/v1/jambonz?voice=fake;callSid=1-2,env=dev&language=en_US&sampleRate=8000"
FLUSH, STOP = {"type": "flush"}, {"type": "stop"}
Received = list[dict[str, Any] | bytes]


def cartesia(**fields: Any) -> dict[str, Any]:
    return {**CARTESIA, "transcript": "a", **fields}


def vapi(**fields: Any) -> dict[str, Any]:
    message = {"type": "voice-request", "text": TEXT, "sampleRate": 16_000, "call": {"id": "a"}}
    return {"message": {**message, **fields}}


@pytest.fixture(scope="module")
def whole(server: RunningServer) -> bytes:
    """The samples of the text."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        client = Client(stack)
        fields = {"input": TEXT, "sample_rate": 22_050}
        return client.speak(server, **fields).read()


def events(received: Received, kind: str) -> list[Any]:
    return [one for one in received if isinstance(one, dict) and one["type"] == kind]


def written(timestamps: list[Any]) -> list[str]:
    return [word for one in timestamps for word in one["word_timestamps"]["words"]]


def test_cartesias_voices(server: RunningServer, client: Client) -> None:
    def page(query: str) -> Any:
        return json.loads(client.get(server, f"/voices?{query}").read())

    [voice] = page("limit=1&q=FA")["data"]
    assert (voice["id"], voice["language"], page("")["has_more"]) == ("fake", "en", False)
    assert json.loads(client.get(server, "/voices/fake").read()) == voice
    for none in ("q=nobody", "starting_after=fake", "gender=masculine"):
        assert page(none)["data"] == []
    for limit in ("0", "101", "x"):
        assert "1 to 100" in page(f"limit={limit}")["error"]["message"]
    assert client.get(server, "/voices/nobody").status == 404


def test_cartesias_events_have_phonemes_and_an_end(server: RunningServer, client: Client) -> None:
    asked = cartesia(transcript=TEXT, add_phoneme_timestamps=True)
    reply = client.post(server, asked, path="/tts/sse")
    sent = [line[6:] for line in reply.read().decode().splitlines() if line.startswith("data: ")]
    received: Received = [json.loads(line) for line in sent]
    phonemes = events(received, "phoneme_timestamps")[0]["phoneme_timestamps"]
    assert len(phonemes["phonemes"]) == len(phonemes["start"]) == len(phonemes["end"])
    assert received[-1] == {"type": "done", "done": True, "status_code": 200}


def test_captions_and_audio_come_in_one_object(
    server: RunningServer, client: Client, whole: bytes
) -> None:
    asked = {"input": TEXT, "response_format": "pcm", "sample_rate": 22_050, "voice": "af_heart"}
    reply = client.post(server, {**asked, "stream": False}, path="/dev/captioned_speech")
    spoken = json.loads(reply.read())
    assert base64.b64decode(spoken["audio"]) == whole
    assert [one["word"] for one in spoken["timestamps"]] == TEXT.split()
    tagged = {
        **asked,
        "input": f"[rate:0.8]{TEXT} [pause:1s][voice:af_heart]{TEXT}",
        "allow_voice_tags": True,
    }
    slower = client.post(server, {**tagged, "stream": False}, path="/dev/captioned_speech")
    spoken = json.loads(slower.read())
    assert len(base64.b64decode(spoken["audio"])) > 2.1 * len(whole) + 2 * 22_050
    assert [one["word"] for one in spoken["timestamps"]] == 2 * TEXT.split()
    reply = client.post(server, b'"af_a(2)+af_b(1)"', path="/v1/audio/voices/combine")
    assert "give the mix as the voice" in json.loads(reply.read())["error"]["message"]


async def test_cartesia_says_when_a_flush_is_spoken(server: RunningServer) -> None:
    def message(text: str, **fields: Any) -> dict[str, Any]:
        return {**CARTESIA, "context_id": "a", "transcript": text, "continue": True, **fields}

    one, two = "Noise becomes speech. ", "Is it not strange? "
    heard = await converse(
        server, "/tts/websocket", message(one, flush=True), message(two, flush=True),
        message("", flush=True), message(one, **{"continue": False}),
        until=lambda one: one["type"] == "done",
    )  # fmt: skip
    parts: list[float] = [0.0]
    for event in heard:
        assert isinstance(event, dict)
        assert event["context_id"] == "a"
        if event["type"] == "flush_done":
            assert (event["flush_id"], event["done"]) == (len(parts), False)
            parts.append(0.0)
        elif event["type"] == "chunk":
            parts[-1] += len(base64.b64decode(event["data"])) / 2 / 22_050
    assert [part > 0.5 for part in parts] == [True, True, False, True]


async def test_deepgram_says_when_a_flush_is_spoken(server: RunningServer, whole: bytes) -> None:
    speak = {"type": "Speak", "text": TEXT}
    flush = {"type": "Flush"}
    heard = await converse(
        server, DEEPGRAM, speak, flush, speak, flush,
        until=lambda one: one.get("sequence_id") == 1,
    )  # fmt: skip
    assert events(heard, "Metadata") == heard[:1]
    first = next(i for i, one in enumerate(heard) if one in events(heard, "Flushed"))
    assert audio_of(heard[:first]) == audio_of(heard[first:]) == whole
    assert [one["sequence_id"] for one in events(heard, "Flushed")] == [0, 1]


async def test_deepgrams_clear_drops_what_waits(
    gated_server: StartServer, gated_engine: GatedEngine
) -> None:
    server = gated_server()
    async with connected(server, DEEPGRAM) as socket:
        await socket.receive_json()
        long = {"type": "Speak", "text": "Long. " * 100}
        await send(socket, *[long, {"type": "Flush"}] * 3)
        await asyncio.to_thread(gated_engine.waiting.acquire, timeout=WAIT_S)
        await send(socket, {"type": "Clear"})
        assert await socket.receive_json() == {"type": "Cleared", "sequence_id": 0}
        gated_engine.free()
        await send(socket, {"type": "Speak", "text": "Hi."}, {"type": "Close"})
        heard = await received(socket)
    assert [one for one in heard if isinstance(one, dict)] == [
        {"type": "Flushed", "sequence_id": 1}
    ]
    assert 0 < len(audio_of(heard)) / 2 / 22_050 < 3


def appended(text: str) -> dict[str, str]:
    return {"type": "input_text.append", "text": text}


def is_last(event: dict[str, Any]) -> bool:
    return event.get("is_last_result") is True


def speech_of(received: Received) -> bytes:
    data = events(received, "conversation.item.speech.data")
    return b"".join(base64.b64decode(one["audio"]) for one in data)


async def test_rivas_realtime_speaks_texts_in_turn(server: RunningServer, whole: bytes) -> None:
    commit = {"type": "input_text.commit"}
    pieces = [appended(TEXT[start : start + 7]) for start in range(0, len(TEXT), 7)]
    voice = {"voice_name": "fake", "language_code": "en-US"}
    update = {"type": "synthesize_session.update", "session": {"input_text_synthesis": voice}}
    text = *pieces, commit
    heard = await converse(server, RIVA, update, *text, *text, DONE, until=is_last)
    assert speech_of(heard) == 2 * whole
    begun = ["conversation.created", "synthesize_session.updated"]
    assert [one["type"] for one in heard[:2] if isinstance(one, dict)] == begun
    (updated,) = events(heard, begun[1])
    assert updated["session"]["input_text_synthesis"] == voice
    completed = events(heard, "conversation.item.speech.completed")
    assert "order" in completed[0]["synthesis_metadata"]["processed_text"]


@pytest.mark.parametrize(
    ("session", "message"),
    [
        ({"output_audio_params": {"audio_format": "MP3"}}, "expected LINEAR_PCM, OGGOPUS"),
        ({"output_audio_params": {"sample_rate_hz": "x" * 9_000}}, "expected a whole number"),
        ({"zero_shot_config": {"audio_prompt_bytes": "AAAA"}}, "imitate a recording"),
        ({"custom_dictionary": "a" * 250_000}, "characters; expected"),
        ({"input_text_synthesis": {"voice_name": "x" * 9_000}}, "9000 characters; expected"),
        ({"input_text_synthesis": {"language_code": "tlh"}}, "language_code: is 'tlh'"),
        ({"custom_configuration": {"seed": "1e9"}}, "expected a whole number"),
        ({"custom_configuration": {"loudness": 1}}, "this server knows speed"),
    ],
)
async def test_rivas_session_names_what_it_cannot_do(
    server: RunningServer, session: dict[str, Any], message: str
) -> None:
    update = {"type": "synthesize_session.update", "session": session}
    heard = await converse(server, RIVA, update, until=lambda one: one["type"] == "error")
    assert message in events(heard, "error")[0]["error"]["message"]


async def test_rivas_realtime_takes_settings(server: RunningServer, client: Client) -> None:
    told = json.loads(client.post(server, {}, path="/v1/realtime/synthesis_sessions").read())
    assert told["input_text_synthesis"]["voice_name"] == "fake"
    assert told["client_secret"] is None
    voices = client.get(server, "/v1/audio/list_voices")
    assert json.loads(voices.read()) == {"en-US": {"voices": ["fake"]}}
    settings = {"speed": "1.2", "seed": "7", "lead_in_s": "0.5"}
    session = {"custom_configuration": settings, "output_audio_params": {"sample_rate_hz": 16_000}}
    update = {"type": "synthesize_session.update", "session": session}
    heard = await converse(server, RIVA, update, appended(TEXT), DONE, until=is_last)
    asked = {"speed": 1.2, "seed": 7, "lead_in_s": 0.5, "sample_rate": 16_000}
    assert speech_of(heard) == client.speak(server, input=TEXT, **asked).read()


@pytest.mark.parametrize(
    ("path", "fields", "message"),
    [
        (f"{ELEVEN}?output_format=pcm_1", HI, "output_format: is 1; expected 8000 to 48000"),
        (f"{ELEVEN}?output_format=gsm_8000", HI, "pcm_RATE, mp3_RATE"),
        (f"{ELEVEN}?output_format=pcm_{'1' * 5000}", HI, "pcm_RATE, mp3_RATE"),
        (f"{ELEVEN}?output_format=pcm_", HI, "pcm_RATE, mp3_RATE"),
        (ELEVEN, {}, "text: is absent; expected a string"),
        (f"{ELEVEN}/with-timestamps", {"text": ""}, "text"),
        (f"{ELEVEN}/with-timestamps?output_format=pcm_22050", {"text": "Hi. " * 2_200}, "longer"),
        ("/tts/bytes", cartesia(transcript=1), "transcript: is 1; expected a string"),
        ("/tts/sse", cartesia(voice={"embedding": []}), "has no id"),
        ("/tts/bytes", cartesia(output_format=1), "an object"),
        ("/tts/bytes", cartesia(output_format={"encoding": "x"}), "pcm_s16le"),
        ("/tts/bytes", cartesia(generation_config={"volume": 0}), "above 0"),
        ("/v1/speak?encoding=gsm", HI, "encoding: is 'gsm'; expected linear16, mulaw"),
        ("/v1/speak?sample_rate=x", HI, "expected a number"),
        ("/v1/speak", {"url": "https://a.example"}, "text: is absent; expected a string"),
        ("/dev/captioned_speech", HI, "is missing"),
        ("/v1/jambonz", {"text": 1}, "text: is 1; expected a string"),
        ("/v1/vapi", vapi(type="status-update"), "type: is 'status-update'; expected"),
        ("/v1/vapi", vapi(text=None), "text: is absent"),
        ("/v1/vapi", vapi(text=""), "text: "),
        ("/v1/vapi", vapi(sampleRate="x"), "sampleRate: is 'x'"),
        ("/v1/vapi", vapi(sampleRate=1), "sampleRate: "),
        ("/v1/vapi", vapi(voiceId="zoe"), "voice is 'zoe'"),
        ("/v1/vapi", vapi(voice={"voiceId": "zoe"}), "voice is 'zoe'"),
        ("/v1/vapi", vapi(assistant={"voice": {"voiceId": "zoe"}}), "voice is 'zoe'"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str) else "",
)
def test_a_wrong_request_says_what_is_expected(
    server: RunningServer, client: Client, path: str, fields: Any, message: str
) -> None:
    reply = client.post(server, fields, path=path)
    assert reply.status == (404 if "zoe" in message else 400)
    assert message in json.loads(reply.read())["error"]["message"]


@pytest.mark.parametrize(
    ("path", "sent"),
    [(DEEPGRAM, {"type": "Stop"}), ("/tts/websocket", {"transcript": 1, "context_id": "a"})],
)
async def test_a_wrong_message_ends_the_connection(
    server: RunningServer, path: str, sent: dict[str, Any]
) -> None:
    heard = await converse(server, path, sent, until=lambda one: "rror" in one["type"])
    assert "expected" in json.dumps(heard[-1])


def streamed(text: str) -> dict[str, Any]:
    return {"type": "stream", "text": text}


async def test_jambonz_hears_text_in_pieces(server: RunningServer, client: Client) -> None:
    whole = client.speak(server, input=TEXT, sample_rate=8_000).read()
    first, _, rest = TEXT.partition(" Is ")
    pieces = streamed(first), {"type": "keepalive"}, streamed(f"Is {rest}")
    audio = {"sample_rate": 8_000, "base64_encoding": False}
    async with connected(server, JAMBONZ) as socket:
        assert await socket.receive_json() == {"type": "connect", "data": audio}
        for _ in range(2):
            await send(socket, *pieces, streamed("\n"), FLUSH)
            audio = b""
            while len(audio) < len(whole):
                audio += await socket.receive_bytes(timeout=WAIT_S)
            assert audio == whole
        await send(socket, STOP)
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE


@pytest.mark.parametrize(
    ("path", "status"),
    [("jambonz?language=de_DE", 400), ("jambonz?sampleRate=x", 400), ("speak?model=zoe", 404)],
)
async def test_a_call_is_refused_before_the_handshake(
    server: RunningServer, path: str, status: int
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await converse(server, f"/v1/{path}")
    assert refused.value.status == status


async def test_jambonz_gets_errors_as_messages(server: RunningServer) -> None:
    async with connected(server, JAMBONZ) as socket:
        await socket.receive_json()
        await send(socket, streamed("..."), FLUSH)
        assert (await socket.receive_json())["type"] == "error"
        await send(socket, {"type": "speak"})
        assert "expected stream, flush" in (await socket.receive_json())["error"]


def test_vapi_gets_samples_at_its_rate(server: RunningServer, client: Client) -> None:
    expected = client.speak(server, input=TEXT, sample_rate=16_000).read()
    long = {"artifact": {"messages": ["word " * 100] * 2_000}}  # the conversation so far
    for path, fields in (
        ("/v1/vapi", {}),
        ("/v1/vapi", long),
        ("/v1/vapi?voice=fake&language=en-US", {"voiceId": "ignored"}),
    ):
        reply = client.post(server, vapi(**fields), path=path)
        assert reply.read() == expected


def test_without_a_key_only_page_and_probes_answer(
    start_server: StartServer, client: Client
) -> None:
    def authorize(token: str) -> str:
        raise UnauthenticatedError("unknown")

    server = start_server(fake_voice(), authorize=authorize)
    public = (
        "/docs",
        "/favicon.ico",
        "/health",
        "/healthz",
        "/metrics",
        "/openapi.json",
        "/readyz",
    )
    routes = build_app(server.service, Metrics())[ROUTES]
    assert len(routes) > 30
    for verb, path in routes:
        if path in ("/", *public) or path.startswith("/page/"):
            assert client.get(server, path).status == 200, path
        else:
            asked = path.replace("{", "").replace("}", "")
            reply = (
                client.get(server, asked) if verb == "GET" else client.post(server, {}, path=asked)
            )
            assert reply.status == 401, path
