"""The relay in Serve's proxy, in front of handlers that do what Serve's do. It needs no Ray."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dlpo.v1 import speech_pb2, speech_pb2_grpc
from dlpo_serving.ray import proxy
from dlpo_serving.ray.proxy import APPLICATION, Asked

TIMEOUT_S = 20.0
REQUEST = speech_pb2.StreamSynthesizeRequest(text="Noise.")
PART = speech_pb2.StreamSynthesizeResponse(audio={"audio": b"sound"})
Serve = Callable[[Any, Any], AsyncIterator[bytes | None]]


class FakeProxy:
    """A grpc.aio server that registers as Serve's does: its handlers take the place of ours."""

    def __init__(self, server: grpc.aio.Server, serve: Serve) -> None:
        self._server, self._serve = server, serve

    def add_generic_rpc_handlers(self, handlers: tuple[Any]) -> None:
        (relay,) = handlers
        relay._method_handlers = {
            name: handler._replace(unary_stream=self._serve, stream_stream=self._serve)
            for name, handler in relay._method_handlers.items()
        }
        self._server.add_generic_rpc_handlers(handlers)


@pytest.fixture
def proxied() -> Iterator[Callable[[Serve], grpc.Channel]]:
    """`proxied(serve)`: a channel to a proxy whose calls Serve answers as `serve` does."""
    loops: list[tuple[threading.Thread, asyncio.AbstractEventLoop, asyncio.Event]] = []
    channels: list[grpc.Channel] = []

    def start(serve: Serve) -> grpc.Channel:
        started: Future[int] = Future()

        async def run() -> None:
            server, stop = grpc.aio.server(), asyncio.Event()
            proxy.add_services(None, FakeProxy(server, serve))  # type: ignore[arg-type]
            port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            loops.append((thread, asyncio.get_running_loop(), stop))
            started.set_result(port)
            await stop.wait()
            await server.stop(0)

        thread = threading.Thread(target=asyncio.run, args=(run(),))
        thread.start()
        channels.append(grpc.insecure_channel(f"127.0.0.1:{started.result(TIMEOUT_S)}"))
        return channels[-1]

    yield start
    for channel in channels:
        channel.close()
    for thread, loop, stop in loops:
        loop.call_soon_threadsafe(stop.set)
        thread.join(TIMEOUT_S)
        assert not thread.is_alive()


def answering(
    *messages: Any, code: grpc.StatusCode = grpc.StatusCode.OK, details: str = ""
) -> Serve:
    """A replica that says this."""

    async def serve(asked: Any, context: Any) -> AsyncIterator[bytes | None]:
        for message in messages:
            yield message.SerializeToString()
        context.set_code(code)
        context.set_details(details)
        context.set_trailing_metadata([("x-request-id", "r1")])
        yield None

    return serve


def failing(code: grpc.StatusCode, *messages: Any) -> Serve:
    """Serve itself, when it has lost the replica or has none."""

    async def serve(asked: Any, context: Any) -> AsyncIterator[bytes | None]:
        for message in messages:
            yield message.SerializeToString()
        context.set_code(code)
        context.set_details("ray.exceptions.ActorDiedError at 10.0.0.7")

    return serve


def stub(channel: grpc.Channel) -> speech_pb2_grpc.SpeechServiceStub:
    return speech_pb2_grpc.SpeechServiceStub(channel)


def test_a_call_arrives_as_it_was_and_its_answer_too(proxied: Any) -> None:
    seen: list[tuple[Asked, Any]] = []

    async def serve(asked: Asked, context: Any) -> AsyncIterator[bytes | None]:
        seen.append((asked, dict(context.invocation_metadata())))
        async for message in answering(PART, PART)(asked, context):
            yield message

    call = stub(proxied(serve)).StreamSynthesize(
        REQUEST, timeout=TIMEOUT_S, metadata=(("x-request-id", "r1"),)
    )

    assert list(call) == [PART, PART]
    assert ("x-request-id", "r1") in call.trailing_metadata()
    ((asked, metadata),) = seen
    assert asked.method == "/dlpo.v1.SpeechService/StreamSynthesize"
    assert asked.data == REQUEST.SerializeToString()
    assert asked.timeout_s == pytest.approx(TIMEOUT_S, abs=5)
    assert metadata["application"] == APPLICATION
    assert metadata["x-request-id"] == "r1"


