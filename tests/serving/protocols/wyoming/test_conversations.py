"""Wyoming, as Home Assistant's own client package speaks it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from dlpo.v1 import speech_pb2
from tests.callers import WAIT_S
from tests.serving.conftest import RunningServer, StartServer

pytest.importorskip("wyoming", reason="wyoming is not installed")
from wyoming import tts
from wyoming.client import AsyncTcpClient
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping

from dlpo_serving.protocols.http import connections, socket_inbox
from dlpo_serving.protocols.wyoming import server as wyoming_server

TEXT = "Noise becomes speech. Is it not strange?"
WHOLE = tts.Synthesize(TEXT).event()


@pytest.fixture
def server(start_server: StartServer) -> RunningServer:
    return start_server(wyoming_port=0)


@asynccontextmanager
async def connected(server: RunningServer, *events: Event) -> AsyncIterator[AsyncTcpClient]:
    """A client that has sent events."""
    async with AsyncTcpClient.from_uri(f"tcp://{server.wyoming_address}") as client:
        for event in events:
            await client.write_event(event)
        yield client


async def replies(server: RunningServer, *events: Event, last: str = "audio-stop") -> list[Event]:
    """Events up to one of this type, or up to the end."""
    found: list[Event] = []
    async with connected(server, *events) as client:
        while (not found or found[-1].type != last) and (event := await client.read_event()):
            found.append(event)
    return found


def sound(events: list[Event]) -> bytes:
    """The audio between its start and its stop."""
    start, *chunks, stop = events
    assert (start.type, stop.type) == ("audio-start", "audio-stop")
    formats = {(e.data["rate"], e.data["width"], e.data["channels"]) for e in (start, *chunks)}
    assert formats == {(22_050, 2, 1)}
    return b"".join(chunk.payload or b"" for chunk in chunks)


async def test_home_assistant_is_described_the_voices(server: RunningServer) -> None:
    (program,) = Info.from_event((await replies(server, Describe().event(), last="info"))[0]).tts
    (voice,) = program.voices
    assert (voice.name, program.supports_synthesize_streaming) == ("fake", True)


async def test_home_assistants_own_events_sound_as_grpc(server: RunningServer) -> None:
    pieces = [tts.SynthesizeChunk(word + " ").event() for word in TEXT.split()]
    ends = WHOLE, tts.SynthesizeStop().event(), WHOLE, Event("synthesize")
    found = await replies(server, tts.SynthesizeStart().event(), *pieces, *ends, last="error")
    kinds = [event.type for event in found]
    after = kinds.index("synthesize-stopped")
    request = speech_pb2.SynthesizeRequest(text=TEXT)
    whole = await asyncio.to_thread(server.stub.Synthesize, request, timeout=WAIT_S)
    assert sound(found[:after]) == sound(found[after + 1 : -1]) == whole.audio


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (tts.Synthesize("Hi.", tts.SynthesizeVoice(language="de")).event(), "speaks en-US"),
        (tts.Synthesize("").event(), "text"),
        (Event("synthesize", {"text": 4}), "text: expected a string"),
        (tts.Synthesize("Hi.", text_format="html").event(), "expected text or ssml"),
        (tts.SynthesizeStart(text_format="ssml").event(), "'ssml'; expected text"),
    ],
)
async def test_a_mistake_is_named_and_ends_the_connection(
    server: RunningServer, event: Event, message: str
) -> None:
    (error,) = await replies(server, event)
    assert error.type == "error"
    assert message in error.data["text"]


async def test_strange_bytes_end_the_connection_alone(
    server: RunningServer, caplog: pytest.LogCaptureFixture
) -> None:
    for line in (
        b"GET / HTTP/1.1", b"[]", b"{}", b"[" * 100_000, b'{"type": "ping", "data_length": "9"}',
        b'{"type": "ping", "data_length": 2, "payload_length": 9}\n{}12',
        b'{"type": "ping", "payload_length": 9999999999}',
        b"a" * 2 * wyoming_server.MAX_EVENT_BYTES,
        b'{"type": "synthesize", "data": [1]}', b'{"type": "ping", "data": {"text": "\\ud800"}}',
    ):  # fmt: skip
        reader, writer = await asyncio.open_connection(*server.wyoming_address.split(":"))
        writer.write(line + b"\n")
        writer.write_eof()
        answer = b""
        with suppress(ConnectionResetError):  # the rest of the line was not read
            answer = await reader.read()
        writer.close()
        assert b"error" in answer or not answer
    assert not caplog.records
    assert sound(await replies(server, WHOLE))


async def test_events_of_a_flood_are_read_at_a_pace(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    wait_s = socket_inbox.Pace.wait_s
    monkeypatch.setattr(
        socket_inbox.Pace, "wait_s", lambda pace: asked.append(pace) or wait_s(pace)
    )
    assert len(await replies(server, *[Ping().event()] * 8, Describe().event(), last="info")) == 9
    assert len(asked) >= 9
    assert len(set(map(id, asked))) == 1


async def test_silent_and_too_many_connections_are_closed(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 1)
    monkeypatch.setattr(wyoming_server, "IDLE_S", 1.0)
    async with connected(server, Ping().event()) as client:
        assert (await client.read_event()).type == "pong"
        assert await replies(server) == []
        assert await client.read_event() is None
