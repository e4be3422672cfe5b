"""Home Assistant and Open WebUI themselves, unmodified: set up over HTTP as their pages do it."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.callers import free_port, python_of, server_process, wait_until

pytestmark = pytest.mark.full

TEXT = "Every home has a voice. This one is free."


class Application:
    """A process that answers at a URL, and the token of its user."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.token = ""

    def get(self, path: str, data: bytes | None = None, type: str = "application/json") -> bytes:
        """The answer to a GET, or a POST where there is data."""
        request = urllib.request.Request(self.url + path, data)
        request.add_header("Authorization", f"Bearer {self.token}")
        request.add_header("Content-Type", type)
        with urllib.request.urlopen(request, timeout=180) as reply:
            return bytes(reply.read())

    def post(self, path: str, **fields: object) -> Any:
        return json.loads(self.get(path, json.dumps(fields).encode()))

    def answers(self, path: str) -> bool:
        try:
            return bool(self.get(path))
        except OSError:
            return False


@contextmanager
def running(
    folder: Path, path: str, command: list[str], port: int, **environment: str
) -> Iterator[Application]:
    """An application, from when it answers at `path` until the block ends."""
    application = Application(f"http://127.0.0.1:{port}")
    environment |= {"PATH": os.environ["PATH"], "HOME": str(folder)}
    with (
        (folder / "application.log").open("w") as log,
        subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            wait_until(lambda: process.poll() is not None or application.answers(path))
            assert process.poll() is None, (folder / "application.log").read_text()[-2000:]
            yield application
        finally:
            process.kill()


def test_home_assistant_finds_the_voice_and_speaks(tmp_path: Path) -> None:
    python = python_of("home")
    port = free_port()
    spoken = free_port()
    (tmp_path / "configuration.yaml").write_text(
        f"http: {{server_host: 127.0.0.1, server_port: {port}}}\nonboarding:\nconfig:\napi:\n"
    )
    command = [python, "-m", "homeassistant", "--config", str(tmp_path)]
    with (
        server_process(tmp_path, "--wyoming-port", str(spoken)) as server,
        running(tmp_path, "/api/onboarding", command, port) as home,
    ):
        client = f"{home.url}/"
        user = {"name": "a", "username": "a", "password": "a", "language": "en"}
        code = home.post("/api/onboarding/users", client_id=client, **user)["auth_code"]
        grant = {"grant_type": "authorization_code", "code": code, "client_id": client}
        form = urllib.parse.urlencode(grant).encode()
        granted = home.get("/auth/token", form, "application/x-www-form-urlencoded")
        home.token = json.loads(granted)["access_token"]
        flows = "/api/config/config_entries/flow"
        flow = home.post(flows, handler="wyoming")["flow_id"]
        assert home.post(f"{flows}/{flow}", host="127.0.0.1", port=spoken)["type"] == "create_entry"
        wanted = {"preferred_format": "wav"}  # others need ffmpeg
        fields = {"engine_id": "tts.dlpo", "message": TEXT, "options": wanted}
        path = home.post("/api/tts_get_url", **fields)["path"]
        audio = home.get(path)
        assert f"chars={len(TEXT)}" in server.log.read_text()
    assert audio[:4] == b"RIFF"
    assert len(audio) > 2 * 44_100


def test_open_webui_lists_the_voices_and_speaks(tmp_path: Path) -> None:
    python, port = python_of("webui"), free_port()
    with server_process(tmp_path) as server:
        environment = {
            "WEBUI_AUTH": "False", "OFFLINE_MODE": "True", "ENABLE_OLLAMA_API": "False",
            "DATA_DIR": str(tmp_path), "WEBUI_SECRET_KEY": "none", "HF_HUB_OFFLINE": "1",
            "RAG_EMBEDDING_ENGINE": "openai", "AUDIO_TTS_ENGINE": "openai",
            "AUDIO_TTS_OPENAI_API_BASE_URL": f"http://{server.http_address}/v1",
            "AUDIO_TTS_OPENAI_API_KEY": "none", "AUDIO_TTS_MODEL": "tts-1", "AUDIO_TTS_VOICE": "lj",
        }  # fmt: skip
        command = [str(Path(python).parent / "open-webui"), "serve", "--host", "127.0.0.1"]
        command += ["--port", str(port)]
        with running(tmp_path, "/health", command, port, **environment) as webui:
            webui.token = webui.post("/api/v1/auths/signin", email="", password="")["token"]
            names = json.loads(webui.get("/api/v1/audio/voices"))["voices"]
            assert "lj" in {voice["id"] for voice in names}
            body = json.dumps({"model": "tts-1", "input": TEXT, "voice": "lj"}).encode()
            spoken = webui.get("/api/v1/audio/speech", body)
        assert f"chars={len(TEXT)}" in server.log.read_text()
    assert len(spoken) > 10_000
