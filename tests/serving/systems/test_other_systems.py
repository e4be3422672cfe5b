"""`dlpo serve` and its neighbours on a Python that lacks what macOS or Windows lack."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dlpo.audio import read_wav
from dlpo.bundle import DEFAULT_VOICE, Bundle
from dlpo.operating_system import call_on_stop
from dlpo_serving.client import CallError, SpeechClient
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import find_voice
from tests.callers import WAIT_S, ServerProcess, lay, server_process, wait_until
from tests.serving.protocols.callers import by_way

SYSTEMS = ("macos", "windows")
TEXT = "Is it not strange?"
SIGNALS = (signal.SIGTERM, signal.SIGINT)
EMBEDDED = find_voice(DEFAULT_VOICE)


def lacking(system: str) -> dict[str, str]:
    """The environment of a Python that lacks what this system lacks."""
    return {"PYTHONPATH": str(Path(__file__).parent), "LACKING_SYSTEM": system}


def run(system: str, *words: str, code: str = "from dlpo_cli import app; app()") -> str:
    """The output of `dlpo` or other code on such a Python."""
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        env={**os.environ, **lacking(system)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        timeout=WAIT_S,
    ).stdout


@pytest.fixture(scope="module", params=SYSTEMS)
def system(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("voices")


@pytest.fixture(scope="module")
def server(
    system: str, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    options = ("--voice-directory", str(folder), "--voice-poll-s", "0.1", "--lanes", "1")
    home = tmp_path_factory.mktemp(system)
    with server_process(home, *options, **lacking(system)) as process:
        yield process


def test_the_python_lacks_it(system: str) -> None:
    absent = run(system, code="import os; print(hasattr(os, 'sched_getaffinity'))")

    assert absent.strip() == "False"


def test_it_speaks_over_grpc_as_on_linux(server: ServerProcess) -> None:
    with SpeechClient(server.address) as client:
        client.wait_until_serving(WAIT_S)
        first = client.speak(SpeechRequest(TEXT), timeout_s=WAIT_S).audio
        again = b"".join(chunk.audio for chunk in client.stream(SpeechRequest(TEXT)))

    assert len(first) > 20_000
    assert again == first


def test_it_speaks_over_http(server: ServerProcess) -> None:
    named: Any = SimpleNamespace(http_url=f"http://{server.http_address}")
    assert len(by_way("speech", named, TEXT, voice="")) > 20_000


def test_a_voice_is_tried_and_added(server: ServerProcess, folder: Path) -> None:
    lay(EMBEDDED, folder, "guest")

    with SpeechClient(server.address) as client:
        wait_until(lambda: "guest" in [voice.name for voice in client.voices()])
        assert client.speak(SpeechRequest(TEXT), "guest", timeout_s=WAIT_S).audio
    assert "voice refused" not in server.log.read_text()


@pytest.mark.parametrize("stop", SIGNALS, ids=lambda s: s.name)
def test_it_drains_when_it_is_stopped(system: str, stop: signal.Signals, tmp_path: Path) -> None:
    with server_process(tmp_path, "--lanes", "1", **lacking(system)) as server:
        with SpeechClient(server.address) as client:
            call = client.stream(SpeechRequest(TEXT), timeout_s=WAIT_S)
            heard = next(iter(call)).audio
            server.process.send_signal(stop)
            heard += b"".join(chunk.audio for chunk in call)

        assert server.process.wait(WAIT_S) == 0
    assert len(heard) > 20_000
    assert "draining" in server.log.read_text()


def test_bundles_are_packed(system: str, tmp_path: Path) -> None:
    packed = tmp_path / "lj.dlpo"

    run(system, "voices", "pack", "lj", str(packed))

    assert Bundle.load(packed).manifest == Bundle.load(EMBEDDED).manifest


def test_say_writes_a_file(system: str, tmp_path: Path) -> None:
    out = tmp_path / "speech.wav"

    run(system, "say", TEXT, "--out", str(out))

    assert len(read_wav(out)[0]) > 10_000


def test_doctor_finds_that_it_speaks(system: str) -> None:
    assert json.loads(run(system, "doctor", "--json"))["speaks"]


def test_keys_are_made_and_needed(system: str, tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    token = run(system, "keys", "new", "alice", "--file", str(keys)).splitlines()[0]
    options = ("--lanes", "1", "--keys-file", str(keys))

    with server_process(tmp_path, *options, **lacking(system)) as server:
        with SpeechClient(server.address) as stranger, pytest.raises(CallError):
            stranger.speak(SpeechRequest(TEXT), timeout_s=WAIT_S)
        with SpeechClient(server.address, token=token) as alice:
            assert alice.speak(SpeechRequest(TEXT), timeout_s=WAIT_S).audio


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux's threads have priorities")
def test_priority_is_lowered_from_what_it_was() -> None:
    program = (
        "import os\n"
        "from dlpo.operating_system import lower_priority\n"
        "before = os.nice(4)\n"
        "lower_priority(5)\n"
        "print(os.nice(0) - before)\n"
        "lower_priority(50)\n"
        "print(os.nice(0))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["5", "19"]


@pytest.fixture
def own_handlers() -> Iterator[None]:
    """Puts the process's handlers back."""
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    for number, handler in zip(SIGNALS, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("own_handlers")
@pytest.mark.parametrize("number", SIGNALS)
def test_no_crowd_of_callbacks_drowns_a_signal(number: signal.Signals) -> None:
    async def busy() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        call_on_stop(stop.set)
        for _ in range(5_000):
            loop.call_soon_threadsafe(int)
        signal.raise_signal(number)
        await asyncio.wait_for(stop.wait(), 10)

    asyncio.run(busy())


@pytest.mark.usefixtures("own_handlers")
def test_after_the_end_a_signal_does_what_it_did_before() -> None:
    heard: list[int] = []

    async def brief() -> None:
        call_on_stop(lambda: None)

    signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    asyncio.run(brief())
    signal.raise_signal(signal.SIGTERM)
    assert heard == [signal.SIGTERM]
