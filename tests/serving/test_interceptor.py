"""What every call passes: a server on loopback with handlers of each kind, and a plain client."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import AsyncMock, Mock

import grpc
import pytest
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from dlpo_serving.errors import OverloadError, UnauthenticatedError
from dlpo_serving.operations.call_scope import CallScope, current_call
from dlpo_serving.operations.metrics import Metrics
from dlpo_serving.rpc.interceptor import CallInterceptor
from dlpo_serving.rpc.statuses import Context

SERVICE = "test.Echo"
KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
TIMEOUT_S = 20.0


class Echo:
    """Handlers of each kind; what the request says decides how the call ends."""

    def __init__(self) -> None:
        self.callers: list[str] = []
        self.waiting = asyncio.Event()
        self.held: Callable[[], object] = lambda: None

    async def answer(self, request: bytes, context: Context) -> bytes:
        self.callers.append(current_call().caller)
        match request:
            case b"abort":
                await context.abort(grpc.StatusCode.NOT_FOUND, "no such voice")
            case b"code":
                context.set_code(grpc.StatusCode.DATA_LOSS)
            case b"refuse":
                self.held = weakref.ref(held := {request})  # noqa: F841
                raise OverloadError("full", 1.0)
            case b"raise":
                raise RuntimeError("of the handler")
            case b"wait":
                self.waiting.set()
                await asyncio.Event().wait()
        return request

    async def unary_unary(self, request: bytes, context: Context) -> bytes:
        return await self.answer(request, context)

    async def unary_stream(self, request: bytes, context: Context) -> AsyncIterator[bytes]:
        yield b"first"
        yield await self.answer(request, context)

    async def stream_unary(self, requests: AsyncIterator[bytes], context: Context) -> bytes:
        return b"+".join([await self.answer(request, context) async for request in requests])

    async def stream_stream(self, requests: AsyncIterator[bytes], context: Context) -> None:
        async for request in requests:
            await context.write(await self.answer(request, context))


class World:
    """A running server and its metrics."""

    def __init__(self, channel: grpc.aio.Channel, echo: Echo, metrics: Metrics) -> None:
        self.channel = channel
        self.echo = echo
        self.metrics = metrics

    def start(self, kind: str, request: bytes, *metadata: tuple[str, str], **options: Any) -> Any:
        argument = request
        if kind.startswith("stream"):

            async def requests() -> AsyncIterator[bytes]:
                yield request

            argument = requests()  # type: ignore[assignment]
        method = getattr(self.channel, kind)(f"/{SERVICE}/{kind}")
        options.setdefault("timeout", TIMEOUT_S)
        return method(argument, metadata=metadata, **options)

    async def call(
        self, kind: str, request: bytes, *metadata: tuple[str, str], **options: Any
    ) -> tuple[str, list[bytes], dict[str, Any]]:
        """Status, responses, trailing metadata."""
        call = self.start(kind, request, *metadata, **options)
        responses = []
        try:
            if kind.endswith("stream"):
                async for response in call:
                    responses.append(response)
            else:
                responses.append(await call)
        except grpc.aio.AioRpcError:
            pass  # the call itself has the status
        trailing = await call.trailing_metadata()
        return (await call.code()).name, responses, dict(trailing or ())

    def handled(self, kind: str, code: str) -> float | None:
        labels = {"grpc_service": SERVICE, "grpc_method": kind, "grpc_code": code}
        return self.metrics.registry.get_sample_value("grpc_server_handled_total", labels)

    async def counted(self, kind: str, code: str) -> float:
        """`handled`, once it is: a caller may have the status before the server counts it."""
        while (count := self.handled(kind, code)) is None:
            await asyncio.sleep(0)
        return count


def authorize(token: str) -> str:
    if token != "tok-alice":
        raise UnauthenticatedError("unknown token")
    return "alice"


@asynccontextmanager
async def world(*, keys: bool = False) -> AsyncIterator[World]:
    echo, metrics = Echo(), Metrics()
    scope = CallScope(metrics, None, authorize if keys else None)
    server = grpc.aio.server(interceptors=[CallInterceptor(scope)])
    handlers = {
        kind: getattr(grpc, f"{kind}_rpc_method_handler")(getattr(echo, kind)) for kind in KINDS
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    health_servicer = health.aio.HealthServicer()
    await health_servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield World(channel, echo, metrics)
    finally:
        await server.stop(0)
        await asyncio.sleep(0)


@pytest.mark.parametrize("kind", KINDS)
async def test_calls_of_every_kind_go_through_unchanged(kind: str) -> None:
    async with world(keys=True) as it:
        code, responses, _ = await it.call(kind, b"hi", ("authorization", "Bearer tok-alice"))
        assert code == "OK"
        assert responses == ([b"first", b"hi"] if kind == "unary_stream" else [b"hi"])
        assert it.echo.callers == ["alice"]
        assert await it.counted(kind, "OK") == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("request_bytes", "code"),
    [
        (b"abort", "NOT_FOUND"), (b"code", "DATA_LOSS"), (b"raise", "INTERNAL"),
        (b"refuse", "RESOURCE_EXHAUSTED"),
    ],
)  # fmt: skip
async def test_call_is_counted_by_status_and_forgotten(
    kind: str, request_bytes: bytes, code: str
) -> None:
    async with world() as it:
        ended, _, _ = await it.call(kind, request_bytes)
        assert (ended, await it.counted(kind, code)) == (code, 1)
        assert it.echo.held() is None  # without waiting for a garbage collection
        labels = {"grpc_service": SERVICE, "grpc_method": kind}
        registry = it.metrics.registry
        assert registry.get_sample_value("grpc_server_started_total", labels) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_past_its_deadline_is_counted_as_such(kind: str) -> None:
    async with world() as it:
        timeout_s = 0.25
        while not it.echo.waiting.is_set():  # a busy machine may not have begun the call in time
            timeout_s *= 2
            ended, _, _ = await it.call(kind, b"wait", timeout=timeout_s)
            assert ended == "DEADLINE_EXCEEDED"
        assert await it.counted(kind, "DEADLINE_EXCEEDED") >= 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("code", ["CANCELLED", "DEADLINE_EXCEEDED"])
async def test_a_cancelled_call_is_counted(
    kind: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    margin_s = 0.1 if code == "CANCELLED" else 2 * TIMEOUT_S
    monkeypatch.setattr("dlpo_serving.rpc.interceptor.DEADLINE_MARGIN_S", margin_s)
    async with world() as it:
        call = it.start(kind, b"wait")
        reading = asyncio.ensure_future(anext(aiter(call)) if kind.endswith("stream") else call)
        await it.echo.waiting.wait()
        call.cancel()
        await asyncio.wait([reading])
        assert await it.counted(kind, code) == 1


async def test_a_cancelled_call_lets_its_read_end() -> None:  # or grpc.aio never frees it
    reading = asyncio.Event()
    arrived = asyncio.Event()
    ended = asyncio.Event()

    async def messages() -> AsyncIterator[bytes]:
        reading.set()
        await arrived.wait()
        ended.set()
        yield b""

    method = AsyncMock(return_value=grpc.unary_unary_rpc_method_handler(Echo().unary_unary))
    details: Any = Mock(method=f"/{SERVICE}/unary_unary", invocation_metadata=())
    context = Mock(**{"time_remaining.return_value": None})
    handler: Any = await CallInterceptor(CallScope(Metrics())).intercept_service(method, details)
    call = asyncio.ensure_future(handler.stream_unary(messages(), context))
    await reading.wait()
    call.cancel()
    await asyncio.wait([call])
    arrived.set()
    await asyncio.wait_for(ended.wait(), TIMEOUT_S)


async def test_an_unknown_method_is_unimplemented_and_adds_no_label() -> None:
    async with world(keys=True) as it:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await it.channel.unary_unary("/evil.Service/Made_up")(b"")
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
        page, _ = it.metrics.page()
        assert b"evil" not in page


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_with_two_tokens_never_reaches_the_handler(kind: str) -> None:
    two = (("authorization", f"Bearer {token}") for token in ("tok-alice", "forged"))
    async with world(keys=True) as it:
        code, responses, trailing = await it.call(kind, b"hi", *two, ("x-request-id", "me-7"))
        assert code == "UNAUTHENTICATED"
        assert responses == []
        assert trailing["x-request-id"] == "me-7"
        status = Status.FromString(trailing["grpc-status-details-bin"])
        assert status.code == grpc.StatusCode.UNAUTHENTICATED.value[0]
        assert it.echo.callers == []
        assert await it.counted(kind, "UNAUTHENTICATED") == 1


async def test_a_burst_of_calls_begins_a_few_in_each_turn_of_the_loop() -> None:
    begun: list[int] = []

    async def begin(details: object) -> None:
        begun.append(len(begun))

    interceptor = CallInterceptor(CallScope(Metrics()))
    intercept: Any = interceptor.intercept_service
    calls = [asyncio.ensure_future(intercept(begin, None)) for _ in range(100)]
    while len(begun) < len(calls):
        before = len(begun)
        await asyncio.sleep(0)
        assert len(begun) - before <= 8
    await asyncio.gather(*calls)
