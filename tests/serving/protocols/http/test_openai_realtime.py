"""OpenAI's Realtime API: its events, settings, turns and errors."""

from __future__ import annotations

import base64
from typing import Any

import aiohttp
import pytest
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from dlpo_serving.protocols.openai_realtime import server as realtime
from tests.serving.conftest import GatedEngine
from tests.serving.protocols.http.conftest import TEXT, Client, RunningServer, StartServer
from tests.serving.protocols.http.sockets import connected, send

REALTIME = "/v1/realtime?model=gpt-realtime"
CREATE = {"type": "response.create"}
BEGUN = [
    "session.created", *["conversation.item.added", "conversation.item.done"] * 2,
    "response.created", "response.output_item.added", "conversation.item.added",
]  # fmt: skip
SHAPES: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
Events = list[dict[str, Any]]


async def ask(socket: aiohttp.ClientWebSocketResponse, *sent: Any, last: str) -> Events:
    """Send messages and read OpenAI's events, which have its shapes, to the first `last`."""
    await send(socket, *sent)
    events: Events = []
    while not events or events[-1]["type"] != last:
        events.append(await socket.receive_json())
        SHAPES.validate_python(events[-1], strict=True)
    return events


def item(text: Any, role: str = "user") -> dict[str, Any]:
    parts = text.split(" ", 1) if isinstance(text, str) else [text]
    content = [{"type": "input_text", "text": part} for part in parts]
    message = {"type": "message", "role": role, "content": content}
    return {"type": "conversation.item.create", "item": message}


def spoken(events: Events) -> tuple[bytes, str]:
    """Audio and transcript."""
    audio, said = (
        [one["delta"] for one in events if one["type"] == f"response.output_audio{kind}.delta"]
        for kind in ("", "_transcript")
    )
    return b"".join(map(base64.b64decode, audio)), "".join(said)


async def test_realtime_events_speak_the_items_word_for_word(
    server: RunningServer, client: Client
) -> None:
    output = {"audio": {"output": {"format": {"type": "audio/pcmu"}, "speed": 4, "voice": "fake"}}}
    async with connected(server, REALTIME, ["realtime", "openai-insecure-api-key.x"]) as socket:
        assert socket.protocol == "realtime"
        events = await ask(
            socket, item("Be nice.", "system"), item(TEXT), CREATE, last="response.done"
        )
        assert [one["type"] for one in events[: len(BEGUN)]] == BEGUN
        assert spoken(events) == (client.speak(server).read(), TEXT)
        update = {"type": "session.update", "session": {"type": "realtime", **output}}
        (updated,) = await ask(socket, update, last="session.updated")
        assert updated["session"].items() >= output.items()
        own = {"response": {"conversation": "none", "input": [item(TEXT)["item"]]}}
        events = await ask(socket, CREATE | own, last="response.done")
        fast = client.speak(server, response_format="mulaw", sample_rate=8_000, speed=2).read()
        assert spoken(events) == (fast, TEXT)
        assert "speed is 2" in events[-1]["response"]["warnings"][0]
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await connected(server, "/v1/realtime?model=whisper-1").__aenter__()


async def test_a_key_among_the_subprotocols_is_not_sent_back(server: RunningServer) -> None:
    for offered in (["openai-insecure-api-key.secret"], ["openai-insecure-api-key.x", "realtime"]):
        async with connected(server, REALTIME, offered) as socket:
            assert socket.protocol == ("realtime" if "realtime" in offered else None)


async def test_a_refused_realtime_message_changes_nothing(server: RunningServer) -> None:
    text, update = "Hi. " * 300, {"type": "session.update"}
    async with connected(server, REALTIME) as socket:
        for sent, param, message in (
            ({"type": "input_audio_buffer.append", "audio": ""}, "type", "response.create"),
            (update, "type", "with its fields"),
            (update | {"session": {"tools": [{}]}}, "tools", "expected []"),
            (update | {"session": {"audio": {"output": {"format": 1}}}}, "format", "audio/pcmu"),
            (item(1), "item", "content is text"),
            (CREATE, "response", "no text"),
            (CREATE | {"response": {"input": [1]}}, "item", "content is text"),
            ({"type": "response.cancel"}, None, "no response"),
        ):
            error = (await ask(socket, sent | {"event_id": "mine"}, last="error"))[-1]["error"]
            assert (error["param"], error["event_id"]) == (param, "mine")
            assert message in error["message"]
        assert "not JSON" in str(await ask(socket, "{", last="error"))
        assert "may wait" in str(await ask(socket, item(text), item(text * 8), last="error"))
        assert spoken(await ask(socket, CREATE, last="response.done"))[1] == text


async def test_realtime_responses_take_turns_and_stop(
    gated_server: StartServer, gated_engine: GatedEngine
) -> None:
    server, text = gated_server(), "First words. " * 40
    async with connected(server, REALTIME) as socket:
        gated_engine.permits.release()
        heard = "response.output_audio_transcript.delta"
        begun = await ask(socket, item(text), CREATE, last=heard)
        *_, refused = await ask(socket, item("Hi."), CREATE, last="error")
        assert refused["error"]["code"] == "conversation_already_has_active_response"
        ended = await ask(socket, {"type": "response.cancel"}, last="response.done")
        assert spoken(ended) == (b"", "")
        response = ended[-1]["response"]
        assert response["status"] == "cancelled"
        assert response["output"][0]["content"][0]["transcript"] == spoken(begun)[1] != text
        gated_engine.free()
        assert spoken(await ask(socket, CREATE, last="response.done"))[1] == "Hi."


async def test_a_refused_voice_leaves_the_session_as_it_was(
    server: RunningServer, client: Client
) -> None:
    async with connected(server, REALTIME) as socket:
        for output, param in (({"voice": "zoe"}, "voice"), ({"language": "tlh"}, "language")):
            update = {"type": "session.update", "session": {"audio": {"output": output}}}
            refused = (await ask(socket, update, last="error"))[-1]["error"]
            assert refused["param"] == param
        events = await ask(socket, item(TEXT), CREATE, last="response.done")
        assert spoken(events) == (client.speak(server).read(), TEXT)


async def test_a_voice_is_taken_while_none_is_loaded(start_server: StartServer) -> None:
    update = {"type": "session.update", "session": {"audio": {"output": {"voice": "zoe"}}}}
    async with connected(start_server(None), REALTIME) as socket:
        assert await ask(socket, update, last="session.updated")


async def test_a_silent_session_ends(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(realtime, "IDLE_S", 0.01)
    async with connected(server, REALTIME) as socket:
        assert "no message came within 0.01 s" in str(await ask(socket, last="error"))
