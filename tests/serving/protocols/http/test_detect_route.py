from __future__ import annotations

import asyncio
import io
import json
import threading

import numpy as np
import pytest
import soundfile

from dlpo.mark import PUBLIC
from dlpo_serving.protocols.http import detect_route
from dlpo_serving.voices import open_voice
from tests.callers import WAIT_S
from tests.serving.protocols.http.conftest import Client, RunningServer, StartServer
from tests.serving.protocols.http.sockets import connected, send

RATE_HZ = 24_000
WAV = {"Content-Type": "audio/wav"}


def wav(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE_HZ, format="WAV")
    return file.getvalue()


def test_server_finds_its_own_mark(client: Client, start_server: StartServer) -> None:
    server = start_server(open_voice())
    spoken = client.speak(server, input="She sells sea shells.", response_format="mp3")

    reply = client.post(server, spoken.read(), {"Content-Type": "audio/mpeg"}, "/v1/detect")

    assert spoken.headers["X-Mark"] == PUBLIC.named
    found = json.loads(reply.read())
    assert (reply.status, found["marked"], found["message"]) == (200, True, 0)
    assert PUBLIC.named in client.get(server, "/readyz").read().decode()


def test_a_socket_says_which_keys_mark(start_server: StartServer) -> None:
    server = start_server(open_voice())

    async def greeted() -> tuple[str, str]:
        async with connected(server, "/v1/audio/speech/stream") as socket:
            await send(socket, {"type": "begin", "input": "Hello."}, {"type": "end"})
            info = await socket.receive_json()
            return socket._response.headers["X-Mark"], info["mark"]

    assert asyncio.run(asyncio.wait_for(greeted(), WAIT_S)) == (PUBLIC.named, PUBLIC.named)


def test_speech_without_a_mark_says_so(client: Client, server: RunningServer) -> None:
    assert client.speak(server).headers["X-Mark"] == "none"
    quiet = client.post(server, wav(np.zeros(RATE_HZ // 4)), WAV, "/v1/detect")
    assert json.loads(quiet.read())["marked"] is None


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"no audio", "audio/wav", 415),
        (b"{}", "application/json", 415),
        (bytes(2_000_000), "audio/wav", 413),
        (wav(np.zeros(20 * RATE_HZ)), "audio/wav", 413),
    ],
    ids=["no audio", "JSON", "too large", "too long"],
)
def test_what_cannot_be_examined_is_refused(
    content: bytes,
    kind: str,
    status: int,
    client: Client,
    server: RunningServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(detect_route, "MAX_BYTES", 1_500_000)
    monkeypatch.setattr(detect_route, "MAX_S", 10.0)

    reply = client.post(server, content, {"Content-Type": kind}, "/v1/detect")

    assert reply.status == status
    assert json.loads(reply.read())["error"]["message"]


@pytest.mark.parametrize("key", ["own", "onw"], ids=["missing", "unknown"])
def test_a_key_that_it_lacks_is_refused(key: str, client: Client, server: RunningServer) -> None:
    reply = client.post(server, wav(np.zeros(RATE_HZ)), WAV, f"/v1/detect?key={key}")

    assert reply.status == 400


def test_detection_goes_on_alone_when_its_client_leaves(
    client: Client, server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, goes_on, ended = (threading.Event() for _ in range(3))
    done: list[bool] = []

    def found(audio: bytes, _: bytes) -> dict[str, object]:
        done.append(ended.is_set())
        begun.set()
        if audio == b"first":
            goes_on.wait(WAIT_S)
            ended.set()
        return {}

    monkeypatch.setattr(detect_route, "_found", found)
    connection = client.connect(server)
    connection.request("POST", "/v1/detect", b"first", WAV)
    assert begun.wait(WAIT_S)
    connection.close()
    threading.Timer(0.5, goes_on.set).start()

    assert client.post(server, b"second", WAV, "/v1/detect").status == 200
    assert done == [False, True]
