"""The server as a process: what a user starts, asks and stops."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dlpo.audio import read_wav
from dlpo_serving.client import SpeechClient
from dlpo_serving.local.demo import run_demo
from dlpo_serving.local.local_server import local_server
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import open_voice

TIMEOUT_S = 60.0


def test_a_server_process_speaks_as_the_voice_does_offline(tiny_bundle: Path) -> None:
    request = SpeechRequest("Hello over there.", seed=9)

    with local_server(tiny_bundle) as server, SpeechClient(server.address) as client:
        client.wait_until_serving()
        audio = np.concatenate([chunk.samples for chunk in client.stream(request)])

    np.testing.assert_allclose(audio, open_voice(tiny_bundle).speak(request), atol=1e-4)


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
