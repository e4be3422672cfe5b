"""Text in and audio out over a WebSocket, by aiohttp's client."""

from __future__ import annotations

import asyncio
import base64
import runpy
import wave
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dlpo_serving.protocols.http import speech_socket
from dlpo_serving.protocols.http.requests import HttpLimits
from tests.callers import WAIT_S, fake_voice
from tests.serving.conftest import GatedEngine
from tests.serving.protocols.http.conftest import TEXT, Client, RunningServer, StartServer, us_alone
from tests.serving.protocols.http.sockets import audio_of, connected, converse, received, send

OWN = "/v1/audio/speech/stream"
CONTEXTS = "/v1/text-to-speech/hpp4J3VqNfWAUOO0d1Us/multi-stream-input?output_format=pcm_24000"
BEGIN = {"type": "begin", "seed": 3}
Events = list[dict[str, Any]]


async def spoken(
    server: RunningServer, *sent: Any, path: str = OWN, **headers: str
) -> tuple[Events, bytes]:
    """The events and the audio that messages get."""
    return parted(await converse(server, path, *sent, **headers))


def parted(received: list[Any]) -> tuple[Events, bytes]:
    return [one for one in received if isinstance(one, dict)], audio_of(received)


def pieces(text: str = TEXT, size: int = 7) -> list[dict[str, Any]]:
    parts = [text[i : i + size] for i in range(0, len(text), size)]
    return [*({"type": "text", "text": part} for part in parts), {"type": "end"}]


async def test_text_in_pieces_equals_the_route(server: RunningServer, client: Client) -> None:
    whole = client.speak(server, seed=3).read()
    messages, audio = await spoken(
        server, {**BEGIN, "sample_rate": 24_000, "audio": None, "response_format": None}, *pieces()
    )
    assert audio == whole
    info, *chunks, done = messages
    assert (info["type"], done["type"]) == ("speech.info", "speech.done")
    assert done["samples"] == len(audio) // 2
    words = [word for chunk in chunks for word in chunk["words"]]
    assert [TEXT[w["start_character"] : w["stop_character"]].strip(".,? ") for w in words][:3] == [
        "Noise", "becomes", "speech",
    ]  # fmt: skip
    encoded, none = await spoken(
        server, {**BEGIN, "sample_rate": 24_000, "audio": "base64", "input": TEXT}, {"type": "end"}
    )
    assert none == b""
    assert b"".join(base64.b64decode(m["audio"]) for m in encoded[1:-1]) == whole


async def turn(socket: aiohttp.ClientWebSocketResponse, *sent: Any, last: str) -> tuple[Any, bytes]:
    """The last message of an utterance, and its audio."""
    await send(socket, *sent)
    audio = b""
    while True:
        message = await socket.receive(WAIT_S)
        if message.type is aiohttp.WSMsgType.BINARY:
            audio += message.data
        elif (read := message.json())["type"] == last:
            return read, audio


async def test_a_conversation_has_one_connection(server: RunningServer, client: Client) -> None:
    whole = client.speak(server, seed=3).read()
    begin = {**BEGIN, "sample_rate": 24_000, "keep_open": True}
    async with connected(server, OWN) as socket:
        _, first = await turn(socket, begin, *pieces(), last="speech.done")
        # What comes late for the utterance before is dropped.
        late = {"type": "cancel"}, {"type": "text", "text": "late"}
        _, second = await turn(socket, *late, begin, *pieces(), last="speech.done")
        long = {"type": "text", "text": "And so on. " * 40}
        await turn(socket, begin, long, {"type": "cancel"}, last="speech.cancelled")
        third = {**begin, "keep_open": False, "input": TEXT}
        _, last = await turn(socket, third, {"type": "end"}, last="speech.done")
        assert (await socket.receive(WAIT_S)).type is aiohttp.WSMsgType.CLOSE
    assert first == second == last == whole


