"""The server as a process: what a user starts, asks and stops."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dlpo.audio import read_wav
from dlpo.errors import EngineError
from dlpo_serving.client import SpeechClient
from dlpo_serving.local.demo import run_demo
from dlpo_serving.local.local_server import local_server
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import open_voice

TEXT = "Noise becomes speech, step by step. Is it not strange? " * 20
TIMEOUT_S = 60.0


def test_a_server_process_speaks_as_the_voice_does_offline(tiny_bundle: Path) -> None:
    request = SpeechRequest("Hello over there.", seed=9)

    with local_server(tiny_bundle) as server, SpeechClient(server.address) as client:
        client.wait_until_serving()
        audio = np.concatenate([chunk.samples for chunk in client.stream(request)])

    np.testing.assert_allclose(audio, open_voice(tiny_bundle).speak(request), atol=1e-4)


def test_sigterm_lets_the_running_stream_end_and_exits_cleanly(tiny_bundle: Path) -> None:
    with local_server(tiny_bundle) as server, SpeechClient(server.address) as client:
        stream = client.stream(SpeechRequest(TEXT))
        samples = len(next(iter(stream)).samples)

        server.process.send_signal(signal.SIGTERM)

        samples += sum(len(chunk.samples) for chunk in stream)
        assert stream.totals is not None
        assert stream.totals.samples == samples
        assert server.process.wait(TIMEOUT_S) == 0


def test_a_port_in_use_ends_the_start_with_advice(tiny_bundle: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "dlpo_serving", "--voice", str(tiny_bundle)]
        result = subprocess.run(
            [*command, "--port", str(port)], capture_output=True, text=True, timeout=TIMEOUT_S
        )

    assert result.returncode == 1
    assert f"can't listen on 127.0.0.1:{port}" in result.stderr


def test_a_missing_voice_ends_the_start_with_its_message(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(EngineError, match="did not start"), local_server(tmp_path / "nobody"):
        pass

    assert "no voice" in capfd.readouterr().err


def test_a_damaged_bundle_ends_the_start_with_its_message(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "voice.json").write_text("{")

    with pytest.raises(EngineError, match="did not start"), local_server(tmp_path):
        pass

    assert "voice.json is not JSON" in capfd.readouterr().err


def test_speaking_loads_neither_torch_nor_the_exporter(tiny_bundle: Path) -> None:
    code = (
        "import sys, dlpo_serving.server\n"
        "from dlpo_serving.request import SpeechRequest\n"
        "from dlpo_serving.voices import open_voice\n"
        f"open_voice({str(tiny_bundle)!r}).speak(SpeechRequest('Hello'))\n"
        "sys.exit(bool({'torch', 'onnx', 'dlpo_export', 'dlpo.model'} & set(sys.modules)))"
    )

    subprocess.run([sys.executable, "-c", code], check=True, timeout=TIMEOUT_S)


def test_the_demo_writes_sound_and_picture_and_prints_its_figures(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_demo(tmp_path, str(tiny_bundle))

    waveform, rate = read_wav(tmp_path / "demo.wav")
    assert rate == 22_050
    assert len(waveform) > rate / 2
    assert (tmp_path / "demo.png").read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert printed.count("first audio") == 2
    assert "RTF" in printed
