"""Two servers, one of which is killed: by our client's own balancing, and behind haproxy.

What else happens behind haproxy is in tests/deploy/test_fleet.py.
"""

from __future__ import annotations

import queue
import re
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from dlpo_serving.client import CallError, RetryPolicy, SpeechClient, SpeechStream
from dlpo_serving.request import SpeechRequest

pytestmark = pytest.mark.full

TIMEOUT_S = 60.0
LONG = SpeechRequest("Noise becomes speech, step by step. " * 20)
SHORT = SpeechRequest("Is it not strange?")
CONFIG = Path(__file__).resolve().parents[3] / "deploy/haproxy/haproxy.cfg"
PATIENT = RetryPolicy(attempts=20, max_delay_s=0.5, total_s=TIMEOUT_S)


@contextmanager
def client_side(first: Any, second: Any, folder: Path) -> Iterator[str]:
    """No balancer at all: the client knows both."""
    yield f"ipv4:{first.address},{second.address}"


@contextmanager
def haproxy(first: Any, second: Any, folder: Path) -> Iterator[str]:
    """The configuration of deploy/ with the ports of this test."""
    program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if not program:
        pytest.skip("haproxy is not installed; apt-get install haproxy")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        own = f"127.0.0.1:{free.getsockname()[1]}"
    places = {
        "127.0.0.1:50050": own,
        "127.0.0.1:50051 port 8081": at(first),
        "127.0.0.1:50052 port 8082": at(second),
    }
    config = CONFIG.read_text()
    for example, place in places.items():
        assert config.count(example) == 1
        config = config.replace(example, place)
    path = folder / "haproxy.cfg"
    path.write_text(config)
    with subprocess.Popen([program, "-db", "-f", path]) as process:
        try:
            yield own
        finally:
            process.terminate()


def at(server: Any) -> str:
    return f"{server.address} port {server.http_address.rpartition(':')[2]}"


Balancer = Callable[..., Any]


def test_kill_9_of_one_of_two_replicas_harms_its_own_callers_only(
    start_process: Callable[..., Any], tmp_path: Path
) -> None:
    with (
        start_process() as first,
        start_process() as second,
        client_side(first, second, tmp_path) as address,
        SpeechClient(address, retries=PATIENT) as client,
        ExitStack() as callers,
    ):
        client.wait_until_serving(TIMEOUT_S)
        whole = client.stream(LONG, timeout_s=TIMEOUT_S)
        alone = b"".join(chunk.audio for chunk in whole)
        short = client.speak(SHORT, timeout_s=TIMEOUT_S).audio
        streams = []
        while not (active(first) and active(second)):
            caller = callers.enter_context(SpeechClient(address, retries=PATIENT))
            streams.append(caller.stream(LONG, timeout_s=TIMEOUT_S))
        heard = [begun(stream) for stream in streams]

        first.process.kill()
        first.process.wait(TIMEOUT_S)

        for _ in range(4):  # wherever they are sent at first
            assert client.speak(SHORT, timeout_s=TIMEOUT_S).audio == short
        with ThreadPoolExecutor(len(streams)) as listeners:
            ends = list(listeners.map(end_of, streams, heard))
        log = second.log.read_text()

    for stream, end in zip(streams, ends, strict=True):
        spoken_by_second = re.search(rf"id={stream.request_id} .* code=(?!RESOURCE_EXH)", log)
        assert end == (alone if spoken_by_second else grpc.StatusCode.UNAVAILABLE)


def active(server: Any) -> bool:
    """Whether the server is speaking."""
    with urllib.request.urlopen(f"http://{server.http_address}/metrics") as reply:
        return b"dlpo_streams_active 0.0" not in reply.read()


def begun(stream: SpeechStream) -> bytes:
    """The first sound of a stream."""
    return next(iter(stream)).audio


def end_of(stream: SpeechStream, audio: bytes) -> bytes | grpc.StatusCode:
    """The audio of a stream that has begun so, or how it failed."""
    try:
        return audio + b"".join(chunk.audio for chunk in stream)
    except CallError as error:
        return error.code


@pytest.mark.parametrize("balancer", [client_side, haproxy])
def test_calls_that_have_heard_nothing_are_begun_again_at_the_other_replica(
    balancer: Balancer, start_process: Callable[..., Any], tmp_path: Path
) -> None:
    with (
        start_process() as first,
        start_process() as second,
        balancer(first, second, tmp_path) as address,
        SpeechClient(address, retries=PATIENT) as client,
    ):
        client.wait_until_serving(TIMEOUT_S)
        alone = client.speak(SHORT, timeout_s=TIMEOUT_S).audio
        texts: list[queue.SimpleQueue[str | None]] = [queue.SimpleQueue() for _ in range(4)]
        for text in texts:
            text.put("Is it not ")  # nothing can be spoken yet
        calls = [client.stream_pieces(iter(text.get, None), timeout_s=TIMEOUT_S) for text in texts]

        first.process.kill()
        first.process.wait(TIMEOUT_S)
        for text in texts:
            text.put("strange?")
            text.put(None)

        assert [b"".join(chunk.audio for chunk in call) for call in calls] == [alone] * 4
