"""Strings longer than any valid one: refused by every protocol before anything else reads them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from wyoming.client import AsyncTcpClient
from wyoming.event import Event

from dlpo.bundle import Manifest
from dlpo.text.common import phonemes
from dlpo.v1 import speech_pb2
from dlpo_serving.protocols.riva.proto import riva_tts_pb2 as riva
from tests.callers import WAIT_S, refusal
from tests.serving.conftest import RunningServer

DLPO, RIVA = "/dlpo.v1.SpeechService/", "/nvidia.riva.tts.RivaSpeechSynthesis/"
LONG = "fake*" + "1" * 100_000 + "x"
MANY = {f"w{number}": "F IH1 SH" for number in range(5_000)}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lengths of the voices' names that a server looks for among the mixes."""
    lengths: list[int] = []
    mixes = Manifest.mixes
    monkeypatch.setattr(
        Manifest, "mixes", lambda self, voice: lengths.append(len(voice)) or mixes(self, voice)
    )
    return lengths


def say(server: RunningServer, method: str, *messages: Any) -> str:
    """The status of a call, and what it says."""
    raw = [message.SerializeToString() for message in messages]
    call = server.channel.stream_stream(f"{method}")(iter(raw), timeout=WAIT_S)
    try:
        return f"OK {len(list(call))}"
    except grpc.RpcError as error:
        return f"{error.code().name} {error.details()}"


async def web_socket(server: RunningServer, path: str, *messages: Any) -> str:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{server.http_url}{path}", max_msg_size=0) as socket,
    ):
        for message in messages:
            await socket.send_json(message)
        async for message in socket:
            if '"error"' in str(message.data):
                return str(message.data)
    return ""


async def post_to(server: RunningServer, path: str, body: Any) -> str:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{server.http_url}{path}", json=body) as reply,
    ):
        return await reply.text()


async def wyoming(server: RunningServer, voice: dict[str, str]) -> str:
    host, port = server.wyoming_address.split(":")
    async with AsyncTcpClient(host, int(port)) as client:
        await client.write_event(Event("synthesize", {"text": "Hi.", "voice": voice}))
        event = await client.read_event()
        return str(event and event.data)


def test_a_long_voice_name_is_refused_before_it_is_read(
    attacked: Callable[..., AbstractContextManager[RunningServer]],
    http_speech: Callable[..., HTTPResponse],
    read: list[int],
) -> None:
    with attacked(http_port=0, wyoming_port=0) as server:

        def post(**fields: Any) -> str:
            reply = http_speech(server.http_url.split("/")[2], input="Hi.", **fields)
            return str(reply.read())

        config = speech_pb2.SynthesisConfig(voice=LONG)
        body = {"type": "begin", "voice": LONG}
        item = {"type": "message", "content": [{"text": "Hi."}]}
        response = {"input": [item], "audio": {"output": {"voice": LONG}}}
        session = {"input_text_synthesis": {"voice_name": LONG}}
        update = {"type": "synthesize_session.update", "session": session}
        replies = [
            say(server, f"{DLPO}Synthesize", speech_pb2.SynthesizeRequest(config=config)),
            say(
                server, f"{DLPO}StreamSynthesize", speech_pb2.StreamSynthesizeRequest(config=config)
            ),
            say(
                server,
                f"{DLPO}IncrementalSynthesize",
                speech_pb2.IncrementalSynthesizeRequest(config=config),
            ),
            say(server, f"{RIVA}Synthesize", riva.SynthesizeSpeechRequest(voice_name=LONG)),
            say(server, f"{RIVA}SynthesizeOnline", riva.SynthesizeSpeechRequest(voice_name=LONG)),
            post(voice=LONG),
            post(voice={"id": LONG}),
            asyncio.run(web_socket(server, "v1/audio/speech/stream", body)),
            asyncio.run(
                web_socket(server, "v1/realtime", {"type": "response.create", "response": response})
            ),
            asyncio.run(wyoming(server, {"name": LONG})),
            asyncio.run(web_socket(server, "tts/websocket", {"transcript": "Hi.", "voice": LONG})),
            asyncio.run(web_socket(server, "v1/realtime?intent=synthesize", update)),
            asyncio.run(post_to(server, "tts/bytes", {"transcript": "Hi.", "voice": {"id": LONG}})),
            asyncio.run(post_to(server, "dev/captioned_speech", {"input": "Hi.", "voice": LONG})),
            asyncio.run(post_to(server, "v1/jambonz", {"text": "Hi.", "voice": LONG})),
        ]
        languages = [
            say(
                server,
                f"{RIVA}Synthesize",
                riva.SynthesizeSpeechRequest(text="Hi.", language_code=LONG),
            ),
            asyncio.run(wyoming(server, {"language": LONG})),
        ]
    for reply in replies:
        assert f"{len(LONG)} characters; expected 500 at most" in reply
    for reply in languages:
        assert f"{len(LONG)} characters; expected 100 at most" in reply
    assert max(read, default=0) <= 500


