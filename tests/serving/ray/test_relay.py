"""The relay in Serve's proxy, before handlers that do as Serve does; deployments and mistakes."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dlpo.errors import ConfigError, InputError
from dlpo.v1 import speech_pb2, speech_pb2_grpc
from dlpo_bench.load.hostile_clients import RawHttp2
from dlpo_serving.operations.logs import GRPC_LOG
from dlpo_serving.ray import proxy
from dlpo_serving.ray.application import settings_of_replica
from dlpo_serving.ray.cluster import serve_on_ray
from dlpo_serving.settings.server_settings import ServerSettings
from tests.callers import WAIT_S, in_another_thread, refusal

REQUEST = speech_pb2.StreamSynthesizeRequest(text="Noise.")
PART = speech_pb2.StreamSynthesizeResponse(audio={"audio": b"sound"})
Serve = Callable[[Any, Any], AsyncIterator[bytes | None]]
Proxied = Callable[[Serve], grpc.Channel]
MUCH = speech_pb2.StreamSynthesizeResponse(audio={"audio": bytes(1 << 20)})
SERVING = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)
NOT_SERVING = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.NOT_SERVING)
OPEN = {"ray": True, "host": "0.0.0.0", "port": 0, "ray_http_port": 0}
SHOW = """
import json, sys
from dlpo_serving.ray.application import build
from dlpo_serving.settings.sources import read_settings

def asked(flags):
    deployment = build(read_settings(["--ray", *flags]))._bound_deployment
    config = deployment._deployment_config
    scaling = config.autoscaling_config
    return {
        "actor": deployment.ray_actor_options,
        "calls": config.max_ongoing_requests,
        "end_s": config.graceful_shutdown_timeout_s,
        "replicas": [scaling.min_replicas, scaling.max_replicas],
        "target": scaling.target_ongoing_requests,
    }

print(json.dumps([asked(flags) for flags in json.loads(sys.argv[1])]))
"""


class FakeProxy:
    """A grpc.aio server that registers as Serve's does: its handlers take the place of ours."""

    def __init__(self, server: grpc.aio.Server, serve: Serve) -> None:
        self._server = server
        self._serve = serve

    def add_generic_rpc_handlers(self, handlers: tuple[Any]) -> None:
        (relay,) = handlers
        relay._method_handlers = {
            name: handler._replace(unary_stream=self._serve, stream_stream=self._serve)
            for name, handler in relay._method_handlers.items()
        }
        self._server.add_generic_rpc_handlers(handlers)


@pytest.fixture
def proxy_address(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Serve], str]]:
    """`proxy_address(serve)`: that of a proxy whose calls Serve answers as `serve` does."""
    for name in (GRPC_LOG, "asyncio"):  # the proxy's filters stay, since its process is Serve's
        monkeypatch.setattr(logging.getLogger(name), "filters", [])

    @asynccontextmanager
    async def serving(serve: Serve) -> AsyncIterator[str]:
        server = grpc.aio.server()
        proxy.add_services(None, FakeProxy(server, serve))  # type: ignore[arg-type]
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        yield f"127.0.0.1:{port}"
        await server.stop(0)

    with ExitStack() as stack:

        def start(serve: Serve) -> str:
            address, _ = stack.enter_context(in_another_thread(serving(serve)))
            return address

        yield start


@pytest.fixture
def proxied(proxy_address: Callable[[Serve], str]) -> Iterator[Proxied]:
    """The same: a channel to it."""
    with ExitStack() as stack:
        yield lambda serve: stack.enter_context(grpc.insecure_channel(proxy_address(serve)))


def answering(
    *messages: Any, code: grpc.StatusCode = grpc.StatusCode.OK, details: str = "", ends: bool = True
) -> Serve:
    """A replica that says this; `ends`: its own end, else Serve's."""

    async def serve(asked: Any, context: Any) -> AsyncIterator[bytes | None]:
        for message in messages:
            yield message.SerializeToString()
        context.set_code(code)
        context.set_details(details)
        if ends:
            context.set_trailing_metadata([("x-request-id", "r1")])
            yield None

    return serve


def failing(code: grpc.StatusCode, *messages: Any) -> Serve:
    """Serve itself, when it has lost the replica or has none."""
    error = "ray.exceptions.ActorDiedError at 10.0.0.7"
    return answering(*messages, code=code, details=error, ends=False)


