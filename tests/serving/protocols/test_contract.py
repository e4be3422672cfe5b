"""What every API promises, by each way that its clients have: see `callers`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import count
from math import inf
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dlpo.audio import to_pcm16
from dlpo.bundle import Manifest
from dlpo_serving.operations.keys import new_key
from dlpo_serving.protocols.apis import APIS
from dlpo_serving.request import SpeechRequest
from scripts import api_table
from tests.callers import WAIT_S, fake_voice, figure, wait_until
from tests.serving.conftest import GatedEngine, RunningServer, StartServer, running_server
from tests.serving.protocols.callers import CONVERSING, WAYS, url_of

TEXT = "Noise becomes speech. Is it not strange?"
LONG = "First words. " * 40
TOO_LONG = "Hello there. " * 200  # for the 2,000 characters of the servers of tests
SUBPROTOCOL = "Sec-WebSocket-Protocol"
KEYS = {  # where clients of an API put a key, besides Authorization: Bearer
    "WebSocket": [{SUBPROTOCOL: "openai-insecure-api-key.KEY"}],
    "OpenAI Realtime": [{SUBPROTOCOL: "realtime, openai-insecure-api-key.KEY"}],
    "ElevenLabs": [{"xi-api-key": "KEY"}],
    "Cartesia": [{"X-API-Key": "KEY"}],
    "Deepgram": [{"Authorization": "Token KEY"}, {"Authorization": "token KEY"}],
    "Riva realtime": [{SUBPROTOCOL: "realtime-token.KEY"}],
    "Vapi": [{"X-Vapi-Secret": "KEY"}],
}
each_way = pytest.mark.parametrize("way", WAYS)
each_way_with_keys = pytest.mark.parametrize(  # Wyoming's port can't be opened where there are any
    "way", [way for way, caller in WAYS.items() if caller.api.keys is not None]
)
each_conversation = pytest.mark.parametrize("way", CONVERSING)


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningServer]:
    """A server of all APIs, for tests that leave it as it was."""
    with running_server(http_port=0, wyoming_port=0, max_streams=4) as server:
        yield server


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, str]]:
    """A server that asks for a key, and the key."""
    file: Path = tmp_path_factory.mktemp("keys") / "keys.toml"
    key = new_key(file, "alice")
    with running_server(http_port=0, keys_file=file) as server:
        yield server, key


async def reference(server: RunningServer, encoding: str = "pcm") -> bytes:
    """The text as OpenAI's route speaks it."""
    way = WAYS["speech" if encoding == "pcm" else "file"]
    return (await way.speak(server, TEXT)).audio


def enough(way: str, audio: bytes) -> float:
    """How much audio to wait for, where nothing says that it has ended."""
    return len(audio) if "jambonz" in way else inf


def letters(text: str) -> str:
    return "".join(filter(str.isalpha, text.lower()))


def test_each_api_has_a_row_here_and_in_the_docs() -> None:
    assert {way.api.name for way in WAYS.values()} == {api.name for api in APIS}
    assert all(way.live for way in WAYS.values() if way.api.live == "yes")
    timed = {way.api.name for way in WAYS.values() if way.times}
    assert timed == {api.name for api in APIS if api.times != "none"}
    page = api_table.PAGE.read_text("utf-8")
    assert api_table.page(page) == page, "run python scripts/api_table.py"


@each_way
async def test_the_text_sounds_the_same_and_has_its_times(way: str, shared: RunningServer) -> None:
    caller, whole = WAYS[way], await reference(shared, WAYS[way].encoding)
    if caller.encoding == "pcm":
        assert whole == to_pcm16(fake_voice().speak(SpeechRequest(TEXT))).tobytes()
    heard = await caller.speak(shared, TEXT, length=enough(way, whole))
    assert (heard.error, heard.audio == whole) == ("", True)
    if caller.times:
        assert letters("".join(heard.words)) == letters(TEXT)


@each_way
async def test_a_wrong_voice_is_named_with_the_right_ones(way: str, shared: RunningServer) -> None:
    error = (await WAYS[way].speak(shared, "Hi.", voice="nobody")).error
    assert "nobody" in error
    assert "this server has fake" in error


