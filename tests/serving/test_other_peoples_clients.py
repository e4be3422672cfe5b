"""Agents' frameworks, OpenAI's JavaScript package and curl, unmodified, against one server."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from tests.callers import ServerProcess, python_of, server_process

pytestmark = pytest.mark.full

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TEXT = "Every agent has a voice. This one is free."
ORIGIN = "https://app.example"
ROWS = {  # of a newcomer's review: path and options of curl -> status
    ("/v1/audio/voices",): 200, ("/v1/audio/models",): 200, ("/docs",): 200, ("/health",): 200,
    ("/openapi.json",): 200, ("/v1/audio/speech", "-X", "OPTIONS", "-H", f"Origin: {ORIGIN}"): 204,
    **{
        ("/v1/audio/speech", "--json", json.dumps({"input": "Hello.", **fields})): 200
        for fields in (
            {"model": "kokoro", "voice": "af_heart", "stream": True}, {"speed": 3},
            {"response_format": "aac"}, {"model": "tts-1", "voice": "lj", "user": "Open WebUI"},
        )
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with server_process(tmp_path_factory.mktemp("server"), "--cors-origin", ORIGIN) as server:
        yield server


def curl(server: ServerProcess, path: str, *options: str) -> bytes:
    command = ["curl", "-sS", *options, f"http://{server.http_address}{path}"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def seconds(path: Path) -> float:
    with av.open(path) as file:
        return sum(frame.samples / frame.sample_rate for frame in file.decode(audio=0))


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_curl_is_answered_as_its_user_expects(served: ServerProcess, row: tuple[str, ...]) -> None:
    assert curl(served, *row, "-o", "/dev/null", "-w", "%{http_code}") == str(ROWS[row]).encode()


@pytest.mark.parametrize("plugin", ["nvidia", "openai", "elevenlabs"])
@pytest.mark.parametrize("framework", ["livekit", "pipecat"])
def test_an_agent_speaks_through_its_own_plugin(
    served: ServerProcess, framework: str, plugin: str, tmp_path: Path
) -> None:
    address = served.address if plugin == "nvidia" else served.http_address
    example, heard = EXAMPLES / f"{framework}_tts.py", tmp_path / "heard.wav"
    command: list[Any] = [python_of("agents"), example, plugin, address, TEXT, heard]
    subprocess.run(command, check=True, cwd=tmp_path, env={})
    body = json.dumps({"input": TEXT, "response_format": "pcm"})
    ours = curl(served, "/v1/audio/speech", "--json", body)
    if framework == "pipecat":
        assert heard.read_bytes()[44:] == ours
    assert seconds(heard) == pytest.approx(len(ours) / 48_000, abs=0.5)  # pauses between calls


def test_openais_javascript_package_speaks(served: ServerProcess, tmp_path: Path) -> None:
    folder = Path(python_of("agents")).parents[1]
    if not (node := shutil.which("node")) or not (folder / "node_modules").exists():
        pytest.skip("node or its package openai is not installed")
    command = [node, "--input-type=module", "-", f"http://{served.http_address}/v1", TEXT]
    with (EXAMPLES / "openai_speech.mjs").open() as program:
        subprocess.run([*command, tmp_path / "a.mp3"], check=True, cwd=folder, stdin=program)
    assert seconds(tmp_path / "a.mp3") == pytest.approx(3.2, abs=0.3)
