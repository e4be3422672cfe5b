"""What jambonz's WebSocket and Vapi's custom voice have of their own."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from tests.callers import WAIT_S
from tests.serving.protocols.http.conftest import TEXT, Client, RunningServer
from tests.serving.protocols.http.sockets import connected, send
from tests.serving.spoken_by import converse

JAMBONZ = "/v1/jambonz?voice=fake;callSid=1-2,env=dev&language=en_US&sampleRate=8000"
FLUSH, STOP = {"type": "flush"}, {"type": "stop"}


def streamed(text: str) -> dict[str, Any]:
    return {"type": "stream", "text": text}


async def audio_of(socket: aiohttp.ClientWebSocketResponse, length: int) -> bytes:
    """So many bytes of audio, or more."""
    audio = b""
    while len(audio) < length:
        audio += await socket.receive_bytes(timeout=WAIT_S)
    return audio


def voice_request(**fields: Any) -> dict[str, Any]:
    message = {"type": "voice-request", "text": TEXT, "sampleRate": 16_000, "call": {"id": "a"}}
    return {"message": {**message, **fields}}


async def test_jambonz_hears_text_in_pieces(server: RunningServer, client: Client) -> None:
    whole = client.speak(server, sample_rate=8_000).read()
    first, _, rest = TEXT.partition(" Is ")
    pieces = streamed(first), {"type": "keepalive"}, streamed(f"Is {rest}")
    audio = {"sample_rate": 8_000, "base64_encoding": False}
    async with connected(server, JAMBONZ) as socket:
        assert await socket.receive_json() == {"type": "connect", "data": audio}
        for _ in range(2):
            await send(socket, *pieces, streamed("\n"), FLUSH)
            assert await audio_of(socket, len(whole)) == whole
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
        await converse(f"{server.url}/v1/{path}", until=bool)
    assert refused.value.status == status


async def test_jambonz_gets_errors_as_messages(server: RunningServer) -> None:
    async with connected(server, JAMBONZ) as socket:
        await socket.receive_json()
        await send(socket, streamed("..."), FLUSH)
        assert (await socket.receive_json())["type"] == "error"
        await send(socket, {"type": "speak"})
        assert "expected stream, flush" in (await socket.receive_json())["error"]


def test_vapi_gets_samples_at_its_rate(server: RunningServer, client: Client) -> None:
    expected = client.speak(server, sample_rate=16_000).read()
    long = {"artifact": {"messages": ["word " * 100] * 2_000}}  # the conversation so far
    for path, fields in (
        ("/v1/vapi", {}),
        ("/v1/vapi", long),
        ("/v1/vapi?voice=fake&language=en-US", {"voiceId": "ignored"}),
    ):
        reply = client.post(server, voice_request(**fields), path=path)
        assert reply.read() == expected


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"type": "status-update"}, "type: is 'status-update'; expected"),
        ({"text": None}, "text: is absent"),
        ({"sampleRate": "x"}, "sampleRate: is 'x'"),
        ({"sampleRate": 1}, "sampleRate: "),
        ({"voiceId": "zoe"}, "voice is 'zoe'"),
        ({"voice": {"voiceId": "zoe"}}, "voice is 'zoe'"),
        ({"assistant": {"voice": {"voiceId": "zoe"}}}, "voice is 'zoe'"),
        ({"text": ""}, "text: "),
    ],
)
def test_errors_to_vapi_say_what_is_expected(
    server: RunningServer, client: Client, fields: dict[str, Any], message: str
) -> None:
    reply = client.post(server, voice_request(**fields), path="/v1/vapi")
    assert message in json.loads(reply.read())["error"]["message"]
