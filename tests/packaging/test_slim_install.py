"""The serving extra alone, in an environment of its own: torch is absent and the server speaks."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from dlpo.audio import read_wav
from tests.callers import built, python_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def slim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """bin/ of an environment that holds deploy/locks/serve.txt and, just built, dlpo's wheel."""
    programs = Path(python_of("slim")).parent
    wheel = built(ROOT, tmp_path_factory.mktemp("wheel"))
    install = [programs / "python", "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*install, "--force-reinstall", wheel], check=True)
    return programs


def test_it_holds_the_lock_and_dlpo_and_no_torch(slim: Path) -> None:
    listed = subprocess.run(
        [slim / "python", "-m", "pip", "list", "--format", "json"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    names = {package["name"].lower() for package in json.loads(listed.stdout)}

    assert "dlpo" in names
    assert not names & {"torch", "safetensors", "onnx", "opentelemetry-sdk", "pytest", "av"}
    subprocess.run([slim / "python", "-m", "pip", "check"], check=True)


@pytest.mark.parametrize("ending", ["flac", "mp3", "opus", "wav"])
def test_it_encodes(slim: Path, tmp_path: Path, ending: str) -> None:
    sound = tmp_path / f"hello.{ending}"
    say = [slim / "dlpo", "say", "Hello.", "--out", sound]
    subprocess.run(say, check=True, capture_output=True, cwd=tmp_path)

    assert sound.stat().st_size > 1000


def test_its_server_speaks_to_its_client_and_ends(slim: Path, tmp_path: Path) -> None:
    sound = tmp_path / "hello.wav"
    command = [slim / "dlpo", "serve", "--port", "0", "--log-level", "debug"]
    log = tmp_path / "log"
    pipe = {"stdout": subprocess.PIPE, "text": True}
    with log.open("w") as errors, subprocess.Popen(command, stderr=errors, **pipe) as server:
        try:
            assert server.stdout is not None  # it is a pipe
            address = server.stdout.readline().split(" on ")[1].split()[0]
            say = [slim / "dlpo", "say", "Hello.", "--server", address, "--out", sound]
            subprocess.run(say, check=True, capture_output=True, cwd=tmp_path)
            subprocess.run(
                [slim / "dlpo", "health", address], check=True, stdout=subprocess.DEVNULL
            )
        finally:
            server.send_signal(signal.SIGTERM)

    assert server.returncode == 0
    assert abs(read_wav(sound)[0]).max() > 0.05
    assert "aac is not offered" in log.read_text()
    assert "Traceback" not in log.read_text()