def stub(channel: grpc.Channel) -> speech_pb2_grpc.SpeechServiceStub:
    return speech_pb2_grpc.SpeechServiceStub(channel)


@pytest.mark.parametrize(
    ("failed", "code", "reason"),
    [
        (failing(grpc.StatusCode.INTERNAL, PART), "UNAVAILABLE", "NOT_READY"),
        (failing(grpc.StatusCode.RESOURCE_EXHAUSTED), "RESOURCE_EXHAUSTED", "OVERLOADED"),
    ],
    ids=["lost", "full"],
)
def test_serve_failure_says_when_to_retry(
    failed: Serve, code: str, reason: str, proxied: Proxied
) -> None:
    refused = refusal(stub(proxied(failed)).StreamSynthesize, REQUEST)

    assert (refused.code, refused.detail(ErrorInfo).reason) == (code, reason)
    assert refused.detail(RetryInfo).retry_delay.seconds == 1
    assert "10.0.0.7" not in refused.message


def test_a_caller_who_does_not_read_is_sent_away(
    proxied: Proxied, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: Future[bool] = Future()

    async def serve(asked: Any, context: Any) -> AsyncIterator[bytes | None]:
        try:
            for _ in range(30):  # more than gRPC buffers for a caller
                yield MUCH.SerializeToString()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.set_result(True)
            raise

    monkeypatch.setattr(proxy, "STALL_S", 0.2)
    call = stub(proxied(serve)).StreamSynthesize(REQUEST, timeout=WAIT_S)

    assert ended.result(WAIT_S)
    refused = refusal(lambda request, timeout: call, REQUEST)
    assert (refused.code, refused.detail(ErrorInfo).reason) == ("ABORTED", "STALLED")


async def silent(asked: Any, context: Any) -> AsyncIterator[bytes | None]:
    """Serve, while it waits for a first replica."""
    await asyncio.Event().wait()
    yield None


@pytest.mark.parametrize("serve", [failing(grpc.StatusCode.NOT_FOUND), silent])
def test_without_a_replica_it_is_not_serving(
    serve: Serve, proxied: Proxied, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy, "HEALTH_S", 0.05)
    health = health_pb2_grpc.HealthStub(proxied(serve))

    assert health.Check(health_pb2.HealthCheckRequest(), timeout=WAIT_S) == NOT_SERVING


def test_a_watch_tells_what_has_changed(proxied: Proxied, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "HEALTH_S", 0.01)
    says = iter([SERVING, SERVING, NOT_SERVING])

    async def serve(asked: Any, context: Any) -> AsyncIterator[bytes | None]:
        async for message in answering(next(says, SERVING))(asked, context):
            yield message

    health = health_pb2_grpc.HealthStub(proxied(serve))
    watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=WAIT_S)

    assert [next(watch) for _ in range(3)] == [SERVING, NOT_SERVING, SERVING]
    watch.cancel()


def test_a_crowd_of_watches_costs_one_call(
    proxied: Proxied, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy, "FRESH_S", WAIT_S)
    calls = []

    async def serve(asked: Any, context: Any) -> AsyncIterator[bytes | None]:
        calls.append(asked)
        async for message in answering(SERVING)(asked, context):
            yield message

    health = health_pb2_grpc.HealthStub(proxied(serve))
    request = health_pb2.HealthCheckRequest()
    watches = [health.Watch(request, timeout=WAIT_S) for _ in range(50)]

    assert {next(watch).status for watch in watches} == {SERVING.status}
    assert health.Check(request, timeout=WAIT_S) == SERVING
    assert len(calls) == 1
    for _ in range(2):  # replies to made-up names, of which there is no end, aren't kept
        health.Check(health_pb2.HealthCheckRequest(service="made.up"), timeout=WAIT_S)
    assert len(calls) == 3


