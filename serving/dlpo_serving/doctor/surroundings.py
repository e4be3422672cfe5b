"""What dlpo meets outside of itself: an audio player, folders to write to, ports."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from dlpo_serving.doctor.observation import Observation

PORTS = {50_051: "gRPC", 8080: "HTTP"}
"""those that the defaults and the README name"""
ROOM = 200 << 20  # bytes that an unpacked voice and a sound file fit into
CACHE = Path("~/.cache/dlpo")  # TensorRT engines of onnxruntime, peers of `dlpo bench peers`


def look_around(ports: Mapping[int, str] = PORTS) -> Iterator[Observation]:
    """Player, writable folders, free ports; none of them is needed to speak into a file."""
    yield _player()
    yield _folder("temporary files", Path(tempfile.gettempdir()), "set TMPDIR to another folder")
    yield _cache()
    yield _folder("this folder", Path.cwd(), "change to a folder of yours before -o or --record")
    for port, what in ports.items():
        yield _port(port, what)


def _player() -> Observation:
    from dlpo_serving.player import PLAYERS

    names = [player.name for player in PLAYERS]
    found = [name for name in names if shutil.which(name)]
    if found:
        return Observation("audio player", "ok", found[0])
    return Observation(
        "audio player",
        "absent",
        f"none of {', '.join(names)}; dlpo say needs -o",
        "apt-get install alsa-utils, or write a file: dlpo say TEXT -o speech.wav",
    )


def _cache() -> Observation:
    folder = CACHE.expanduser()
    while not folder.exists():  # it is made when it is needed
        folder = folder.parent
    return _folder(f"cache {CACHE}", folder, f"mkdir -p {CACHE}, or set HOME to a folder of yours")


def _folder(subject: str, folder: Path, remedy: str) -> Observation:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x" * 4096)
            file.flush()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Observation(
            subject, "problem", f"{folder} can't be written: {error.strerror}", remedy
        )
    detail = f"{folder}, {free / 2**30:.1f} GiB free"
    if free < ROOM:
        return Observation(subject, "problem", detail, f"free some of it, or {remedy}")
    return Observation(subject, "ok", detail)


def _port(port: int, what: str) -> Observation:
    subject = f"port {port}, {what}"
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            flag = "--port" if what == "gRPC" else "--http-port"
            return Observation(
                subject,
                "problem",
                f"can't be listened on: {error.strerror}",
                f"dlpo serve {flag} N; who has it: ss -ltnp 'sport = :{port}'",
            )
    return Observation(subject, "ok", "free")
