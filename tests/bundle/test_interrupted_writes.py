"""A bundle is written whole or not at all, whatever happens meanwhile."""

from __future__ import annotations

import dataclasses
import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dlpo.bundle import Bundle, Manifest, write_bundle
from dlpo.errors import BundleError

# Writes a bundle of `gain` to `out` in a process of its own; a signal comes at the Nth `call`.
WRITER = """
import dataclasses, os, signal, sys
from pathlib import Path
from dlpo.bundle import Bundle, write_bundle
old, out, gain, content, call, nth, number = sys.argv[1:]
manifest = dataclasses.replace(Bundle.load(old).manifest, gain=float(gain))
left = int(nth)
def watch(event, arguments):
    global left
    if event == call:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), int(number))
sys.addaudithook(watch)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
for _ in range(10 if call == "never" else 1):
    write_bundle(Path(out), manifest, Path(content))
"""


def writer(
    old: Path, out: Path, gain: float, content: Path, call: str = "never", nth: int = 0,
    signal_number: int = 0,
) -> subprocess.Popen[bytes]:  # fmt: skip
    arguments = map(str, (old, out, gain, content, call, nth, int(signal_number)))
    return subprocess.Popen([sys.executable, "-c", WRITER, *arguments], stderr=subprocess.DEVNULL)


def gain_of(out: Path) -> float | None:
    return Bundle.load(out).manifest.gain if out.exists() else None


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size` bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def no_space_in(module: Any, name: str, nth: int = 1) -> Iterator[None]:
    """The disk is found to be full in the nth call of a function, and in no other."""
    call, left = getattr(module, name), nth

    def no_space(*arguments: Any, **named: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return call(*arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, name, no_space)
        yield


@pytest.mark.parametrize("before", [None, 1.0])
@pytest.mark.parametrize(
    ("name", "full"),
    [
        *((name, partial(files_end_at, room)) for name in ("voice", "voice.dlpo")
          for room in (0, 100, 1000)),
        *(("voice", partial(no_space_in, *call)) for call in
          ((os, "fsync"), (shutil, "copyfile"), (os, "rename"), (os, "rename", 2))),
        *(("voice.dlpo", partial(no_space_in, *call))
          for call in ((os, "fsync"), (shutil, "copyfileobj"), (os, "replace"))),
    ],
)  # fmt: skip
def test_full_disk_leaves_what_was_there(
    tmp_path: Path, manifest: Manifest, content: Path, before: float | None, name: str, full: Any
) -> None:
    out = tmp_path / "voices" / name
    out.parent.mkdir()
    if before:
        write_bundle(out, dataclasses.replace(manifest, gain=before), content)

    with full(), pytest.raises(BundleError, match=r"can't be written .*make room"):
        write_bundle(out, dataclasses.replace(manifest, gain=2.0), content)

    assert gain_of(out) == before
    assert os.listdir(out.parent) == ([out.name] if before else [])


@pytest.mark.parametrize("killer", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("name", "call", "nth"),
    [
        ("voice", "shutil.copyfile", 2),
        ("voice", "os.rename", 1),
        ("voice", "os.rename", 2),
        ("voice.dlpo", "open", 6),
        ("voice.dlpo", "os.rename", 1),
    ],
)
def test_writer_that_is_stopped_leaves_the_old_bundle_or_none(
    directory: Path,
    manifest: Manifest,
    content: Path,
    tmp_path: Path,
    killer: signal.Signals,
    name: str,
    call: str,
    nth: int,
) -> None:
    out = write_bundle(tmp_path / "voices" / name, manifest, content)

    stopped = writer(directory, out, 2.0, content, call, nth, killer)

    assert stopped.wait() == -killer
    between_renames = (name, call, nth) == ("voice", "os.rename", 2)
    assert gain_of(out) == (None if between_renames and killer != signal.SIGINT else 1.0)
    assert killer != signal.SIGINT or os.listdir(out.parent) == [name]


def test_scratch_of_a_killed_writer_is_ignored(
    directory: Path, manifest: Manifest, content: Path, out: Path
) -> None:
    writer(directory, out, 2.0, content, "os.rename", 1, signal.SIGKILL).wait()
    (scratch,) = os.listdir(out.parent)
    assert scratch.startswith(".dlpo-")

    write_bundle(out, manifest, content)

    assert gain_of(out) == 1.0


def test_two_writers_at_once_leave_one_whole_bundle(
    out: Path, directory: Path, content: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(content, other)
    (other / "frames.onnx").write_bytes(b"of the other")
    writers = [writer(directory, out, 2.0, content), writer(directory, out, 3.0, other)]

    assert [process.wait() for process in writers] == [0, 0]

    bundle = Bundle.load(out)
    found = bundle.manifest.gain, bundle.graph_path("frames").read_bytes()
    assert found in {(2.0, b"frames"), (3.0, b"of the other")}
    assert os.listdir(out.parent) == [out.name]


def test_bundle_replaced_during_inspection_is_tolerated(
    directory: Path,
    manifest: Manifest,
    content: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_dir = Path.is_dir
    looks = 0

    def exchanged(self: Path) -> bool:
        nonlocal looks
        looks += self == directory
        if looks == 1 and self == directory:  # gone, and another one in its place right after
            self.rename(tmp_path / "gone")
            shutil.copytree(tmp_path / "gone", self)
            return False
        return is_dir(self)

    monkeypatch.setattr(Path, "is_dir", exchanged)
    write_bundle(directory, dataclasses.replace(manifest, gain=2.0), content)
    monkeypatch.undo()

    assert gain_of(directory) == 2.0
