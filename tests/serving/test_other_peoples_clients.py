"""Agents' frameworks, OpenAI's JavaScript package, curl, Speech Dispatcher: one server for all."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from tests.callers import ServerProcess, built, free_port, python_of, server_process

pytestmark = pytest.mark.full

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = ROOT / "tests" / "clients"
EXAMPLES = ROOT / "docs" / "examples"
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


def spoken(server: ServerProcess, text: str, **fields: Any) -> bytes:
    """The samples of our own route."""
    body = json.dumps({"input": text, "response_format": "pcm", **fields})
    return curl(server, "/v1/audio/speech", "--json", body)


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
    ours = spoken(served, TEXT)
    if framework == "pipecat":
        assert heard.read_bytes()[44:] == ours
    assert seconds(heard) == pytest.approx(len(ours) / 48_000, abs=0.5)  # pauses between calls


def run_client(program: str, *arguments: object, packages: str = "") -> str:
    """What a program prints that uses somebody else's package, and ours from `packages`."""
    command: list[Any] = [python_of("agents"), CLIENTS / program, *map(str, arguments)]
    environment = {"PYTHONPATH": packages}
    return subprocess.run(
        command, check=True, text=True, stdout=subprocess.PIPE, env=environment
    ).stdout


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with what the wheels of our packages for frameworks install."""
    folder = tmp_path_factory.mktemp("packages")
    for name in ("pipecat-dlpo", "livekit-plugins-dlpo"):
        wheel = zipfile.ZipFile(built(ROOT / "deploy" / name, folder))
        wheel.extractall(folder / "installed")
    return str(folder / "installed")


@pytest.mark.parametrize("vendor", ["elevenlabs", "cartesia", "deepgram"])
def test_a_vendors_package_speaks(served: ServerProcess, vendor: str, tmp_path: Path) -> None:
    text = "Your order #42 costs $3.50. 🎉 Is that right?"
    url = "http://" * (vendor != "deepgram") + served.http_address
    run_client(f"{vendor}_sdk.py", url, text, tmp_path / "a.pcm")
    assert (tmp_path / "a.pcm").read_bytes() == spoken(served, text)


def test_nvidias_realtime_client_speaks(served: ServerProcess, tmp_path: Path) -> None:
    heard = tmp_path / "a.pcm"
    said = run_client("riva_realtime.py", served.http_address, TEXT, heard)
    assert said.split()[0] == "False"  # no error
    assert heard.read_bytes() == spoken(served, TEXT, sample_rate=22_050)


@pytest.mark.parametrize(
    ("service", "has_times"),
    [
        ("elevenlabs", True),
        ("elevenlabs-http", True),
        ("cartesia", True),
        ("cartesia-http", False),
        ("deepgram", False),
        ("deepgram-http", False),
        ("deepgram-flux", False),
        ("dlpo", True),
    ],
)
def test_pipecat_keeps_what_was_heard(
    served: ServerProcess, packages: str, service: str, has_times: bool
) -> None:
    text = "Hello, Dr. Smith! Your order #42 costs $3.50. Please call us back before 12:30."
    program = "pipecat_interruption.py", service, served.http_address, text
    (whole,) = json.loads(run_client(*program, 0, packages=packages))
    assert whole.split() == text.split()  # Pipecat joins Flux's sentences by two blanks
    if has_times:
        (heard,) = json.loads(run_client(*program, 2, packages=packages))
        assert text.startswith(heard)
        assert "Hello" in heard
        assert "call us" not in heard


@pytest.mark.parametrize("vendor", ["elevenlabs", "cartesia", "deepgram", "dlpo"])
def test_livekit_synthesizes_and_goes_on_after_an_interruption(
    served: ServerProcess, packages: str, vendor: str, tmp_path: Path
) -> None:
    text = "Hello, Dr. Smith! Your order #42 costs $3.50."
    program = "livekit_interruption.py", vendor, served.http_address, text
    words = json.loads(run_client(*program, tmp_path / "a.wav", packages=packages))
    if vendor != "deepgram":  # which has no times
        assert "".join(word for word, _ in words).strip() == text
    assert seconds(tmp_path / "a.wav") > 3


def test_our_livekit_plugin_connects_again(packages: str, tmp_path: Path) -> None:
    port, program = str(free_port()), CLIENTS / "livekit_reconnects.py"
    command: list[Any] = [python_of("agents"), program, f"http://127.0.0.1:{port}", TEXT]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env={"PYTHONPATH": packages}, **pipes) as client:
        for _ in range(2):
            with server_process(tmp_path, "--http-port", port):
                client.stdin.write("speak\n")
                client.stdin.flush()
                assert float(client.stdout.readline()) > 2
        client.stdin.close()


def test_openais_python_package_hears_its_text_over_a_websocket(
    served: ServerProcess, tmp_path: Path
) -> None:
    url, heard = f"http://{served.http_address}/v1", tmp_path / "heard.wav"
    command = [python_of("agents"), EXAMPLES / "openai_realtime.py", url, TEXT, heard]
    subprocess.run(command, check=True, cwd=tmp_path, env={})
    assert heard.read_bytes()[44:] == spoken(served, TEXT)


def test_openais_javascript_package_speaks(served: ServerProcess, tmp_path: Path) -> None:
    folder = Path(python_of("agents")).parents[1]
    if not (node := shutil.which("node")) or not (folder / "node_modules").exists():
        pytest.skip("node or its package openai is not installed")
    command = [node, "--input-type=module", "-", f"http://{served.http_address}/v1", TEXT]
    with (EXAMPLES / "openai_speech.mjs").open() as program:
        subprocess.run([*command, tmp_path / "a.mp3"], check=True, cwd=folder, stdin=program)
    (tmp_path / "b.mp3").write_bytes(spoken(served, TEXT, response_format="mp3"))
    assert seconds(tmp_path / "a.mp3") == pytest.approx(seconds(tmp_path / "b.mp3"), abs=0.3)
