"""Two servers behind haproxy, started, ended and looked at as an operator does."""

from __future__ import annotations

import csv
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dlpo_serving.client import RetryPolicy, SpeechClient

TIMEOUT_S = 180.0  # of a wait that must end; no test takes this long
CONFIG = Path(__file__).resolve().parents[2] / "deploy/haproxy/haproxy.cfg"
PATIENT = RetryPolicy(attempts=50, max_delay_s=0.5, total_s=TIMEOUT_S)  # on a busy machine
SERVER = Path(__file__).with_name("patient_server.py")
NAMES = ("one", "two")  # of the servers, in the configuration


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.05)


class Replica:
    """`dlpo serve` with the embedded voice at an address of its own, which successors take over."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.port, self.http_port = free_port(), free_port()
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
            "--grace-s": TIMEOUT_S,
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
        self.process.wait(TIMEOUT_S)

    def ended(self) -> int:
        """The exit status, once there is one."""
        assert self.process
        return self.process.wait(TIMEOUT_S)

    def figure(self, name: str) -> float:
        """The sum of a figure over its labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/metrics") as page:
            lines = page.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


class Fleet:
    """Two replicas behind haproxy, which runs with the committed configuration."""

    def __init__(self, folder: Path) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self.replicas = [Replica(folder / f"{name}.log") for name in NAMES]
        self.config = (self._config(folder), self._socket(folder))

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

    def _config(self, folder: Path) -> Path:
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
        path = folder / "haproxy.cfg"
        path.write_text(text)
        return path

    def _socket(self, folder: Path) -> Path:
        """Where an operator asks; given beside the committed file."""
        self.socket_path = folder / "s"
        path = folder / "socket.cfg"
        path.write_text(f"global\n    stats socket {self.socket_path}\n")
        return path


@contextmanager
def _running(fleet: Fleet, program: str) -> Iterator[Fleet]:
    files = [argument for path in fleet.config for argument in ("-f", str(path))]
    with subprocess.Popen([program, "-db", *files], stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(fleet.socket_path.exists)
            yield fleet
        finally:
            process.terminate()
            for replica in fleet.replicas:
                if replica.running:
                    replica.kill()


@pytest.fixture(name="free_port")
def _free_port() -> Callable[[], int]:
    """`free_port()`: a TCP port that nobody listens on now."""
    return free_port


@pytest.fixture(name="wait_until")
def _wait_until() -> Callable[[Callable[[], object]], None]:
    """`wait_until(condition)`, which must come true soon."""
    return wait_until


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Nothing runs yet but haproxy: `fleet.all_up()`."""
    program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if not program:
        pytest.skip("haproxy is not installed; apt-get install haproxy")
    with _running(Fleet(tmp_path_factory.mktemp("fleet")), program) as running:
        yield running
