"""The HTTP server over a service with the fake engine, on a port of its own, in another thread."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from dlpo_serving.errors import UnauthenticatedError
from dlpo_serving.operations.call_scope import CallScope
from dlpo_serving.operations.metrics import Metrics
from dlpo_serving.protocols.http.requests import HttpLimits
from dlpo_serving.protocols.http.server import build_app, listening
from dlpo_serving.scheduling.executor import EngineExecutor
from dlpo_serving.scheduling.scheduler import Scheduler
from dlpo_serving.scheduling.stream import AdmissionPolicy, Costs
from dlpo_serving.service import SynthesisService
from dlpo_serving.settings.server_settings import ServerSettings
from dlpo_serving.voices.costs import measure_costs
from dlpo_serving.voices.offered import LoadedVoice
from dlpo_serving.voices.synthesizer import Synthesizer
from tests.callers import WAIT_S, fake_voice, in_another_thread

TEXT = "Noise becomes speech. Is it 😀 not strange?"


def us_alone(token: str) -> str:
    """The caller of a token: us, by "secret"."""
    if token != "secret":
        raise UnauthenticatedError("unknown")
    return "us"


@dataclass
class RunningServer:
    """A running server."""

    url: str
    service: SynthesisService
    loop: asyncio.AbstractEventLoop

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def call(self, coroutine: Any) -> Any:
        """Run it in the server's event loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(WAIT_S)


StartServer = Callable[..., RunningServer]


class Client:
    """Sends requests, each over a connection of its own; they close with the test."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def connect(self, server: RunningServer) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=WAIT_S)
        return self._stack.enter_context(closing(connection))

    def get(self, server: RunningServer, path: str, **headers: str) -> http.client.HTTPResponse:
        connection = self.connect(server)
        connection.request("GET", path, headers=headers)
        return self._stack.enter_context(connection.getresponse())

    def post(
        self,
        server: RunningServer,
        body: bytes | dict[str, Any],
        headers: dict[str, str] | None = None,
        path: str = "/v1/audio/speech",
    ) -> http.client.HTTPResponse:
        connection = self.connect(server)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **(headers or {})}
        connection.request("POST", path, content, headers)
        return self._stack.enter_context(connection.getresponse())

    def speak(self, server: RunningServer, **fields: Any) -> http.client.HTTPResponse:
        fields = {"model": "dlpo", "input": TEXT, "response_format": "pcm", **fields}
        return self.post(server, fields)


@contextmanager
def open_server(
    synthesizer: Synthesizer | None,
    http_limits: HttpLimits | None = None,
    authorize: Callable[[str], str] | None = None,
    show_metrics: bool = True,
) -> Iterator[RunningServer]:
    """Serve while the block runs; without a synthesizer it warms up for ever."""

    @asynccontextmanager
    async def run() -> AsyncIterator[tuple[int, SynthesisService]]:
        metrics = Metrics()
        # A busy machine must not refuse what a test expects to be spoken.
        policy = AdmissionPolicy(max_first_audio_s=1e6, utilisation=1e6)
        executor = EngineExecutor(Scheduler(policy, lanes=1), 1, metrics)
        service = SynthesisService(executor, policy, ServerSettings(), metrics)
        if synthesizer:
            service.offered.add(LoadedVoice(synthesizer, Costs(measure_costs(synthesizer))))
        scope = CallScope(metrics, authorize=authorize)
        app = build_app(service, metrics, scope, http_limits, show_metrics)
        async with listening(app, "127.0.0.1", 0) as port:
            yield port, service
        executor.close()

    with in_another_thread(run()) as ((port, service), loop):
        yield RunningServer(f"http://127.0.0.1:{port}", service, loop)


@pytest.fixture
def client() -> Iterator[Client]:
    with ExitStack() as stack:
        yield Client(stack)


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """`start_server(synthesizer, ...)`, see `open_server`; it closes with the test."""
    with ExitStack() as stack:
        yield lambda *args, **named: stack.enter_context(open_server(*args, **named))


@pytest.fixture(scope="session")
def server() -> Iterator[RunningServer]:
    """One for the tests that leave it as it was."""
    with open_server(fake_voice()) as server:
        yield server
