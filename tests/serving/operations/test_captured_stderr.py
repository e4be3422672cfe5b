"""JSON logs hold nothing but JSON: lines of libraries, the announcement and a failed start too."""

from __future__ import annotations

import io
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dlpo_serving.operations.captured_stderr import CapturedStderr
from dlpo_serving.operations.logs import PAUSE_S, configure_logs
from tests.callers import WAIT_S, server_process, wait_until
from tests.serving.conftest import Clock

if TYPE_CHECKING:
    from tests.serving.conftest import Authority

HANDSHAKE = "I1125 10:00:00.123456    2563 tls.cc:2563] Handshake failed with error X"


def logged() -> io.StringIO:
    stream = io.StringIO()
    configure_logs("json", "info", stream)
    return stream


def test_lines_of_one_place_are_logged_rarely() -> None:
    stream, clock = logged(), Clock()
    lines = CapturedStderr(clock)

    for _ in range(3):
        lines.log(HANDSHAKE)
    lines.log("E1125 10:00:00.123456 2563 other.cc:7] broken")
    lines.log("terminate called")
    clock.now_s += PAUSE_S
    lines.log(HANDSHAKE)

    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(one["logger"], one["level"], one["event"]) for one in events] == [
        ("grpc", "info", "Handshake failed with error X (tls.cc:2563)"),
        ("grpc", "error", "broken (other.cc:7)"),
        ("stderr", "warning", "terminate called"),
        ("grpc", "info", "Handshake failed with error X (tls.cc:2563)"),
    ]


def test_what_c_code_writes_is_logged(tmp_path: Path) -> None:
    program = (
        "import os\n"
        "from dlpo_serving.operations.captured_stderr import stderr_captured\n"
        "from dlpo_serving.operations.logs import configure_logs\n"
        "with stderr_captured() as real:\n"
        "    configure_logs('json', 'info', real)\n"
        "    os.write(2, b'one\\ntwo \\xff')\n"
        "os.write(2, b'after')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    first, second, last = done.stderr.decode().splitlines()
    assert [json.loads(line)["event"] for line in (first, second)] == ["one", "two \\xff"]
    assert last == "after"


@pytest.mark.full
def test_a_server_writes_json_only(authority: Authority, tmp_path: Path) -> None:
    issued = authority.issue("localhost")
    options = ["--log-format", "json", "--tls-certificate", str(issued.certificate)]
    with server_process(tmp_path, *options, "--tls-key", str(issued.key)) as server:
        host, _, port = server.address.rpartition(":")
        with socket.create_connection((host, int(port))) as caller:
            caller.sendall(b"GET / HTTP/1.1\r\n\r\n")
            caller.recv(1)
        wait_until(lambda: "andshake" in server.log.read_text())
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(WAIT_S) == 0
        assert server.process.stdout is not None
        rest = server.process.stdout.read()
    events = [json.loads(line) for line in [*server.log.read_text().splitlines(), *rest.split()]]
    assert "grpc" in {one["logger"] for one in events}


def test_a_failed_start_is_logged_as_json(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dlpo_serving", "--log-format", "json", "--voice", "nobody"]
    done = subprocess.run([*command, "--port", "0"], capture_output=True, text=True)

    assert done.returncode == 1
    events = [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]
    assert "nobody" in events[-1]["event"]
    assert events[-1]["level"] == "critical"
