"""What every gRPC call passes, from outside in: request id and log, trace, metrics, token.

Handlers may be unary or streaming on either side, coroutines or asynchronous generators, and may
abort; each interceptor sees how the call ended.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, contextmanager
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError

from dlpo_serving.operations.calls import (
    REQUEST_ID,
    CallRecord,
    current_call,
    recorded,
    request_id,
)
from dlpo_serving.operations.files import Clock
from dlpo_serving.operations.keys import bearer_token
from dlpo_serving.operations.logs import log_call
from dlpo_serving.operations.metrics import Metrics
from dlpo_serving.operations.tracing import Tracer
from dlpo_serving.registration import Undecodable, decoded
from dlpo_serving.rpc.statuses import Context, UndecodableError, errors_as_status

HEALTH = "grpc.health.v1.Health"  # kubelet's probes carry no metadata
REFLECTION = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
OPEN_SERVICES = (HEALTH, *REFLECTION)

Request = TypeVar("Request")
Response = TypeVar("Response")
Metadata = dict[str, list[str]]


def call_interceptors(
    metrics: Metrics,
    tracer: Tracer,
    authorize: Callable[[str], str] | None,
    clock: Clock,
    open_services: Collection[str] = OPEN_SERVICES,
) -> list[grpc.aio.ServerInterceptor]:
    """The interceptors of a server, in the order in which a call meets them.

    Args:
        authorize: token -> name of the caller, or raises UnauthenticatedError, such as
            `KeyRing.authorize`; None asks for no token.
        clock: seconds.
        open_services: full names of services that need no token.
    """
    inward: list[CallInterceptor] = [
        CallLog(clock),
        CallTraces(tracer),
        CallMetrics(metrics, clock),
    ]
    if authorize:
        inward.append(CallTokens(authorize, open_services))
    return [*inward, MessageCheck()]


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Does something around each call of a registered method; `around` says what."""

    @abstractmethod
    def around(
        self, method: str, metadata: Metadata, context: Context
    ) -> AbstractAsyncContextManager[None]:
        """Entered before the handler, left when the call has ended; what it raises goes on.

        Args:
            method: /package.Service/Method.
            metadata: what the caller sent, as text; binary values are left out.
            context: of the call.
        """

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Request, Response] | None]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Request, Response] | None:
        handler = await continuation(handler_call_details)
        if handler is None:  # no such method: its name would be a label of the caller's choice
            return None
        method = handler_call_details.method
        metadata = _text_metadata(handler_call_details)
        kind = _kind(handler)
        inner = getattr(handler, kind)

        async def call(request: Any, context: Context) -> Any:
            async with self.around(method, metadata, context):
                return await _run(inner, request, context)

        make = getattr(grpc, f"{kind}_rpc_method_handler")
        wrapped: grpc.RpcMethodHandler[Request, Response] = make(
            call, handler.request_deserializer, handler.response_serializer
        )
        return wrapped


class CallLog(CallInterceptor):
    """Gives each call its id, which the caller gets back, and logs one line when it has ended."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @asynccontextmanager
    async def around(
        self, method: str, metadata: Metadata, context: Context
    ) -> AsyncIterator[None]:
        start_s = self._clock()
        proposed = metadata.get(REQUEST_ID, [None])[0]
        record = CallRecord(request_id(proposed), method, context.peer())
        context.set_trailing_metadata(((REQUEST_ID, record.id),))
        # Probes come every few seconds.
        level = logging.DEBUG if _service(method) in OPEN_SERVICES else logging.INFO

        def log(code: str) -> None:
            log_call(record, code, self._clock() - start_s, level)

        with recorded(record), _at_end(context, log):
            yield


class CallTraces(CallInterceptor):
    """Makes a span of each call, in the caller's trace where it names one."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    @asynccontextmanager
    async def around(
        self, method: str, metadata: Metadata, context: Context
    ) -> AsyncIterator[None]:
        carrier = {name: values[0] for name, values in metadata.items()}
        with self._tracer.call(method.removeprefix("/"), carrier) as span:
            span.set("rpc.system", "grpc")
            current_call().span = span
            with _at_end(context, lambda code: span.set("rpc.response.status_code", code)):
                yield