async def test_a_refused_turn_of_a_conversation_ends_alone(
    server: RunningServer, client: Client
) -> None:
    begin = {**BEGIN, "sample_rate": 24_000, "keep_open": True}
    end = {"type": "end"}
    refused = {
        "voice": {**begin, "voice": "nobody"},
        "speed": {**begin, "speed": 9},
        "text": {**begin, "input": "..."},
    }
    async with connected(server, OWN) as socket:
        for param, message in refused.items():
            error, _ = await turn(socket, message, end, last="error")
            assert error["error"]["param"] == param
        # The next one may come before the last is refused.
        await send(socket, {**begin, "input": "..."}, end, begin, *pieces())
        await turn(socket, last="error")
        _, spoken = await turn(socket, last="speech.done")
    assert spoken == client.speak(server, seed=3).read()


async def test_an_utterance_may_follow_before_the_end_of_the_last(server: RunningServer) -> None:
    async with connected(server, OWN) as socket:
        await send(socket, BEGIN, *pieces(), {**BEGIN, "input": TEXT}, {"type": "end"})
        _, first = await turn(socket, last="speech.done")
        _, second = await turn(socket, last="speech.done")
    assert first == second != b""


async def test_a_field_that_a_conversation_has_no_use_for_is_warned_of(
    server: RunningServer,
) -> None:
    begin = {**BEGIN, "stream_format": "sse", "input": "Hi."}
    info, *_ = await converse(server, OWN, begin, {"type": "end"})
    assert info["warnings"] == ["unknown fields were ignored: 'stream_format'"]


async def test_a_whole_document_is_taken(server: RunningServer, client: Client) -> None:
    document = "<speak>Noise <break time='300ms'/> becomes speech.</speak>"
    whole = client.speak(server, input=document, seed=3).read()
    begin = {**BEGIN, "sample_rate": 24_000, "input": document, "audio": None}
    for sent in ([begin], [begin, {"type": "end"}]):
        messages, audio = await spoken(server, *sent)
        assert (messages[-1]["type"], audio) == ("speech.done", whole)


async def test_a_cancel_stops_the_audio_and_says_what_was_heard(
    gated_server: StartServer, gated_engine: GatedEngine
) -> None:
    async with connected(gated_server(), OWN) as socket:
        await send(socket, {**BEGIN, "input": "First words. " * 40}, {"type": "end"})
        await socket.receive_json()
        gated_engine.permits.release()
        chunk = await socket.receive_json()
        await socket.receive_bytes()
        await send(socket, {"type": "cancel", "played_s": chunk["words"][0]["start_s"]})
        (*_, cancelled), audio = parted(await received(socket))
    gated_engine.free()
    assert audio == b""
    assert cancelled["type"] == "speech.cancelled"
    assert cancelled["played_s"] <= cancelled["sent_s"]
    assert cancelled["characters"] <= len("First words.")


@pytest.mark.parametrize(
    ("sent", "param", "message"),
    [
        ([{"type": "text", "text": "a"}], "type", "expected begin first"),
        ([{**BEGIN, "audio": "mp3"}], "audio", "expected binary or base64"),
        ([{**BEGIN, "keep_open": 1}], "keep_open", "true or false"),
        ([{**BEGIN, "speed": 9}], "speed", "expected 0.25 to 4"),
        (["{"], None, "not JSON"),
        (["[]"], None, "expected a JSON object"),
        ([b""], None, "expected a JSON object"),
        ([BEGIN, {"type": "stop"}], "type", "expected text, flush, end or cancel"),
        ([BEGIN, {"type": "text"}], "text", "expected a string"),
        ([BEGIN, {"type": "cancel", "played_s": -1}], "played_s", "0 or more"),
    ],
)
async def test_a_wrong_message_is_named_and_ends_the_connection(
    server: RunningServer, sent: list[dict[str, Any] | str | bytes], param: str | None, message: str
) -> None:
    *_, last = await converse(server, OWN, *sent)
    assert last["type"] == "error"
    assert last["error"]["param"] == param
    assert message in last["error"]["message"]


