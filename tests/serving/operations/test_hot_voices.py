"""A whole server and its voice directory: what is dropped there, and what becomes of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

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


def put(bundle: Bundle, out: Path, voice: str) -> None:
    """A bundle of that voice, moved to its place at once."""
    made = out.with_name(f".{out.name}")
    copy_bundle(bundle, made)
    (made / MANIFEST).write_bytes(replace(bundle.manifest, voice=voice).to_json())
    made.rename(out)


@pytest.fixture(autouse=True)
def _settles_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice_registry, "VoiceDirectory", partial(VoiceDirectory, settle_s=0.05))


def test_a_server_that_begins_with_an_empty_folder_serves_when_a_voice_comes(
    tiny_bundle: Path, tmp_path: Path
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
