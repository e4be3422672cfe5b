"""Servers come, go and die behind haproxy, which runs with deploy/haproxy/haproxy.cfg."""

from __future__ import annotations

import csv
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from dlpo_serving.client import SpeechClient
from dlpo_serving.request import SpeechRequest
from tests.callers import PATIENT, WAIT_S, Conversation, figure, free_port, wait_until

TEXT = SpeechRequest(Conversation.FIRST + Conversation.SECOND)
SHORT = SpeechRequest(Conversation.SECOND)
LISTENERS = 2


CONFIG = Path(__file__).resolve().parents[2] / "deploy/haproxy/haproxy.cfg"
SERVER = Path(__file__).with_name("patient_server.py")
NAMES = ("one", "two")  # of the servers, in the configuration


class Replica:
    """`dlpo serve` with the embedded voice at an address of its own, which successors take over."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.port = free_port()
        self.http_port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Begin to start; it is ready when haproxy says so."""
        options = {
            "--port": self.port,
            "--http-port": self.http_port,
            "--pre-stop-s": 3,
            "--grace-s": WAIT_S,
            "--lanes": 1,
            "--max-first-audio-s": 1000,
        }
        command = [sys.executable, str(SERVER)]
        command += [str(word) for option in options.items() for word in option]
        with self.log.open("w") as log:  # each process has its own
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)

    def terminate(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait(WAIT_S)

    def ended(self) -> int:
        """The exit status, once there is one."""
        assert self.process
        return self.process.wait(WAIT_S)

    def figure(self, name: str) -> float:
        return figure(f"127.0.0.1:{self.http_port}", name)


class Fleet:
    """Two replicas behind haproxy, which runs with the committed configuration."""

    def __init__(self, folder: Path) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self.replicas = [Replica(folder / f"{name}.log") for name in NAMES]
        self.config = self._config(folder)

    def all_up(self) -> list[Replica]:
        """Both replicas; those that do not run are started."""
        for replica in self.replicas:
            if not replica.running:
                replica.start()
        for name in NAMES:
            wait_until(lambda name=name: self.status(name) == "UP")
        return self.replicas

    def status(self, name: str) -> str:
        """What haproxy thinks of a server: UP or DOWN."""
        with socket.socket(socket.AF_UNIX) as operator:
            operator.connect(str(self.socket_path))
            operator.sendall(b"show stat\n")
            answer = operator.makefile().read()
        rows = csv.DictReader(answer.removeprefix("# ").splitlines())
        (found,) = [row["status"] for row in rows if row["svname"] == name]
        return found

    def client(self) -> SpeechClient:
        return SpeechClient(self.address, retries=PATIENT)

    def _config(self, folder: Path) -> list[str]:
        """Arguments with the committed file, and with one beside it that says where to ask."""
        one, two = self.replicas
        places = {
            "127.0.0.1:50050": self.address,
            "127.0.0.1:50051 port 8081": f"127.0.0.1:{one.port} port {one.http_port}",
            "127.0.0.1:50052 port 8082": f"127.0.0.1:{two.port} port {two.http_port}",
        }
        text = CONFIG.read_text()
        for example, place in places.items():
            assert text.count(example) == 1
            text = text.replace(example, place)
        (folder / "haproxy.cfg").write_text(text)
        self.socket_path = folder / "s"
        (folder / "socket.cfg").write_text(f"global\n    stats socket {self.socket_path}\n")
        return ["-f", str(folder / "haproxy.cfg"), "-f", str(folder / "socket.cfg")]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Nothing runs yet but haproxy: `fleet.all_up()`."""
    program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if not program:
        pytest.skip("haproxy is not installed; apt-get install haproxy")
    fleet = Fleet(tmp_path_factory.mktemp("fleet"))
    with subprocess.Popen([program, "-db", *fleet.config], stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(fleet.socket_path.exists)
            yield fleet
        finally:
            process.terminate()
            for replica in fleet.replicas:
                if replica.running:
                    replica.kill()


def on_both(fleet: Any, callers: ExitStack) -> list[Conversation]:
    """Conversations of which each server has some."""
    held: list[Conversation] = []
    while not all(replica.figure("dlpo_streams_active") for replica in fleet.replicas):
        held.append(Conversation(callers.enter_context(fleet.client())))
    return held


def test_kill_9_ends_only_the_killed_servers_streams(fleet: Fleet) -> None:
    one, two = fleet.all_up()
    with fleet.client() as client, ExitStack() as callers:
        alone = client.speak(TEXT, timeout_s=WAIT_S).audio
        held = on_both(fleet, callers)
        with_one, with_two = one.figure("dlpo_streams_active"), two.figure("dlpo_streams_active")

        one.kill()
        for _ in range(4):  # wherever they are sent at first
            whole = client.speak(TEXT, timeout_s=WAIT_S)
            assert whole.audio == alone
        ends = [stream.end() for stream in held]

        assert fleet.status("one") == "DOWN"
        assert ends.count(grpc.StatusCode.UNAVAILABLE) == with_one
        assert ends.count(alone) == with_two


def test_rolling_restart_is_invisible_to_callers(fleet: Fleet) -> None:
    fleet.all_up()
    over = threading.Event()
    heard = [0] * LISTENERS

    def listen(listener: int, alone: bytes) -> None:
        """One stream after the other, each as it sounds alone."""
        with fleet.client() as client:
            while not over.is_set():
                with client.stream(TEXT, timeout_s=WAIT_S) as stream:
                    assert b"".join(chunk.audio for chunk in stream) == alone
                heard[listener] += 1

    logs = []
    with fleet.client() as client, ThreadPoolExecutor(LISTENERS) as threads:
        alone = client.speak(TEXT, timeout_s=WAIT_S).audio
        listeners = [threads.submit(listen, number, alone) for number in range(LISTENERS)]
        try:
            for replica in fleet.replicas:
                wait_for_all(heard, listeners)
                replica.terminate()
                assert replica.ended() == 0
                logs.append(replica.log.read_text())
                fleet.all_up()
            wait_for_all(heard, listeners)
        finally:
            over.set()
        for listener in listeners:
            listener.result(WAIT_S)

    for log in logs:
        assert set(re.findall(r"code=(\w+)", log)) == {"OK"}
    assert all(replica.figure("dlpo_audio_seconds_total") for replica in fleet.replicas)


def wait_for_all(heard: list[int], listeners: list[Any]) -> None:
    """Every listener hears a further stream to its end, or has failed."""
    before = list(heard)
    pause = threading.Event()
    while any(now <= then for now, then in zip(heard, before, strict=True)):
        if any(listener.done() for listener in listeners):
            return  # its failure is reported at the end
        pause.wait(0.05)
