"""A folder of bundles, in simulated time with real bundles, and beneath a whole server."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from dlpo.bundle import MANIFEST, Bundle, Manifest, copy_bundle
from dlpo.bundle.voice_json import seal
from dlpo.errors import BundleError
from dlpo.v1 import speech_pb2
from dlpo_serving.protocols.endpoints import Endpoints
from dlpo_serving.server import run_server
from dlpo_serving.settings.server_settings import ServerSettings
from dlpo_serving.voices import directory, find_voice, registry
from dlpo_serving.voices.directory import VoiceDirectory
from dlpo_serving.voices.synthesizer import Synthesizer
from tests.callers import WAIT_S, fake_voice, lay
from tests.serving.conftest import Clock, StartServer

ANN = [("added", "ann")]
Damage = Callable[[Path], object]


@dataclass(eq=False)
class Spoken:
    """A voice that was loaded."""

    manifest: Manifest


def load(path: Path) -> Spoken:
    return Spoken(Bundle.load(path).manifest)


@pytest.fixture(scope="session")
def small_bundle(tiny_bundle: Path) -> Bundle:
    return Bundle.load(tiny_bundle)


@dataclass(eq=False)
class Folder:
    """The folder, its clock, and the directory that watches it."""

    path: Path
    clock: Clock
    bundle: Bundle
    caplog: pytest.LogCaptureFixture

    def __post_init__(self) -> None:
        self._read = 0  # records
        self.watched = VoiceDirectory(self.path, self.clock, load, taken=("fixed",))

    def put(self, entry: str, voice: str) -> Path:
        """Write a bundle of that voice all at once."""
        out = self.path / entry
        copy_bundle(self.bundle, out)
        if voice != self.bundle.manifest.voice:
            manifest = self.bundle.manifest.named(voice)
            (out / MANIFEST).write_bytes(manifest.to_json())
        return out

    def events(self) -> list[tuple[str, str]]:
        """What two polls, two seconds apart, tell: one sees a change, one finds it at rest."""
        message: list[tuple[str, str]] = []
        for _ in range(2):
            self.clock.now_s += 2
            for event in self.watched.poll():
                assert event.voice is None or event.voice.manifest.voice == event.name
                message.append(("added" if event.voice else "removed", event.name))
            for record in self.caplog.records[self._read :]:
                if record.msg.startswith("voice refused"):
                    message.append(("refused", record.args[0]))  # type: ignore[index,arg-type]
            self._read = len(self.caplog.records)
        return message


@pytest.fixture
def folder(
    tmp_path: Path, clock: Clock, small_bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> Folder:
    (tmp_path / "voices").mkdir()
    return Folder(tmp_path / "voices", clock, small_bundle, caplog)


@pytest.mark.parametrize(
    "history",
    [
        [({"a": "ann", "b": "ben"}, [*ANN, ("added", "ben")])],
        [({"a": "ann"}, ANN), ({"a": "ann"}, ANN)],  # written again
        [({"a": "ann"}, ANN), ({"a": "ben"}, [("removed", "ann"), ("added", "ben")])],
        [({"a": "ann"}, ANN), ({}, [("removed", "ann")]), ({"a": "ann"}, ANN)],
        # names that are taken
        [({"a": "ann"}, ANN), ({"a": "ann", "b": "fixed"}, [*ANN, ("refused", "b")])],
        [({"a": "ann", "b": "ann"}, [*ANN, ("refused", "b")])],
    ],
)
def test_a_change_is_reported_once(
    folder: Folder, history: list[tuple[dict[str, str], list[tuple[str, str]]]]
) -> None:
    for bundles, events in history:
        for entry in folder.path.iterdir():
            shutil.rmtree(entry)
        for name, voice in bundles.items():
            folder.put(name, voice)
        assert folder.events() == events
        assert folder.events() == []


def test_freed_name_goes_to_the_waiting_bundle(folder: Folder) -> None:
    folder.put("ann-1", "ann")
    folder.put("ann-2", "ann")
    assert folder.events() == [*ANN, ("refused", "ann-2")]
    shutil.rmtree(folder.path / "ann-1")
    assert folder.events() == [("removed", "ann"), *ANN]

    (folder.path / "ann-2").rename(folder.path / "a-ann-3")  # which is looked at first
    assert folder.events() == [("removed", "ann"), *ANN]

    folder.put("ann-4", "ann")
    assert folder.events() == [("refused", "ann-4")]
    shutil.rmtree(folder.path / "a-ann-3")
    folder.put("a-ann-3", "ben")
    events = folder.events() + folder.events()
    assert events == [("removed", "ann"), ("added", "ben"), *ANN]


def test_a_bundle_is_not_taken_while_it_is_being_copied(folder: Folder, tmp_path: Path) -> None:
    source = Folder(tmp_path, folder.clock, folder.bundle, folder.caplog).put("source", "ann")
    copy = folder.path / "a"
    copy.mkdir()
    for file in [source / MANIFEST, *sorted(source.iterdir())]:
        shutil.copy(file, copy)
        folder.clock.now_s += 0.6
        assert folder.watched.poll() == []

    assert folder.events() == [("added", "ann")]


def flip_a_byte(path: Path) -> None:
    victim = max(path.glob("*.onnx*"), key=lambda file: file.stat().st_size)
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)


def change_the_manifest(path: Path) -> None:
    values = json.loads((path / MANIFEST).read_bytes())
    (path / MANIFEST).write_text(json.dumps({**values, "gain": 2.0}))


def demand_the_future(path: Path) -> None:
    values = json.loads((path / MANIFEST).read_bytes())
    (path / MANIFEST).write_bytes(seal({**values, "requires": ["telepathy"]}))


@pytest.mark.parametrize(
    "damage",
    [
        flip_a_byte,
        change_the_manifest,
        demand_the_future,
        lambda path: (path / MANIFEST).write_bytes(b"\x00" * 2_000_000),
        lambda path: (path / "evil.py").write_text("import os"),
        lambda path: (path / "link.onnx").symlink_to("/etc/passwd"),
    ],
)
def test_corrupt_bundle_is_refused_and_old_voice_stays(
    damage: Damage, folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    path = folder.put("a", "ann")
    folder.put("b", "ben")
    folder.events()

    damage(path)

    assert folder.events() == [("refused", "a")]
    assert folder.events() == []
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "voice refused entry=a reason=BundleError" in errors[0].getMessage()


def test_no_disk_or_memory_is_a_reason_to_try_again(folder: Folder) -> None:
    folder.put("a", "ann")
    full = OSError(28, "No space left on device")
    hidden = BundleError("can't be read")
    hidden.__cause__ = full
    errors: list[Exception] = [full, MemoryError(), hidden]

    def open_voice(path: Path) -> Spoken:
        if errors:
            raise errors.pop(0)
        return load(path)

    folder.watched = VoiceDirectory(folder.path, folder.clock, open_voice)
    for _ in range(3):
        assert [event for event, _ in folder.events()] == ["refused"]
        folder.clock.now_s += directory.RETRY_S
    assert folder.events() == ANN


def test_a_voice_inside_another_bundle_keeps_its_name(folder: Folder, voices_bundle: Path) -> None:
    shutil.copytree(voices_bundle, folder.path / "two")
    assert folder.events() == [("added", "ann")]
    folder.put("a", "bob")
    assert folder.events() == [("refused", "a")]


def test_a_link_to_itself_hides_no_other_entry(folder: Folder) -> None:
    (folder.path / "loop").symlink_to("loop")
    folder.put("a", "ann")
    assert folder.events() == ANN


def test_a_run_time_that_throws_refuses_the_bundle(folder: Folder) -> None:
    folder.put("a", "ann")
    explode = Mock(side_effect=RuntimeError("of the run-time"))
    folder.watched = VoiceDirectory(folder.path, folder.clock, explode)

    assert [event for event, _ in folder.events()] == ["refused"]
    assert "reason=RuntimeError: of the run-time" in folder.caplog.text


def test_unreadable_folder_keeps_its_voices(
    folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    folder.put("a", "ann")
    folder.events()

    folder.path.rename(folder.path.with_name("away"))
    assert folder.events() == []
    assert folder.events() == []
    assert len([r for r in caplog.records if "can't be read" in r.getMessage()]) == 1

    folder.path.with_name("away").rename(folder.path)
    assert folder.events() == []


def test_a_voice_that_was_withdrawn_is_freed_with_its_last_user(folder: Folder) -> None:
    folder.put("a", "ann")
    folder.watched.poll()
    folder.clock.now_s += 2
    (event,) = folder.watched.poll()
    assert event.voice
    stream = [event.voice]
    gone = weakref.ref(event.voice)
    del event
    shutil.rmtree(folder.path / "a")
    assert folder.events() == [("removed", "ann")]

    assert gone() is not None
    stream.clear()
    assert gone() is None


@pytest.fixture(autouse=True)
def _settles_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "SETTLE_S", 0.05)
    monkeypatch.setattr(registry, "NICENESS", 0)  # a busy machine would starve it


def test_empty_folder_serves_once_a_voice_arrives(tiny_bundle: Path, tmp_path: Path) -> None:
    settings = ServerSettings(port=0, voices=(), voice_directory=tmp_path, voice_poll_s=0.02)
    announced = []

    async def serve() -> None:
        stop = asyncio.Event()

        def announce(endpoints: Endpoints, voice: str) -> None:
            announced.append(voice)
            stop.set()

        running = asyncio.create_task(run_server(settings, stop, announce))
        lay(tiny_bundle, tmp_path, "ann")
        await asyncio.wait_for(running, WAIT_S)

    asyncio.run(serve())

    assert announced == ["ann"]


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Set when a server begins to load a voice, which takes until the end of the test."""
    begun, let_go = threading.Event(), threading.Event()

    def slow(*arguments: Any, **named: Any) -> Synthesizer:
        begun.set()
        assert let_go.wait(WAIT_S)
        return fake_voice()

    monkeypatch.setattr(registry, "try_bundle", lambda *voice: None)
    monkeypatch.setattr(registry, "open_voice", slow)
    lay(find_voice("lj"), tmp_path, "ann")
    yield begun
    let_go.set()


def test_slow_loading_does_not_block_callers(
    start_server: StartServer, tmp_path: Path, begun: threading.Event
) -> None:
    server = start_server(lanes=1, voice_directory=tmp_path, voice_poll_s=0.02)
    assert begun.wait(WAIT_S)
    request = speech_pb2.SynthesizeRequest(text="One fish.")
    assert server.stub.Synthesize(request, timeout=WAIT_S).audio
    server.stop()
    server.thread.join(0.3)
    assert server.thread.is_alive()  # no load outlives its server


def test_a_load_that_never_ends_does_not_keep_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: threading.Event
) -> None:
    monkeypatch.setattr(registry, "LAST_LOAD_S", 0.1)
    settings = ServerSettings(port=0, lanes=1, voice_directory=tmp_path, voice_poll_s=0.02)

    async def serve() -> bool:
        stop = asyncio.Event()
        running = run_server(settings, stop, lambda *_: None, load=lambda _: [fake_voice()])
        task = asyncio.create_task(running)
        assert await asyncio.to_thread(begun.wait, WAIT_S)
        stop.set()
        return await asyncio.wait_for(task, WAIT_S)

    assert asyncio.run(serve())  # so that the process ends without the thread