class CallMetrics(CallInterceptor):
    """Counts calls by method and status, and measures them."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock

    @asynccontextmanager
    async def around(
        self, method: str, metadata: Metadata, context: Context
    ) -> AsyncIterator[None]:
        start_s = self._clock()
        _, service, name = method.split("/")
        self._metrics.rpc_started(service, name)

        def count(code: str) -> None:
            self._metrics.rpc_ended(service, name, code, self._clock() - start_s)

        with _at_end(context, count):
            yield


class MessageCheck(grpc.aio.ServerInterceptor):
    """Ends calls of health and reflection whose bytes are no message with INVALID_ARGUMENT.

    Our own services do that themselves. gRPC would answer UNKNOWN, and log a traceback for each.
    """

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Request, Response] | None]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Request, Response] | None:
        handler = await continuation(handler_call_details)
        if handler is None or _service(handler_call_details.method) not in OPEN_SERVICES:
            return handler
        kind = _kind(handler)
        inner = getattr(handler, kind)
        deserialize: Any = handler.request_deserializer

        def lenient(data: bytes) -> Any:
            try:
                return deserialize(data)
            except DecodeError:
                return Undecodable(UndecodableError(f"the {len(data)} bytes are no request"))

        async def checked(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
            async for request in requests:
                yield decoded(request)

        async def call(request: Any, context: Context) -> Any:
            try:
                asked = checked(request) if handler.request_streaming else decoded(request)
                return await _run(inner, asked, context)
            except UndecodableError as error:
                async with errors_as_status(context):
                    raise error

        make = getattr(grpc, f"{kind}_rpc_method_handler")
        wrapped: grpc.RpcMethodHandler[Request, Response] = make(
            call, lenient, handler.response_serializer
        )
        return wrapped


class CallTokens(CallInterceptor):
    """Lets in only calls with a token that is known, and notes whose it is."""

    def __init__(
        self, authorize: Callable[[str], str], open_services: Collection[str] = OPEN_SERVICES
    ) -> None:
        """See `call_interceptors`."""
        self._authorize = authorize
        self._open_services = open_services

    @asynccontextmanager
    async def around(
        self, method: str, metadata: Metadata, context: Context
    ) -> AsyncIterator[None]:
        if _service(method) not in self._open_services:
            async with errors_as_status(context):
                headers = metadata.get("authorization", [])
                current_call().caller = self._authorize(bearer_token(headers))
        yield


@contextmanager
def _at_end(context: Context, tell: Callable[[str], None]) -> Iterator[None]:
    """Call `tell` with the name of the status that what is done inside ends with."""
    try:
        yield
    except BaseException as error:
        tell(_status_of_failure(context, error))
        raise
    tell(_status_set(context) or "OK")


def _status_of_failure(context: Context, error: BaseException) -> str:
    if status := _status_set(context):
        return status
    if isinstance(error, asyncio.CancelledError):
        left_s = context.time_remaining()
        return "CANCELLED" if left_s is None or left_s > 0 else "DEADLINE_EXCEEDED"
    # Of a caller that is gone: the write that was under way failed.
    return "CANCELLED" if context.done() else "UNKNOWN"


def _status_set(context: Context) -> str | None:
    """Name of the status that a handler chose or aborted with; None if it chose none."""
    code: grpc.StatusCode | int | None = context.code()  # an int if `set_code` was given one
    for known in grpc.StatusCode:
        if code in (known, known.value[0]):
            return known.name
    return None


def _kind(handler: grpc.RpcMethodHandler[Any, Any]) -> str:
    """Such as unary_stream."""
    sides = handler.request_streaming, handler.response_streaming
    return "_".join("stream" if streams else "unary" for streams in sides)


async def _run(inner: Any, request: Any, context: Context) -> Any:
    """Await a handler; a generator's responses are written here, in the task it began in."""
    if not inspect.isasyncgenfunction(inner):
        return await inner(request, context)
    async with aclosing(inner(request, context)) as responses:
        async for response in responses:
            await context.write(response)


def _service(method: str) -> str:
    return method.split("/")[1]


def _text_metadata(details: grpc.HandlerCallDetails) -> Metadata:
    metadata: Metadata = {}
    for name, value in details.invocation_metadata or ():
        if isinstance(value, str):
            metadata.setdefault(name, []).append(value)
    return metadata
