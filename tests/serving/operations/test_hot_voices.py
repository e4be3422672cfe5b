"""A whole server and its voice directory: what is dropped there, and what becomes of it."""

from __future__ import annotations

import asyncio
import logging
import queue
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dlpo.bundle import MANIFEST, Bundle, copy_bundle
from dlpo.v1 import speech_pb2
from dlpo_serving import voice_registry
from dlpo_serving.endpoints import Endpoints
from dlpo_serving.server import run_server
from dlpo_serving.settings.server_settings import ServerSettings
from dlpo_serving.synthesizer import Synthesizer
from dlpo_serving.voice_registry import VoiceDirectory
from dlpo_serving.voices import find_voice

TIMEOUT_S = 20.0


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> queue.Queue[str]:
    """What became of the folder, in order, each when it is done."""
    done: queue.Queue[str] = queue.Queue()
    offer, withdraw = voice_registry.VoiceRegistry._offer, voice_registry.VoiceRegistry._withdraw

    def offered(self: voice_registry.VoiceRegistry, voice: Any) -> None:
        offer(self, voice)
        done.put(f"offered {voice.manifest.voice}")

    def withdrawn(self: voice_registry.VoiceRegistry, name: str) -> None:
        withdraw(self, name)
        done.put(f"withdrawn {name}")

    class Refusals(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno == logging.ERROR:
                done.put(f"refused {record.args[0]}")  # type: ignore[index]

    handler = Refusals()
    monkeypatch.setattr(voice_registry.VoiceRegistry, "_offer", offered)
    monkeypatch.setattr(voice_registry.VoiceRegistry, "_withdraw", withdrawn)
    monkeypatch.setattr(voice_registry, "VoiceDirectory", partial(VoiceDirectory, settle_s=0.05))
    monkeypatch.setattr(voice_registry._log, "handlers", [handler])
    return done


def put(bundle: Bundle, out: Path, voice: str) -> None:
    """A bundle of that voice, moved to its place at once."""
    made = out.with_name(f".{out.name}")
    copy_bundle(bundle, made)
    (made / MANIFEST).write_bytes(replace(bundle.manifest, voice=voice).to_json())
    made.rename(out)


def test_voices_come_change_and_go_while_others_speak(
    synthesizer: Synthesizer,
    start_server: Callable[..., Any],
    told: queue.Queue[str],
    tiny_bundle: Path,
    tmp_path: Path,
) -> None:
    bundle = Bundle.load(tiny_bundle)
    server = start_server(synthesizer, voice_directory=tmp_path, voice_poll_s=0.02)
    fixed = synthesizer.manifest.voice
    assert told.get(timeout=TIMEOUT_S) == f"offered {fixed}"

    def speak(voice: str) -> str:
        request = speech_pb2.SynthesizeRequest(
            text="Hello.", config=speech_pb2.SynthesisConfig(voice=voice)
        )
        try:
            reply = server.stub.Synthesize(request, timeout=TIMEOUT_S)
        except grpc.RpcError as error:
            return str(error.code().name)
        return "spoken" if reply.audio else "silent"

    assert speak("ann") == "NOT_FOUND"
    put(bundle, tmp_path / "a", "ann")
    assert told.get(timeout=TIMEOUT_S) == "offered ann"
    assert speak("ann") == "spoken"

    (tmp_path / "a" / MANIFEST).write_text("{")
    (tmp_path / "b.dlpo").write_bytes(b"PK\x03\x04 no zip")
    assert {told.get(timeout=TIMEOUT_S) for _ in "ab"} == {"refused a", "refused b.dlpo"}
    assert (speak("ann"), speak(fixed)) == ("spoken", "spoken")

    shutil.rmtree(tmp_path / "a")
    assert told.get(timeout=TIMEOUT_S) == "withdrawn ann"
    assert (speak("ann"), speak(fixed)) == ("NOT_FOUND", "spoken")
    check = health_pb2_grpc.HealthStub(server.channel).Check
    answer = check(health_pb2.HealthCheckRequest(service="dlpo.v1.SpeechService"))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_a_server_that_begins_with_an_empty_folder_serves_when_a_voice_comes(
    told: queue.Queue[str], tiny_bundle: Path, tmp_path: Path
) -> None:
    settings = ServerSettings(port=0, voices=(), voice_directory=tmp_path, voice_poll_s=0.02)
    announced = []

    async def serve() -> None:
        stop = asyncio.Event()

        def announce(doors: Endpoints, voice: str) -> None:
            announced.append(voice)
            stop.set()

        running = asyncio.create_task(run_server(settings, stop, announce))
        put(Bundle.load(tiny_bundle), tmp_path / "a", "ann")
        await asyncio.wait_for(running, TIMEOUT_S)

    asyncio.run(serve())

    assert announced == ["ann"]
    assert told.get_nowait() == "offered ann"


def test_a_voice_that_takes_long_to_load_leaves_the_lane_to_callers(
    start_server: Callable[..., Any],
    synthesizer: Synthesizer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, let_go = threading.Event(), threading.Event()

    def slow(*arguments: Any) -> Synthesizer:
        begun.set()
        assert let_go.wait(TIMEOUT_S)
        return synthesizer

    monkeypatch.setattr(voice_registry, "open_voice", slow)
    monkeypatch.setattr(voice_registry, "VoiceDirectory", partial(VoiceDirectory, settle_s=0.05))
    server = start_server(synthesizer, lanes=1, voice_directory=tmp_path, voice_poll_s=0.02)
    put(Bundle.load(find_voice("lj")), tmp_path / "ann", "ann")
    try:
        assert begun.wait(TIMEOUT_S)
        request = speech_pb2.SynthesizeRequest(text="One fish.")
        assert server.stub.Synthesize(request, timeout=TIMEOUT_S).audio
        server.stop()
        server.thread.join(0.3)
        assert server.thread.is_alive()  # no load outlives its server
    finally:
        let_go.set()