@each_way
async def test_a_long_voice_name_is_refused_before_it_is_read(
    way: str, shared: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths, mixes = [0], Manifest.mixes
    monkeypatch.setattr(
        Manifest, "mixes", lambda self, voice: lengths.append(len(voice)) or mixes(self, voice)
    )
    error = (await WAYS[way].speak(shared, "Hi.", voice="a+" * 2_000)).error
    assert "4000 characters; expected 500 at most" in error
    assert max(lengths) <= 500


@each_way
async def test_a_text_that_is_too_long_is_refused(way: str, shared: RunningServer) -> None:
    error = (await WAYS[way].speak(shared, TOO_LONG)).error
    assert "2000" in error
    assert "characters" in error


@each_way_with_keys
async def test_a_key_comes_as_clients_of_the_api_send_it(
    way: str, guarded: tuple[RunningServer, str]
) -> None:
    (server, key), caller = guarded, WAYS[way]
    places = [{"Authorization": "Bearer KEY"}, *KEYS.get(caller.api.name, [])]
    assert (await caller.speak(server, TEXT)).audio == b""
    for place in places:
        for given, fits in ((key, True), (f"{key[:-1]}!", False), ("", False)):
            headers = {name: value.replace("KEY", given) for name, value in place.items()}
            heard = await caller.speak(server, TEXT, headers=headers, length=1)
            assert (len(heard.audio) > 0, heard.error == "") == (fits, fits), headers


def gauge(server: RunningServer, name: str) -> float:
    return figure(str(server.http_url).split("/")[2], name)


def streams(server: RunningServer) -> float:
    """How many calls have a place."""
    return gauge(server, "dlpo_streams_active")


async def at_the_gate(engine: GatedEngine) -> None:
    assert await asyncio.to_thread(engine.waiting.acquire, timeout=WAIT_S)


@pytest.mark.parametrize("windows", [0, 1])  # that are made before
@each_way
async def test_a_cancelled_text_frees_its_place(
    way: str, windows: int, gated_server: StartServer, gated_engine: GatedEngine
) -> None:
    server, caller = gated_server(http_port=0, wyoming_port=0), WAYS[way]

    async def freed_by(cancel: Callable[[], Any]) -> None:
        for _ in range(windows):
            await at_the_gate(gated_engine)
            gated_engine.permits.release()
        await at_the_gate(gated_engine)
        assert await asyncio.to_thread(streams, server) == 1
        if asyncio.iscoroutine(waiting := cancel()):
            await waiting
        await asyncio.to_thread(wait_until, lambda: streams(server) == 0)
        gated_engine.free()

    if getattr(caller, "interrupt", ()):  # it says so, and goes on
        async with connected(way, server) as connection:
            await connection.speak(LONG)
            await freed_by(connection.cancel)
            await connection.speak(TEXT)
            whole = to_pcm16(fake_voice().speak(SpeechRequest(TEXT))).tobytes()
            audio = b""  # of the first text too, if any was made
            while not audio.endswith(whole):
                heard = await connection.hear(1)
                assert (heard.error, heard.closed) == ("", None)
                audio += heard.audio
            assert windows or audio == whole
    else:
        speaking = asyncio.create_task(caller.speak(server, LONG))
        await freed_by(speaking.cancel)
        assert (await caller.speak(server, TEXT, length=1)).audio


@each_way
async def test_a_full_server_refuses_live_calls_and_lets_files_wait(
    way: str, gated_server: StartServer, gated_engine: GatedEngine
) -> None:
    server, caller = gated_server(http_port=0, wyoming_port=0, max_streams=1), WAYS[way]
    first = WAYS["gRPC" if caller.live else "file"]
    busy = asyncio.create_task(first.speak(server, TEXT))
    await at_the_gate(gated_engine)
    speaking = asyncio.create_task(caller.speak(server, TEXT, length=1))
    if caller.live:
        assert "max_streams" in (await speaking).error
    else:
        await asyncio.to_thread(wait_until, lambda: gauge(server, "dlpo_files_waiting") == 1)
    gated_engine.free()
    assert (await busy).audio
    assert caller.live or (await speaking).audio


def connected(way: str, server: RunningServer) -> Any:
    caller: Any = WAYS[way]
    return caller.connected(server)


@asynccontextmanager
async def stopping(
    server: RunningServer, engine: GatedEngine, way: str = "gRPC"
) -> AsyncIterator[None]:
    """The server shuts down while a caller's text is at its gate, and is spoken after the block."""
    speaking = asyncio.create_task(WAYS[way].speak(server, TEXT, length=enough(way, b"1")))
    await at_the_gate(engine)
    await begin_to_stop(server)
    yield
    assert not speaking.done()
    engine.free()
    assert (await speaking).audio


async def begin_to_stop(server: RunningServer) -> None:
    server.stop()
    health = url_of(server, "/health")
    async with aiohttp.ClientSession() as session:
        for _ in count():
            async with session.get(health) as reply:
                if reply.status == 503:
                    return


@each_way
async def test_new_texts_are_refused_while_the_last_are_spoken(
    way: str, gated_server: StartServer, gated_engine: GatedEngine
) -> None:
    server = gated_server(http_port=0, wyoming_port=0)
    async with stopping(server, gated_engine, way):
        error = (await WAYS[way].speak(server, "Hi.")).error
        assert "shutting down" in error


@each_conversation
async def test_idle_connections_hear_goodbye_at_once(
    way: str, gated_server: StartServer, gated_engine: GatedEngine
) -> None:
    server = gated_server(http_port=0, wyoming_port=0)
    async with connected(way, server) as connection, stopping(server, gated_engine):
        await says_goodbye(connection)


async def says_goodbye(connection: Any) -> None:
    """The API's own error, then the code 1001."""
    last = await connection.hear()
    while not last.error:
        assert last.closed is None
        last = await connection.hear()
    assert "shutting down" in last.error
    ended = await connection.hear()
    assert (ended.audio, ended.error) == (b"", "")
    if hasattr(connection, "socket"):
        assert ended.closed == aiohttp.WSCloseCode.GOING_AWAY


@each_conversation
async def test_a_text_is_spoken_to_its_end_then_goodbye(
    way: str, gated_server: StartServer, gated_engine: GatedEngine
) -> None:
    server = gated_server(http_port=0, wyoming_port=0)
    async with connected(way, server) as connection:
        await connection.speak(TEXT)
        await at_the_gate(gated_engine)
        await begin_to_stop(server)
        whole = to_pcm16(fake_voice().speak(SpeechRequest(TEXT))).tobytes()
        gated_engine.free()
        assert (await connection.hear(enough(way, whole))).audio == whole
        if way != "ElevenLabs' socket":  # it takes one text
            await says_goodbye(connection)


@each_conversation
async def test_a_text_that_is_cut_off_ends_with_goodbye(
    way: str, gated_server: StartServer, gated_engine: GatedEngine
) -> None:
    server = gated_server(http_port=0, wyoming_port=0, grace_s=0.1)
    async with connected(way, server) as connection:
        await connection.speak(LONG)
        await at_the_gate(gated_engine)
        server.stop()
        threading.Timer(1.0, gated_engine.free).start()  # else the engine's thread can't end
        await says_goodbye(connection)
