"""What goes wrong inside a whole server: engines that throw or hang, voices that are no voices."""

from __future__ import annotations

import asyncio
import gc
import logging
import re
import shutil
import weakref
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from dlpo.errors import InputError
from dlpo.v1 import speech_pb2
from dlpo_serving import server as dlpo_server
from dlpo_serving.client import CallError, SpeechClient
from dlpo_serving.protocols.endpoints import Endpoints
from dlpo_serving.protocols.riva.proto import riva_tts_pb2 as riva
from dlpo_serving.request import SpeechRequest
from dlpo_serving.server import EngineHungError
from dlpo_serving.settings.server_settings import ServerSettings
from dlpo_serving.voices import registry
from tests.callers import ONCE, WAIT_S, UnluckyEngine, fake_voice, lay, refusal, wait_until
from tests.serving.conftest import GatedEngine, StartServer
from tests.serving.resilience.conftest import Beside, HttpSpeech

UNLUCKY = 13  # seed of the calls that go wrong
TEXT = "Noise becomes speech, step by step."
DLPO, RIVA = "/dlpo.v1.SpeechService/", "/nvidia.riva.tts.RivaSpeechSynthesis/"


def unlucky_calls() -> dict[str, list[bytes]]:
    """Every method that speaks, and its messages: the same of all."""
    config = speech_pb2.SynthesisConfig(seed=UNLUCKY)
    whole = speech_pb2.SynthesizeRequest(text=TEXT, config=config).SerializeToString()
    begin = speech_pb2.IncrementalSynthesizeRequest(config=config).SerializeToString()
    piece = speech_pb2.IncrementalSynthesizeRequest(text=TEXT).SerializeToString()
    theirs = riva.SynthesizeSpeechRequest(text=TEXT)
    theirs.custom_configuration["seed"] = str(UNLUCKY)
    return {
        f"{DLPO}Synthesize": [whole],
        f"{DLPO}StreamSynthesize": [whole],
        f"{DLPO}IncrementalSynthesize": [begin, piece],
        f"{RIVA}Synthesize": [theirs.SerializeToString()],
        f"{RIVA}SynthesizeOnline": [theirs.SerializeToString()],
    }


def test_engine_failure_fails_only_its_calls(
    patient_server: StartServer,
    neighbour: Beside,
    http_speech: HttpSpeech,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def throw() -> None:
        raise RuntimeError("at /secret/path")

    server = patient_server(fake_voice(UnluckyEngine(UNLUCKY, throw)), http_port=0)
    with neighbour(server.address) as other:
        for method, messages in unlucky_calls().items():
            refused = refusal(server.channel.stream_stream(method), iter(messages))
            assert refused.code == "INTERNAL"
            assert refused.message == "the server failed; its log has the cause"
            other.hears_all()
        http = http_speech(server.http_url.split("/")[2], input=TEXT, seed=UNLUCKY)
        assert http.status == 500
        assert b"secret" not in http.read()
    assert "/secret/path" in caplog.text


def hang_thrice(address: str) -> None:
    with SpeechClient(address, retries=ONCE) as client:
        for _ in range(3):
            with pytest.raises(CallError):
                client.speak(SpeechRequest(TEXT), timeout_s=WAIT_S)


async def test_an_engine_that_hangs_thrice_ends_the_server(
    gated_engine: GatedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dlpo_server, "HEARTBEAT_S", 0.05)
    monkeypatch.setattr(dlpo_server, "HANG_BEATS", 3)
    settings = ServerSettings(port=0, lanes=1, grace_s=0.1)
    calls: list[asyncio.Task[None]] = []
    gated_engine.open.set()

    def announce(endpoints: Endpoints, voice: str) -> None:
        gated_engine.open.clear()
        calls.append(asyncio.create_task(asyncio.to_thread(hang_thrice, endpoints.grpc_address)))

    with pytest.raises(EngineHungError, match="the engine has hung 3 times"):
        await dlpo_server.run_server(
            settings, asyncio.Event(), announce, lambda _: [fake_voice(gated_engine)]
        )
    await calls[0]


def test_a_server_that_gave_up_ends_with_1_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = Mock()
    monkeypatch.setattr(dlpo_server.os, "_exit", ended)
    monkeypatch.setattr(dlpo_server, "_serve", Mock(side_effect=EngineHungError("it hangs")))
    dlpo_server.serve(ServerSettings(port=0))
    ended.assert_called_once_with(1)
    assert capsys.readouterr().err == "error: it hangs\n"


def test_voices_that_come_corrupt_again_and_go_disturb_no_stream(
    patient_server: StartServer,
    neighbour: Beside,
    caplog: pytest.LogCaptureFixture,
    tiny_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry, "NICENESS", 0)  # a busy machine would starve it
    caplog.set_level(logging.INFO, "dlpo_serving.voices")
    lay(tiny_bundle, tmp_path, "ann")
    server = patient_server(voice_directory=tmp_path, voice_poll_s=0.1)

    with SpeechClient(server.address) as client:

        def speak() -> bytes:
            return client.speak(SpeechRequest(TEXT), "ann").audio

        wait_until(lambda: "ann" in [voice.name for voice in client.voices()])
        alone = speak()
        with neighbour(server.address) as other:
            stream = iter(client.stream(SpeechRequest(TEXT), "ann"))
            heard = next(stream).audio

            (tmp_path / "eve.dlpo").write_bytes(b"PK\x03\x04 no zip")
            lay(tiny_bundle, tmp_path, "ann")
            wait_until(lambda: len(re.findall("voice offered voice=ann", caplog.text)) == 2)
            other.hears_all()
            assert speak() == alone
            assert heard + b"".join(chunk.audio for chunk in stream) == alone

            shutil.rmtree(tmp_path / "ann")
            wait_until(lambda: [voice.name for voice in client.voices()] == ["fake"])
            other.hears_all()
            with pytest.raises(InputError, match="this server has fake"):
                speak()
    assert "voice refused entry=eve.dlpo" in caplog.text
    assert not [record for record in caplog.records if record.exc_info]


class Cycle:
    """Garbage that only a collection finds."""

    def __init__(self) -> None:
        self.itself = self


@pytest.mark.parametrize(("calls", "goes"), [(0, True), (dlpo_server.TIDY_CALLS + 1, False)])
def test_garbage_is_collected_while_few_calls_are_open(
    monkeypatch: pytest.MonkeyPatch, calls: int, goes: bool
) -> None:
    monkeypatch.setattr(dlpo_server, "HEARTBEAT_S", 0.01)
    given_back = 0

    def give_memory_back() -> None:
        nonlocal given_back
        given_back += 1

    monkeypatch.setattr(dlpo_server, "give_memory_back", give_memory_back)

    async def is_gone() -> bool:
        left = weakref.ref(Cycle())
        tidying = asyncio.create_task(dlpo_server._tidy(SimpleNamespace(calls=calls)))  # type: ignore[arg-type]
        async with asyncio.timeout(WAIT_S):
            while given_back < 3:
                await asyncio.sleep(0.01)
        tidying.cancel()
        return left() is None

    gc.disable()  # as rare as it is in a server: what started with it is frozen
    try:
        assert asyncio.run(is_gone()) == goes
    finally:
        gc.enable()
