"""Pipecat and LiveKit, unmodified and in environments of their own, speak through our server."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesizer import Synthesizer

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
TEXT = "Every agent has a voice. This one is free."


def spoken(python: Path, example: str, address: str, path: Path) -> subprocess.CompletedProcess:
    command = [python, EXAMPLES / example, address, TEXT, path]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("example", "variable", "rate_hz"),
    [
        ("pipecat_tts.py", "DLPO_PIPECAT_VENV", 24_000),
        ("livekit_tts.py", "DLPO_LIVEKIT_VENV", 16_000),
    ],
)
def test_a_framework_speaks_with_nothing_changed_but_the_address(
    server: Any,
    synthesizer: Synthesizer,
    python_of: Callable[..., Path],
    tmp_path: Path,
    example: str,
    variable: str,
    rate_hz: int,
) -> None:
    path = tmp_path / "spoken.wav"

    ended = spoken(python_of(variable), example, server.address, path)

    assert ended.returncode == 0, ended.stderr[-2000:]
    audio, rate = soundfile.read(path)
    assert rate == rate_hz
    assert np.abs(audio).max() > 0.01
    length_s = len(synthesizer.speak(SpeechRequest(TEXT))) / 22_050
    # LiveKit's sentences are calls of their own: the pause between them is the framework's.
    assert len(audio) / rate == pytest.approx(length_s, abs=0.25)


def test_an_example_without_a_server_fails(python_of: Callable[..., Path], tmp_path: Path) -> None:
    path = tmp_path / "spoken.wav"

    ended = spoken(python_of("DLPO_PIPECAT_VENV"), "pipecat_tts.py", "127.0.0.1:1", path)

    assert ended.returncode != 0
    assert not path.exists()