def test_the_proxy_logs_no_secrets(
    proxy_address: Callable[[Serve], str], caplog: pytest.LogCaptureFixture
) -> None:
    address = proxy_address(answering(SERVING))
    secret = {b"authorization": b"Bearer dlpo-SECRET-TOKEN" + b"\xff" * 70}
    hostile = RawHttp2(address)
    with hostile.socket, grpc.insecure_channel(address) as channel:
        for number in range(20):
            hostile.begin("/dlpo.v1.SpeechService/Nothing", 2 * number + 1, more=secret)
        hostile.hear_ends(20)
        health = health_pb2_grpc.HealthStub(channel)
        assert health.Check(health_pb2.HealthCheckRequest(), timeout=WAIT_S) == SERVING

    assert "SECRET" not in caplog.text
    assert caplog.text.count("not UTF-8") == 1


def test_cancelled_calls_log_nothing(proxied: Proxied, caplog: pytest.LogCaptureFixture) -> None:
    proxied(answering(SERVING))
    log, message = logging.getLogger("asyncio"), "Task exception was never retrieved"
    for error in (type("RequestCancelledError", (Exception,), {})(), ValueError("ours")):
        log.error(message, exc_info=error)

    logged = [record.exc_info for record in caplog.records if record.getMessage() == message]
    assert [info[1] for info in logged if info] == [error]


def test_a_caller_may_send_nothing(proxied: Proxied) -> None:
    told: Future[list[bytes]] = Future()

    async def serve(asked: Any, context: Any) -> AsyncIterator[bytes | None]:
        told.set_result([one.data async for one in asked])
        async for message in answering(PART)(asked, context):
            yield message

    parts = list(stub(proxied(serve)).IncrementalSynthesize(iter(()), timeout=WAIT_S))
    assert [part.audio.audio for part in parts] == [b"sound"]
    assert told.result(WAIT_S) == [b""]  # which names the method


def test_many_pieces_pass_one_by_one(proxied: Proxied, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "PIECES_AT_ONCE", 2)
    monkeypatch.setattr(proxy, "BETWEEN_PIECES_S", WAIT_S)

    async def serve(asked: Any, context: Any) -> AsyncIterator[bytes | None]:
        for _ in range(4):  # the opening, two at once, and the first of those that wait
            await anext(asked)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(asked), 0.2)
        async for message in answering(PART)(asked, context):
            yield message

    letters = [speech_pb2.IncrementalSynthesizeRequest(text="a")] * 9
    assert len(list(stub(proxied(serve)).IncrementalSynthesize(iter(letters), timeout=WAIT_S))) == 1


def test_serve_is_asked_for_what_the_settings_say(ray_python: str) -> None:
    flags = [
        [
            "--ray-min-replicas", "2", "--ray-max-replicas", "7", "--ray-target-streams", "2.5",
            "--ray-cpus", "1.5", "--ray-gpus", "0.25", "--max-streams", "40", "--grace-s", "3",
        ],
        ["--ray-min-replicas", "3"],
    ]  # fmt: skip
    command = [ray_python, "-c", SHOW, json.dumps(flags)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    all_told, least = json.loads(shown.stdout)

    assert all_told["actor"] == {"num_cpus": 1.5, "num_gpus": 0.25}
    assert all_told["replicas"] == [2, 7]
    assert all_told["target"] == 2.5
    assert all_told["calls"] == 40
    assert all_told["end_s"] > 3
    assert least["replicas"] == [3, 3]


def test_replica_listens_on_loopback_only() -> None:
    own = settings_of_replica(ServerSettings(**OPEN, max_streams=9))

    assert (own.host, own.port, own.ray, own.max_streams) == ("127.0.0.1", 0, False, 9)


@pytest.mark.parametrize(
    ("settings", "reported"),
    [
        ({"http_port": 8080}, "http_port is 8080; .*leave --http-port out"),
        ({"health_port": 8081}, "health_port"),
        ({"tls_certificate": Path("c"), "tls_key": Path("k")}, "tls_certificate is c"),
        ({"ray_min_replicas": 3, "ray_max_replicas": 2}, "ray_max_replicas is 2; expected .*3"),
        ({"engine": "tensorrt"}, "engine is tensorrt and ray_gpus is 0.*--ray-gpus"),
        ({"host": "127.0.0.1"}, "every interface: say so with --host 0.0.0.0"),
        ({"voices": ("ann",)}, "no voice 'ann'"),
    ],
)
def test_mistakes_are_reported_before_ray_starts(settings: dict[str, Any], reported: str) -> None:
    with pytest.raises((ConfigError, InputError), match=reported):
        serve_on_ray(ServerSettings(**OPEN | settings))