def test_oversized_dictionary_is_refused_unread(
    attacked: Callable[..., AbstractContextManager[RunningServer]],
    http_speech: Callable[..., HTTPResponse],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ",".join(f"{word}  fɪʃ" for word in MANY)
    config = speech_pb2.SynthesisConfig(dictionary=MANY)
    theirs = riva.SynthesizeSpeechRequest(text="Hi.", custom_dictionary=words)
    with attacked(http_port=0) as server:
        for module in ("common.phonemes.parse_arpabet", "common.phonemes.Ipa.parse"):
            monkeypatch.setattr(f"dlpo.text.{module}", lambda *_: pytest.fail("it was read"))
        replies = [
            say(server, f"{DLPO}Synthesize", speech_pb2.SynthesizeRequest(config=config)),
            say(server, f"{RIVA}SynthesizeOnline", theirs),
            http_speech(server.http_url.split("/")[2], input="Hi.", dictionary=MANY)
            .read()
            .decode(),
        ]
        monkeypatch.undo()
    for reply in replies:
        assert "5000 words; expected 1000 at most" in reply


@contextmanager
def parsing_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Names of the threads that parse pronunciations."""
    names: set[str] = set()
    short = phonemes._short

    def noted(written: str) -> str:
        names.add(threading.current_thread().name)
        return short(written)

    monkeypatch.setattr(phonemes, "_short", noted)
    yield names
    monkeypatch.undo()


def test_a_large_dictionary_is_parsed_by_a_worker(
    attacked: Callable[..., AbstractContextManager[RunningServer]],
    http_speech: Callable[..., HTTPResponse],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = dict(list(MANY.items())[:900])
    theirs = ",".join(f"{word}  fɪʃ" for word in words)
    text = speech_pb2.IncrementalSynthesizeRequest(text="Hi.")
    config = speech_pb2.SynthesisConfig(dictionary=words)
    with attacked(http_port=0) as server, parsing_threads(monkeypatch) as threads:
        for answer in (
            say(
                server, f"{DLPO}Synthesize", speech_pb2.SynthesizeRequest(text="Hi.", config=config)
            ),
            say(
                server,
                f"{DLPO}IncrementalSynthesize",
                speech_pb2.IncrementalSynthesizeRequest(config=config),
                text,
            ),
            say(
                server,
                f"{RIVA}SynthesizeOnline",
                riva.SynthesizeSpeechRequest(text="Hi.", custom_dictionary=theirs),
            ),
        ):
            assert answer.startswith("OK")
        reply = http_speech(server.http_url.split("/")[2], input="Hi.", dictionary=words)
        assert reply.status == 200
        loop_thread = server.thread.name
    assert threads
    assert loop_thread not in threads


def test_a_dictionary_is_charged_like_a_text_after_admission(
    start_server: Callable[..., RunningServer], tmp_path: Path
) -> None:
    from dlpo_serving.operations.keys import new_key

    token = new_key(tmp_path / "keys.toml", "alice")
    with (tmp_path / "keys.toml").open("a") as file:
        file.write("[quota.alice]\ncharacters_per_minute = 1000\n")
    server = start_server(keys_file=tmp_path / "keys.toml")
    config = speech_pb2.SynthesisConfig(dictionary=dict(list(MANY.items())[:200]))
    metadata = (("authorization", f"Bearer {token}"),)

    def speak(**fields: Any) -> Any:
        return server.stub.Synthesize(
            speech_pb2.SynthesizeRequest(text="Hi.", **fields), metadata=metadata, timeout=WAIT_S
        )

    assert speak(config=config).audio  # 200 words with 8 letters each
    with pytest.raises(grpc.RpcError) as caught:
        speak()
    assert "1000 characters a minute" in caught.value.details()


@pytest.mark.parametrize("character", ["a", "é", "今"])
def test_an_error_about_a_long_value_is_short_and_not_retried(
    server: RunningServer, character: str
) -> None:
    word = character * 50_000
    for config in ({"dictionary": {"a": word}}, {"dictionary": {word: "F"}}, {"voice": word}):
        refused = refusal(
            server.stub.Synthesize, speech_pb2.SynthesizeRequest(text="Hi.", config=config)
        )
        assert refused.code == "INVALID_ARGUMENT"
        assert len(refused.message) < 1_000
    refused = refusal(
        server.channel.unary_unary(
            f"{RIVA}Synthesize", riva.SynthesizeSpeechRequest.SerializeToString
        ),
        riva.SynthesizeSpeechRequest(text="Hi.", language_code=word),
    )
    assert refused.code == "INVALID_ARGUMENT"
    assert json.dumps(refused.message)
