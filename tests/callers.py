"""What tests of servers share: voices, servers in a thread or a process, callers, refusals."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import queue
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.request import urlopen

import grpc
import numpy as np
import pytest
from google.rpc.error_details_pb2 import BadRequest
from grpc_status import rpc_status
from typer.testing import CliRunner, Result

from dlpo.bundle import MANIFEST, Bundle, copy_bundle
from dlpo.text import TextFrontEnd
from dlpo_serving.client import CallError, Flush, RetryPolicy, SpeechClient
from dlpo_serving.engine import Engine, Floats
from dlpo_serving.voices.synthesizer import Synthesizer
from tests.fake_engine import FakeEngine

T = TypeVar("T")
WAIT_S = 180.0  # of a wait that must end; no test takes this long, but on a busy machine
ONCE = RetryPolicy(attempts=1)
PATIENT = RetryPolicy(attempts=50, max_delay_s=0.5, total_s=WAIT_S)


def python_of(name: str) -> str:
    """The Python of an environment that `make test-all` makes; skips where there is none."""
    variable = f"DLPO_{name.upper()}_VENV"
    python = Path(os.environ.get(variable, f".venv-{name}")).absolute() / "bin/python"
    if not python.exists():
        assert variable not in os.environ, f"{variable}: there is no {python}"
        pytest.skip(f"there is no {python}; make test-all makes it, {variable} names another")
    return str(python)


def node_modules(*packages: str) -> Path:
    """The folder of npm's packages; skips where one of these is missing."""
    modules = Path(python_of("agents")).parents[1] / "node_modules"
    for package in packages:
        if not (modules / package).exists():
            pytest.skip(f"there is no {modules / package}")
    return modules


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.01)


def figure(http_address: str, name: str) -> float:
    """The sum of what a server's page of metrics has for a name, with its labels as far as given.

    What HTTP's own requests add is left out.
    """
    with urlopen(f"http://{http_address}/metrics", timeout=WAIT_S) as page:
        lines = page.read().decode().splitlines()
    found = (line for line in lines if re.match(rf"{re.escape(name)}[ {{]", line))
    return sum(float(line.split()[-1]) for line in found if "HTTP" not in line)


def built(tree: Path, out: Path, target: str = "wheel") -> Path:
    """What hatchling makes of a source tree."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", out]
    before = set(out.glob("*"))
    subprocess.run(command, cwd=tree, check=True, capture_output=True)
    (made,) = {path for path in set(out.iterdir()) - before if path.suffix in (".whl", ".gz")}
    return made


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def rest_of(connection: socket.socket) -> bytes:
    """All bytes until the server ends the connection, in whatever way."""
    received = b""
    try:
        while data := connection.recv(65_536):
            received += data
    except ConnectionError:
        pass
    return received


@contextmanager
def in_another_thread(
    context: AbstractAsyncContextManager[T],
) -> Iterator[tuple[T, asyncio.AbstractEventLoop]]:
    """What a context yields in an event loop of its own, and the loop; it ends with the block."""
    started: Future[tuple[T, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run() -> None:
        stop = asyncio.Event()
        async with context as value:
            started.set_result((value, asyncio.get_running_loop(), stop))
            await stop.wait()

    def main() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:  # else the test would wait for it in vain
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=main)
    thread.start()
    value, loop, stop = started.result(WAIT_S)
    try:
        yield value, loop
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(WAIT_S)
        assert not thread.is_alive()


class UnluckyEngine(FakeEngine):
    """Does something bad where the first window of an unlucky seed's noise comes by."""

    def __init__(self, seed: int, mishap: Callable[[], object]) -> None:
        super().__init__()
        self._mishap = mishap
        self._sign = np.random.default_rng([seed, 0]).standard_normal(dtype=np.float32)

    def denoise(self, steps: int, conditioning: Floats, source: Floats, noise: Floats) -> Floats:
        if np.any(noise[0, :, 0, 0] == self._sign):
            self._mishap()
        return super().denoise(steps, conditioning, source, noise)