async def test_origins_are_checked(start_server: StartServer) -> None:
    app, known = "https://app.example", {"Authorization": "Bearer secret"}
    server = start_server(fake_voice(), HttpLimits(origins=(app,)), authorize=us_alone)
    for origin in ("https://evil.example", "http://["):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await converse(server, OWN, BEGIN, **known, Origin=origin)
        assert refused.value.status == 403
    ours = ({**known, "Origin": origin} for origin in (app, server.url))
    for headers in ({"xi-api-key": "secret"}, *ours):  # a key of any API opens each
        *_, last = await converse(server, OWN, BEGIN, *pieces(), **headers)
        assert last["type"] == "speech.done"


async def test_contexts_of_one_connection_are_spoken_each_for_itself(
    server: RunningServer, client: Client
) -> None:
    whole = client.speak(server, voice="").read()
    names = ("a", "default")
    begin = [{"text": " ", "context_id": name, "voice_settings": {}} for name in names]
    text = [{"text": TEXT, "context_id": "a"}, {"text": TEXT}]
    refused = {"text": "<speak>Not in pieces.</speak>", "context_id": "refused"}
    alive = [{"text": ""}, {"text": "", "context_id": "a"}, {"context_id": "c", "flush": True}]

    heard: dict[str, Events] = {name: [] for name in names}
    async with connected(server, CONTEXTS) as socket:
        end = {"context_id": "a", "close_context": True}, {"close_socket": True}
        await send(socket, *begin, *alive, refused, *text, *end)
        while not all(came and came[-1]["isFinal"] for came in heard.values()):
            message = await socket.receive_json()
            if message["contextId"] == "refused":
                assert "SSML" in message["message"]  # and the others go on
            else:
                heard[message["contextId"]].append(message)
    for *chunks, _ in heard.values():
        assert b"".join(base64.b64decode(chunk["audio"]) for chunk in chunks) == whole
    await asyncio.to_thread(server.call, asyncio.wait_for(server.service._idle.wait(), WAIT_S))
    many = [{"text": " ", "context_id": str(number)} for number in range(6)]
    assert "one more than the 5" in (await converse(server, CONTEXTS, *many))[-1]["message"]


@pytest.mark.parametrize("leaves", [False, True])
async def test_a_socket_that_is_to_close_is_read_until_all_is_spoken(
    gated_server: StartServer, gated_engine: GatedEngine, leaves: bool
) -> None:
    server = gated_server()
    async with connected(server, CONTEXTS, autoping=False) as socket:
        await send(socket, {"text": TEXT, "context_id": "a"}, {"close_socket": True})
        await asyncio.to_thread(gated_engine.waiting.acquire, timeout=WAIT_S)
        if leaves:
            await socket.close()
            assert socket.close_code == aiohttp.WSCloseCode.OK
            await asyncio.to_thread(
                server.call, asyncio.wait_for(server.service._idle.wait(), WAIT_S)
            )
            gated_engine.free()
        else:
            await socket.ping()
            assert (await socket.receive(timeout=WAIT_S)).type is aiohttp.WSMsgType.PONG
            gated_engine.free()
            assert (await received(socket))[-1]["isFinal"]


async def test_a_silent_connection_for_several_utterances_ends(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech_socket, "IDLE_S", 0.01)
    assert "no message came within 0.01 s" in str((await converse(server, CONTEXTS))[-1])


def test_the_example_writes_what_it_heard(server: RunningServer, tmp_path: Path) -> None:
    example = Path(__file__).parents[4] / "docs" / "examples" / "websocket_client.py"
    speak = runpy.run_path(str(example))["speak"]
    speak.__globals__["URL"] = server.url + OWN
    text = "Noise becomes speech."
    for cancel_after_s, ended in ((None, "speech.done"), (0.0, "speech.cancelled")):  # if in time
        last = asyncio.run(speak(text, str(tmp_path / "a.wav"), cancel_after_s))
        assert last["type"] in {ended, "speech.done"}
        with wave.open(str(tmp_path / "a.wav")) as file:
            assert file.getnframes() > 0