def test_pieces_of_text_arrive_one_by_one_while_audio_goes_out(proxied: Any) -> None:
    async def serve(asked: AsyncIterator[Asked], context: Any) -> AsyncIterator[bytes | None]:
        async for piece in asked:
            text = speech_pb2.IncrementalSynthesizeRequest.FromString(piece.data).text
            yield speech_pb2.IncrementalSynthesizeResponse(
                audio={"audio": text.encode()}
            ).SerializeToString()
        async for message in answering()(asked, context):
            yield message

    heard: Future[Any] = Future()

    def pieces() -> Iterator[speech_pb2.IncrementalSynthesizeRequest]:
        yield speech_pb2.IncrementalSynthesizeRequest(text="one")
        assert heard.result(TIMEOUT_S).audio.audio == b"one"
        yield speech_pb2.IncrementalSynthesizeRequest(text="two")

    call = stub(proxied(serve)).IncrementalSynthesize(pieces(), timeout=TIMEOUT_S)
    heard.set_result(next(call))

    assert [part.audio.audio for part in call] == [b"two"]


def test_a_status_of_the_replica_is_the_callers(proxied: Any, refusal: Callable[..., Any]) -> None:
    serve = answering(code=grpc.StatusCode.NOT_FOUND, details="voice is 'ann'")

    refused = refusal(stub(proxied(serve)).ListVoices, speech_pb2.ListVoicesRequest())

    assert (refused.code, refused.message) == ("NOT_FOUND", "voice is 'ann'")
    assert refused.trailing["x-request-id"] == "r1"


@pytest.mark.parametrize(
    ("failed", "code", "reason"),
    [
        (failing(grpc.StatusCode.INTERNAL, PART), "UNAVAILABLE", "NOT_READY"),
        (failing(grpc.StatusCode.RESOURCE_EXHAUSTED), "RESOURCE_EXHAUSTED", "OVERLOADED"),
    ],
    ids=["lost", "full"],
)
def test_a_failure_of_serve_says_when_to_come_again_and_names_no_machine(
    failed: Serve, code: str, reason: str, proxied: Any, refusal: Callable[..., Any]
) -> None:
    refused = refusal(stub(proxied(failed)).StreamSynthesize, REQUEST)

    assert (refused.code, refused.detail(ErrorInfo).reason) == (code, reason)
    assert refused.detail(RetryInfo).retry_delay.seconds == 1
    assert "10.0.0.7" not in refused.message


MUCH = speech_pb2.StreamSynthesizeResponse(audio={"audio": bytes(1 << 20)})


@pytest.fixture
def flood() -> tuple[Serve, Future[bool]]:
    """More than gRPC buffers for a caller; and a future that is set when Serve's handler ends."""
    told: Future[bool] = Future()

    async def serve(asked: Any, context: Any) -> AsyncIterator[bytes | None]:
        try:
            for _ in range(30):
                yield MUCH.SerializeToString()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            told.set_result(True)
            raise

    return serve, told


def test_a_caller_who_leaves_without_reading_is_told_to_serve(
    flood: tuple[Serve, Future[bool]], proxied: Any
) -> None:
    serve, told = flood
    call = stub(proxied(serve)).StreamSynthesize(REQUEST, timeout=TIMEOUT_S)
    next(call)
    call.cancel()

    assert told.result(TIMEOUT_S)


def test_a_caller_who_does_not_read_is_sent_away(
    flood: tuple[Serve, Future[bool]],
    proxied: Any,
    refusal: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    serve, told = flood
    monkeypatch.setattr(proxy, "STALL_S", 0.2)
    call = stub(proxied(serve)).StreamSynthesize(REQUEST, timeout=TIMEOUT_S)

    assert told.result(TIMEOUT_S)
    refused = refusal(lambda request, timeout: call, REQUEST)
    assert (refused.code, refused.detail(ErrorInfo).reason) == ("ABORTED", "STALLED")


SERVING = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)
NOT_SERVING = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.NOT_SERVING)


def test_health_is_what_a_replica_says(proxied: Any) -> None:
    health = health_pb2_grpc.HealthStub(proxied(answering(SERVING)))

    assert health.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S) == SERVING


async def silent(asked: Any, context: Any) -> AsyncIterator[bytes | None]:
    """Serve, while it waits for a first replica."""
    await asyncio.Event().wait()
    yield None


@pytest.mark.parametrize("serve", [failing(grpc.StatusCode.NOT_FOUND), silent])
def test_without_a_replica_it_is_not_serving(
    serve: Serve, proxied: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy, "HEALTH_S", 0.05)
    health = health_pb2_grpc.HealthStub(proxied(serve))

    assert health.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S) == NOT_SERVING


def test_a_watch_tells_what_has_changed(proxied: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "HEALTH_S", 0.01)
    says = iter([SERVING, SERVING, NOT_SERVING])

    async def serve(asked: Any, context: Any) -> AsyncIterator[bytes | None]:
        async for message in answering(next(says, SERVING))(asked, context):
            yield message

    health = health_pb2_grpc.HealthStub(proxied(serve))
    watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)

    assert [next(watch) for _ in range(3)] == [SERVING, NOT_SERVING, SERVING]
    watch.cancel()