class Conversation:
    """A stream that has spoken its first sentence; the second one comes when a test says so."""

    FIRST, SECOND = "Noise becomes speech. ", "Is it not strange?"

    def __init__(self, client: SpeechClient) -> None:
        self._text: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._text.put(self.FIRST)
        self._begun = threading.Event()
        self._audio = Future[bytes]()
        threading.Thread(target=self._listen, args=(client,), daemon=True).start()
        assert self._begun.wait(WAIT_S)

    def _listen(self, client: SpeechClient) -> None:
        audio = b""
        try:
            for chunk in client.stream_pieces(iter(self._pieces()), timeout_s=WAIT_S):
                audio += chunk.audio
                self._begun.set()
            self._audio.set_result(audio)
        except Exception as error:
            self._audio.set_exception(error)
            self._begun.set()

    def _pieces(self) -> Iterator[str | Flush]:
        while (piece := self._text.get()) is not None:
            yield piece
            yield Flush()

    def finish(self) -> bytes:
        """Speaks the second sentence; all of the audio."""
        self._text.put(self.SECOND)
        self._text.put(None)
        return self._audio.result(WAIT_S)

    def end(self) -> bytes | grpc.StatusCode:
        """As `finish`, or how the stream failed."""
        try:
            return self.finish()
        except CallError as error:
            return error.code


def lay(source: Path, folder: Path, voice: str) -> None:
    """A bundle under another name, moved to its place in a folder of voices at once."""
    bundle = Bundle.load(source)
    made = folder / f".{voice}"
    copy_bundle(bundle, made)
    (made / MANIFEST).write_bytes(bundle.manifest.named(voice).to_json())
    shutil.rmtree(folder / voice, ignore_errors=True)
    made.rename(folder / voice)


@dataclass(frozen=True)
class Refusal:
    """How a gRPC call failed."""

    code: str
    message: str
    trailing: dict[str, str | bytes]
    _status: Any

    def detail(self, kind: type) -> Any:
        """The one detail of this kind."""
        found = kind()
        (packed,) = (d for d in self._status.details if d.Is(kind.DESCRIPTOR))
        assert packed.Unpack(found)
        return found

    @property
    def fields(self) -> list[str]:
        """Paths of the wrong fields of the request."""
        return [violation.field for violation in self.detail(BadRequest).field_violations]


def refusal(method: Callable[..., Any], request: Any, timeout: float = WAIT_S) -> Refusal:
    """How a gRPC call ends that is read until it fails."""
    try:
        replies = method(request, timeout=timeout)
        if hasattr(replies, "__next__"):  # a stream
            list(replies)
    except grpc.RpcError as error:
        status = rpc_status.from_call(error)
        return Refusal(error.code().name, error.details(), dict(error.trailing_metadata()), status)
    raise AssertionError("the call was not refused")


def command(*words: object, stdin: str | bytes | None = None, **environment: str | None) -> Result:
    """`dlpo` with these words, run in this process."""
    from dlpo_cli import app

    runner = CliRunner(env={"COLUMNS": "250", **environment})
    return runner.invoke(app, [str(word) for word in words], input=stdin, catch_exceptions=False)


@functools.cache
def front_end() -> TextFrontEnd:
    return TextFrontEnd()


def fake_voice(engine: Engine | None = None) -> Synthesizer:
    """A voice of the fake engine, or of this one."""
    return Synthesizer(engine or FakeEngine(), front_end())


@dataclass(frozen=True)
class ServerProcess:
    """`dlpo serve` with the embedded voice and gRPC and HTTP."""

    process: subprocess.Popen[str]
    address: str
    http_address: str
    log: Path

    def figures(self) -> dict[str, int]:
        """What the process holds: files, threads, resident memory in KiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return {
            "files": len(os.listdir(f"/proc/{self.process.pid}/fd")),
            "threads": int(re.search(r"Threads:\s+(\d+)", status)[1]),  # type: ignore[index]
            "memory": int(re.search(r"VmRSS:\s+(\d+)", status)[1]),  # type: ignore[index]
        }


@contextmanager
def server_process(
    folder: Path, *options: str, python: str = sys.executable, **environment: str
) -> Iterator[ServerProcess]:
    """Run a server until the block ends; `folder` gets its log."""
    log = folder / "server.log"
    command = [python, "-m", "dlpo_serving", "--port", "0", "--http-port", "0"]
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [*command, *options],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, **environment},
        ) as process,
    ):
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            if first.startswith("{"):  # --log-format json
                told = json.loads(first)
                page = told["http"].partition("//")[2].rstrip("/")
                yield ServerProcess(process, told["grpc"], page, log)
                return
            second = process.stdout.readline()
            serving = re.match(r"SERVING \S+ on (\S+) after", first)
            page = re.search(r"https?://([^/]+)/", second)
            assert serving, log.read_text()
            assert page, second
            yield ServerProcess(process, serving[1], page[1], log)
        finally:
            process.kill()
