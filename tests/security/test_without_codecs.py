"""An installation without the extra `codecs`, hence without libraries under the GPL."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dlpo.audio import read_wav
from dlpo.errors import InputError
from dlpo_serving.client import Encoding, ReplyFormat, SpeechClient
from dlpo_serving.request import SpeechRequest

WITHOUT_AV = "import sys; sys.modules['av'] = None; from dlpo_cli import app; app()"
TIMEOUT_S = 60.0
REQUEST = SpeechRequest("Hello.")


def test_speech_is_written_and_served_in_every_encoding_but_aac(tmp_path: Path) -> None:
    dlpo = [sys.executable, "-c", WITHOUT_AV]
    out = tmp_path / "speech.wav"
    subprocess.run([*dlpo, "say", "Hello.", "-o", out], check=True, capture_output=True)
    with subprocess.Popen(
        [*dlpo, "serve", "--port", "0", "--log-level", "debug"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split(" on ")[1].split()[0]
            with SpeechClient(address) as client:
                served = client.speak(REQUEST, timeout_s=TIMEOUT_S).audio
                for encoding in set(Encoding) - {Encoding.AAC, Encoding.OPUS_FRAMED}:  # of Riva
                    assert client.speak(REQUEST, reply=ReplyFormat(encoding)).audio
                with pytest.raises(InputError, match=r"aac needs .*dlpo\[codecs\]"):
                    client.speak(REQUEST, reply=ReplyFormat(Encoding.AAC))
        finally:
            server.send_signal(signal.SIGTERM)
            _, log = server.communicate(timeout=TIMEOUT_S)

    assert len(read_wav(out)[0]) == len(served) // 4  # 32-bit samples
    assert "aac is not offered" in log
    assert "Traceback" not in log
