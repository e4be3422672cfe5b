"""Hostile callers, and a neighbour who must not notice them."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import pytest

from dlpo_bench.load.hostile_clients import RawHttp2, post_speech
from dlpo_serving import server
from dlpo_serving.client import SpeechClient
from dlpo_serving.protocols import endpoints
from dlpo_serving.request import SpeechRequest
from dlpo_serving.scheduling.stream import AdmissionPolicy
from tests.callers import PATIENT, WAIT_S, Conversation, ServerProcess, server_process
from tests.serving.conftest import RunningServer

Attack = Callable[..., AbstractContextManager[RunningServer]]
Beside = Callable[..., AbstractContextManager["Neighbour"]]
StartProcess = Callable[..., AbstractContextManager[ServerProcess]]
Http2 = Callable[..., RawHttp2]
HttpSpeech = Callable[..., http.client.HTTPResponse]


class Neighbour:
    """Another caller, who has begun a stream before a test does its worst."""

    TEXT = SpeechRequest(Conversation.FIRST + Conversation.SECOND)

    def __init__(self, client: SpeechClient) -> None:
        self._client = client
        self.alone = client.speak(self.TEXT, timeout_s=WAIT_S).audio
        self.stream = Conversation(client)

    def hears_all(self) -> None:
        """A whole call of the neighbour's sounds as it did alone."""
        assert self._client.speak(self.TEXT, timeout_s=WAIT_S).audio == self.alone


@contextmanager
def _neighbour(address: str) -> Iterator[Neighbour]:
    with SpeechClient(address, retries=PATIENT) as client:
        client.wait_until_serving(WAIT_S)
        neighbour = Neighbour(client)
        try:
            yield neighbour
        finally:
            heard = neighbour.stream.finish()
        assert heard == neighbour.alone
        neighbour.hears_all()


@pytest.fixture
def neighbour() -> Callable[..., AbstractContextManager[Neighbour]]:
    """`with neighbour(address) as other:` another caller hears the same as alone throughout."""
    return _neighbour


@pytest.fixture
def raw_http2() -> Iterator[Callable[..., RawHttp2]]:
    """`raw_http2(address, window=..., greet=...)`; closed after the test."""
    opened = []

    def connect(*arguments: Any, **named: Any) -> RawHttp2:
        opened.append(RawHttp2(*arguments, **named))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.socket.close()


@pytest.fixture
def patient_server(
    start_server: Callable[..., RunningServer], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., RunningServer]:
    """`start_server`, but a busy machine does not refuse what a test expects to be spoken."""
    patient = {"utilisation": 1e6, "burst_utilisation": 1e6}
    monkeypatch.setattr(
        server, "AdmissionPolicy", lambda **named: AdmissionPolicy(**(named | patient))
    )
    return partial(start_server, max_first_audio_s=1e6)


@pytest.fixture
def attacked(
    patient_server: Callable[..., RunningServer],
) -> Callable[..., AbstractContextManager[RunningServer]]:
    """`with attacked(**settings) as server:`; a neighbour hears all during the block and after."""

    @contextmanager
    def run(**settings: Any) -> Iterator[RunningServer]:
        server = patient_server(**settings)
        with _neighbour(server.address):
            yield server

    return run


@pytest.fixture
def channel_options(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`channel_options(max_connection_idle_ms=...)`: those of servers that start after it."""

    def change(**options: int) -> None:
        named = {f"grpc.{name}": value for name, value in options.items()}
        changed = {**dict(endpoints.CHANNEL_OPTIONS), **named}
        assert len(changed) == len(endpoints.CHANNEL_OPTIONS)  # else the server has no such option
        monkeypatch.setattr(endpoints, "CHANNEL_OPTIONS", tuple(changed.items()))

    return change


@pytest.fixture(scope="module")
def start_process(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., AbstractContextManager[ServerProcess]]:
    """`with start_process(*options) as server:`."""
    return lambda *options: server_process(tmp_path_factory.mktemp("server"), *options)


@pytest.fixture
def http_speech() -> Iterator[Callable[..., http.client.HTTPResponse]]:
    """`http_speech(address, input=..., headers=..., **fields)`: the reply to a POST."""
    opened: list[http.client.HTTPConnection] = []

    def post(address: str, *arguments: Any, **fields: Any) -> http.client.HTTPResponse:
        opened.append(http.client.HTTPConnection(address, timeout=WAIT_S))
        return post_speech(opened[-1], *arguments, **fields)

    yield post
    for connection in opened:
        connection.close()
