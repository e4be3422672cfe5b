"""The real Speech Dispatcher with the files of deploy/speech-dispatcher."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.callers import server_process, wait_until

FILES = Path(__file__).resolve().parents[2] / "deploy" / "speech-dispatcher"
MADE = {
    "modules/dlpo.conf": (FILES / "dlpo.conf").read_text(),
    "speechd.conf": 'AudioOutputMethod "alsa"\nAddModule "dlpo" "sd_generic" "dlpo.conf"\n'
    'SymbolsPreproc "none"\nDefaultModule dlpo\n',
    "asound.conf": "pcm.!default { type null }\nctl.!default { type null }\n",
    "aplay": '#!/bin/sh\ncat > "$PLAYED"\n',
}


@pytest.mark.full
def test_it_speaks_and_stops(tmp_path: Path) -> None:
    if not shutil.which("speech-dispatcher"):
        pytest.skip("speech-dispatcher is not installed")
    (tmp_path / "modules").mkdir()
    for name, text in MADE.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "aplay").chmod(0o755)
    played, socket = tmp_path / "played.wav", tmp_path / "socket"
    environment = {
        **os.environ, "PATH": f"{tmp_path}:{FILES}:{os.environ['PATH']}", "PLAYED": str(played),
        "ALSA_CONFIG_PATH": f"{tmp_path}/asound.conf", "SPEECHD_ADDRESS": f"unix_socket:{socket}",
    }  # fmt: skip
    daemon = ["speech-dispatcher", "-s", "-C", tmp_path, "-c", "unix_socket", "-S", socket]
    daemon += ["-L", tmp_path, "-P", tmp_path / "pid", "-t", "0"]

    def say(*words: str) -> None:
        subprocess.run(["spd-say", *words], env=environment, check=True)

    with server_process(tmp_path) as server:
        environment["DLPO_URL"] = f"http://{server.http_address}"
        with subprocess.Popen(daemon, env=environment, stderr=subprocess.DEVNULL) as dispatcher:
            try:
                wait_until(socket.exists)
                say("-w", "-r", "20", 'It\'s "on" & \\ costs $HOME.')
                assert played.read_bytes()[:4] == b"RIFF"
                assert "chars=26" in server.log.read_text()
                played.unlink()
                say("This is a long text. " * 100)
                wait_until(lambda: played.exists() and played.stat().st_size)
                say("-S")
                wait_until(lambda: "code=CANCELLED" in server.log.read_text())
            finally:
                dispatcher.terminate()
