"""The interceptor of every gRPC call, and the registration of services.

By itself, grpc.aio answers undecodable bytes with UNKNOWN and a traceback, waits forever for a
request that never comes or a caller that does not read, and answers errors with UNKNOWN.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import Counter
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterator,
    Mapping,
)
from contextlib import aclosing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from dlpo_serving.errors import OverloadError, StalledError
from dlpo_serving.operations.call_scope import REQUEST_ID, CallScope
from dlpo_serving.rpc.statuses import Context, UndecodableError, abort

HEALTH = "grpc.health.v1.Health"  # kubelet's probes carry no metadata
REFLECTION = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
OPEN_SERVICES = (HEALTH, *REFLECTION)
REQUEST_S = 10.0  # from the start of a call to its first request
STALL_S = 30.0  # for which a caller may leave a reply unread
DEADLINE_MARGIN_S = 0.1  # callers end calls just before the deadline they sent, which is rounded up
MAX_OPEN = 1_000  # streams of open services, such as health watches, at a time; 22 kB each
OPEN_SHARE = 0.25  # of them that one address may hold
STARTS_PER_TURN = 4  # calls started per turn of the event loop; replies wait for no more than those

STATUS_DELAY_S = 0.02  # before an error's status is sent
T = TypeVar("T")
_CODES: dict[Any, str] = {
    key: code.name for code in grpc.StatusCode for key in (code, code.value[0])
}
_CODES[None] = "OK"  # a handler that set none


@dataclass(frozen=True, slots=True)
class _Malformed:
    """Replaces a request whose bytes can't be decoded."""

    size: int


class FieldPath(Protocol):
    """What the messages of a service call our fields."""

    def __call__(self, name: str, request: object = None) -> str:
        """Name of a `SpeechRequest` field -> its path in a request message.

        Args:
            request: the only request of the call; None if they are streamed.
        """


