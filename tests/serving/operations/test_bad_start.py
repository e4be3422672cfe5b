"""`dlpo serve` reports a bad configuration at its start, with exit code 1, before any call."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dlpo.bundle import DEFAULT_VOICE
from dlpo_cli import app
from dlpo_serving.voices import find_voice
from tests.callers import wait_until

EMBEDDED = find_voice(DEFAULT_VOICE)
TIMEOUT_S = 60.0
DLPO = (sys.executable, "-c", "from dlpo_cli import app; app()")


def refused(*options: str) -> str:
    """What `dlpo serve` says while it ends with 1."""
    result = CliRunner().invoke(app, ["serve", "--port", "0", *options], catch_exceptions=False)

    assert result.exit_code == 1
    assert result.stderr.count("dlpo: ") == 1
    assert "SERVING" not in result.stdout
    return result.stderr


@pytest.mark.parametrize("flag", ["--port", "--http-port", "--health-port"])
def test_a_port_that_is_taken_is_named_with_its_flag(
    flag: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        message = refused(flag, str(port))

    assert f"127.0.0.1:{port}" in message
    assert f"another {flag}," in message
    assert "add_port" not in capfd.readouterr().err  # a line of gRPC's own


def test_a_dictionary_with_a_wrong_phoneme_is_refused(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("tomato T QQ1\n")
    assert "QQ1" in refused("--dictionary", str(words))


def test_missing_package_of_a_protocol_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wyoming.audio", None)
    for name in [n for n in sys.modules if n.startswith("dlpo_serving.protocols.wyoming")]:
        monkeypatch.delitem(sys.modules, name)

    assert "pip install" in refused("--wyoming-port", "0")


@pytest.mark.parametrize("engine", ["cuda", "tensorrt"])
@pytest.mark.parametrize("voices", ["named", "from a folder"])
def test_an_engine_for_gpus_is_refused_where_there_is_none(
    engine: str, voices: str, tmp_path: Path
) -> None:
    if shutil.which("nvidia-smi"):
        pytest.skip("there is a GPU here")
    if voices == "named":
        message = refused("--engine", engine)
    else:
        empty = tmp_path / "empty.toml"
        empty.write_text("voices = []\n")
        message = refused("--config", str(empty), "--engine", engine, "--voice-directory", "/tmp")

    assert "GPU" in message or "build for CPUs" in message


def without_root_rights(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run it as a user to whom permissions apply, which they don't to root."""
    if os.geteuid() == 0:
        if not (setpriv := shutil.which("setpriv")):
            pytest.skip("root may read all, and there is no setpriv (util-linux) to give that up")
        command = [setpriv, "--bounding-set=-dac_override,-dac_read_search", *command]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)


@pytest.mark.parametrize("what", ["the folder", "a file", "the folder around it"])
def test_unreadable_voice_error_names_its_path(what: str, tmp_path: Path) -> None:
    mounted = tmp_path / "mount" / "voice"
    shutil.copytree(EMBEDDED, mounted)
    closed = {
        "the folder": mounted,
        "a file": mounted / "voice.json",
        "the folder around it": mounted.parent,
    }[what]
    closed.chmod(0)
    try:
        ended = without_root_rights([*DLPO, "serve", "--port", "0", "--voice", str(mounted)])
    finally:
        closed.chmod(0o755)

    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith(f"dlpo: {mounted} can't be read")
    assert "Permission denied" in ended.stderr


def test_sigterm_while_voices_are_loaded_ends_the_server_at_once() -> None:
    """The voice never comes to its end of loading, as one that takes minutes does not."""
    code = (
        "import threading, dlpo_serving.server as server\n"
        "def load(settings):\n"
        "    print('loading', flush=True)\n"
        "    threading.Event().wait()\n"
        "server.run_server.__defaults__ = (load,)\n"
        "server.EngineExecutor.close.__globals__['LAST_UNIT_S'] = 0.1\n"
        "from dlpo_cli import app; app()"
    )
    command = [sys.executable, "-c", code, "serve", "--port", "0", "--pre-stop-s", "1000"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGTERM)
        out, errors = process.communicate(timeout=TIMEOUT_S)

    assert process.returncode == 0, errors
    assert out == ""
    assert "stopped while voices were being loaded" in errors
    assert "Traceback" not in errors


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_standard_output_that_is_full_stops_no_server(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with open("/dev/full", "w") as full, log.open("w") as errors:
        server = subprocess.Popen([*DLPO, "serve", "--port", "0"], stdout=full, stderr=errors)
    try:
        wait_until(lambda: "SERVING heart" in log.read_text() or server.poll() is not None)
        address = re.search(r"SERVING heart\S* on (\S+)", log.read_text())
        assert address, log.read_text()
        assert CliRunner().invoke(app, ["health", address[1]]).exit_code == 0
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(TIMEOUT_S) == 0
    assert "Traceback" not in log.read_text()
