"""An installation from which PyAV was taken: no codec under a licence that somebody avoids."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from dlpo.audio import read_wav
from dlpo_serving.client import CallError, Encoding, ReplyFormat, SpeechClient
from dlpo_serving.request import SpeechRequest

WITHOUT_AV = "import sys; sys.modules['av'] = None; from dlpo.cli import app; app()"
TIMEOUT_S = 60.0


def test_speech_is_written_and_served_uncompressed(tmp_path: Path) -> None:
    dlpo = [sys.executable, "-c", WITHOUT_AV]
    out = tmp_path / "speech.wav"
    subprocess.run([*dlpo, "say", "Hello.", "-o", out], check=True, capture_output=True)
    with subprocess.Popen(
        [*dlpo, "serve", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split(" on ")[1].split()[0]
            with SpeechClient(address) as client:
                served = client.speak(SpeechRequest("Hello."), timeout_s=TIMEOUT_S).audio
                with pytest.raises(CallError) as refused:
                    client.speak(SpeechRequest("Hello."), reply=ReplyFormat(Encoding.MP3))
        finally:
            server.send_signal(signal.SIGTERM)
            _, log = server.communicate(timeout=TIMEOUT_S)

    assert len(read_wav(out)[0]) == len(served) // 4  # 32-bit samples
    assert refused.value.code == grpc.StatusCode.UNIMPLEMENTED
    assert "not offered without the package av: FLAC" in log