def same_path(name: str, request: object = None) -> str:
    """The names are ours."""
    return name


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Runs each call of a registered method in a `CallScope`; turns errors into statuses.

    Handlers may be unary or streaming on either side, coroutines or asynchronous generators.
    """

    def __init__(
        self,
        scope: CallScope,
        open_services: Collection[str] = OPEN_SERVICES,
        stall_s: float = STALL_S,
        field_paths: Mapping[str, FieldPath] = MappingProxyType({}),
    ) -> None:
        """
        Args:
            open_services: full names of services that need no token.
            stall_s: seconds a caller may leave a reply unread before its call is aborted.
            field_paths: of services, by full name: what their messages call our fields.
        """
        self._scope = scope
        self._open_services = open_services
        self._stall_s = stall_s
        self._field_paths = field_paths
        self._entrance = asyncio.Semaphore(STARTS_PER_TURN)
        self._open: Counter[str] = Counter()  # streams of open services, by address

    @contextmanager
    def _hold_open(self, peer: str) -> Iterator[None]:
        """Hold a stream of an open service; raises OverloadError if there are too many."""
        address = address_of(peer)
        if self._open.total() >= MAX_OPEN or self._open[address] >= OPEN_SHARE * MAX_OPEN:
            message = f"{self._open[address]} watches of {address} are open; end one of them"
            raise OverloadError(message, 10.0)
        self._open[address] += 1
        try:
            yield
        finally:
            self._open -= Counter([address])

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]
        ],
        details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        async with self._entrance:
            await asyncio.sleep(0)  # to the next turn
        handler = await continuation(details)
        if handler is None:  # no such method: callers must not choose metric labels
            return None
        method = details.method
        service = method.split("/")[1]
        headers: dict[str, str] = {}
        tokens: list[str] = []
        for name, value in details.invocation_metadata or ():
            if isinstance(value, str):
                headers.setdefault(name, value)
                if name == "authorization":
                    tokens.append(value)
        behavior: Any = (
            handler.unary_unary
            or handler.unary_stream
            or handler.stream_unary
            or handler.stream_stream
        )
        parse: Any = handler.request_deserializer or bytes

        def deserialize(data: bytes) -> Any:
            try:
                return parse(data)
            except DecodeError:
                return _Malformed(len(data))

        async def call(messages: AsyncIterator[Any], context: Context) -> Any:
            # Probes come every few seconds.
            level = logging.DEBUG if service in OPEN_SERVICES else logging.INFO
            peer = context.peer()
            counted = service in OPEN_SERVICES and handler.response_streaming
            held = self._hold_open(peer) if counted else nullcontext()
            request = None  # the only one
            with self._scope.open(method, "rpc", peer, headers, level) as record:
                context.set_trailing_metadata(((REQUEST_ID, record.id),))
                try:
                    if service not in self._open_services:
                        self._scope.authorize(tokens)
                    async with aclosing(_requests(messages, method)) as requests:
                        with held:
                            if not handler.request_streaming:
                                request = await anext(requests)
                            reply = behavior(
                                requests if handler.request_streaming else request, context
                            )
                            if inspect.isasyncgen(reply):
                                async with aclosing(reply) as replies:
                                    async for message in replies:
                                        await write(context, message, self._stall_s)
                                reply = None
                            else:
                                reply = await reply
                    record.code = _CODES[context.code()]
                    return reply
                except asyncio.CancelledError:
                    left_s = context.time_remaining()
                    if left_s is not None and left_s <= DEADLINE_MARGIN_S:
                        record.code = "DEADLINE_EXCEEDED"
                    raise
                except Exception as error:
                    self._scope.count_failure(error)
                    # A caller that has reset its call is noticed meanwhile, which cancels this.
                    # grpc.aio leaks a status that it can't send (grpc#43360, seen with 1.85.1).
                    # A full server's callers go elsewhere at once: a turn of the loop must do.
                    full = isinstance(error, OverloadError)
                    await asyncio.sleep(0 if full else STATUS_DELAY_S)
                    try:
                        path = self._field_paths.get(service, same_path)
                        await abort(context, error, partial(path, request=request))
                    except grpc.aio.AbortError:
                        record.code = _CODES[context.code()]
                        raise

        # On the wire a single request is a stream of one, and reading it here allows a timeout.
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(
                call, deserialize, handler.response_serializer
            )
        return grpc.stream_unary_rpc_method_handler(call, deserialize, handler.response_serializer)


def address_of(peer: str) -> str:
    """ "ipv4:127.0.0.1:50000" -> "ipv4:127.0.0.1", as gRPC writes them."""
    return peer.rpartition(":")[0] or peer


def add_service(
    service: ServiceDescriptor, servicer: object, server: grpc.aio.Server, name: str = ""
) -> None:
    """Register a servicer whose methods are named like those of the service.

    `name`: of the service; by default its own.
    """
    handlers = {}
    for method in service.methods:
        sides = (method.client_streaming, method.server_streaming)
        kind = "_".join("stream" if streams else "unary" for streams in sides)
        handlers[method.name] = getattr(grpc, f"{kind}_rpc_method_handler")(
            getattr(servicer, method.name),
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=GetMessageClass(method.output_type).SerializeToString,
        )
    handler = grpc.method_handlers_generic_handler(name or service.full_name, handlers)
    server.add_generic_rpc_handlers((handler,))


async def write(context: Context, message: Any, stall_s: float) -> None:
    """Write a reply.

    grpc.aio's own `write` defers cancellation until the message is sent (seen with 1.85.1),
    which never happens while the caller's flow-control window is closed. So it runs in a task
    that is then abandoned, and ends with the connection.

    Raises:
        StalledError: the caller has not read for `stall_s` seconds.
    """
    writing = _may_be_abandoned(context.write(message))
    done, _ = await asyncio.wait((writing,), timeout=stall_s)
    if not done:
        raise StalledError(f"client read nothing for {stall_s:g} s; read the stream as it arrives")
    writing.result()


def _may_be_abandoned(work: Awaitable[T]) -> asyncio.Future[T]:
    """A task that may outlive the call that awaits it; asyncio does not log how it ends."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    return task


async def _requests(messages: AsyncIterator[Any], method: str) -> AsyncGenerator[Any, None]:
    """The messages of a call.

    Each is read in a task that a cancelled call abandons: grpc.aio frees what a read allocates only
    if whoever awaits it sees its end (grpc#43360, seen with 1.85.1).

    Raises:
        StalledError: none came within `REQUEST_S`.
        UndecodableError: one can't be decoded, or there is none at all.
    """
    incoming = aiter(messages)

    def read() -> asyncio.Future[Any]:
        return asyncio.shield(_may_be_abandoned(anext(incoming, None)))

    try:
        async with asyncio.timeout(REQUEST_S):
            message = await read()
    except TimeoutError as error:
        message = f"no request received within {REQUEST_S:g} s of opening the call; send it at once"
        raise StalledError(message) from error
    if message is None:
        raise UndecodableError("the call has ended without a request; expected a message")
    while message is not None:
        if isinstance(message, _Malformed):
            raise UndecodableError(
                f"could not decode {message.size} bytes as a request to {method}"
            )
        yield message
        message = await read()
