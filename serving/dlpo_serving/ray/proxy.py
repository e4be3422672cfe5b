"""In Serve's gRPC proxy: hands each call to a replica, and its answer to the caller.

Serve by itself passes on neither deadlines nor the details of a status, answers for a replica that
has died with INTERNAL and a traceback, and knows no grpc.health.v1. So its handlers are not
registered as they are, but called by ours.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from dlpo_serving.errors import CallRejectedError, NotReadyError, OverloadError
from dlpo_serving.riva.servicer import RIVA_SERVICE
from dlpo_serving.rpc.interceptor import HEALTH, STALL_S, write
from dlpo_serving.rpc.statuses import Context, abort
from dlpo_serving.v1.servicer import SERVICE

APPLICATION = "dlpo"  # its name in Serve
RETRY_S = 1.0  # after which Serve may have another place, or another replica

_log = logging.getLogger(__name__)

Handler = Callable[[Any, Any], AsyncIterator[bytes | None]]
"""Serve's, for a method: gives a replica's messages and None at their end, and sets a status"""


class ReplicaAnswer:
    """What a call is answered with. Serve takes it for the context of the call.

    On the caller's own context Serve would set the status without its details.
    """

    def __init__(self, context: Context) -> None:
        """`context`: of the caller."""
        self._context = context
        self._code: grpc.StatusCode | None = None
        self._details = ""
        self._trailing_metadata: Sequence[tuple[str, str | bytes]] = ()
        self._ended = False  # by the replica, not by Serve

    def __getattr__(self, name: str) -> Any:
        """What Serve asks of a context, such as the peer."""
        return getattr(self._context, name)

    def invocation_metadata(self) -> Sequence[tuple[str, str | bytes]]:
        """The caller's; in front of it what Serve looks for where it has several applications."""
        return (("application", APPLICATION), *(self._context.invocation_metadata() or ()))

    def code(self) -> grpc.StatusCode | None:
        """None until it was set."""
        return self._code

    def details(self) -> str:
        """The message of the status."""
        return self._details

    def trailing_metadata(self) -> Sequence[tuple[str, str | bytes]]:
        """Those of the status; its details in binary are among them."""
        return self._trailing_metadata

    def set_code(self, code: grpc.StatusCode) -> None:
        self._code = code

    def set_details(self, details: str) -> None:
        self._details = details

    def set_trailing_metadata(self, metadata: Sequence[tuple[str, str | bytes]]) -> None:
        self._trailing_metadata = metadata

    @asynccontextmanager
    async def parts(self, serve: Handler, asked: Any) -> AsyncIterator[AsyncIterator[bytes]]:
        """The messages, as they come; where the block ends before, the replica's call is cancelled.

        Args:
            serve: the method.
            asked: an `Asked`, or an iterator of them.

        Raises:
            CallRejectedError: while iterating, where Serve has no replica, or loses it.
        """
        # Serve passes a cancellation on only where it is waiting for the replica. So it always is.
        messages: asyncio.Queue[bytes | None] = asyncio.Queue()
        fetching = asyncio.create_task(self._fetch(serve, asked, messages))
        try:
            yield self._until_end(messages)
        finally:
            fetching.cancel()

    async def end(self, context: Context) -> None:
        """End the caller's call with the status of the replica."""
        trailing = tuple(self._trailing_metadata)
        if self._code is None or self._code is grpc.StatusCode.OK:
            context.set_trailing_metadata(trailing)
        else:
            await context.abort(self._code, self._details, trailing)

    async def _fetch(
        self, serve: Handler, asked: Any, messages: asyncio.Queue[bytes | None]
    ) -> None:
        try:
            async for message in serve(asked, self):
                if message is None:
                    self._ended = True
                else:
                    messages.put_nowait(message)
        finally:
            messages.put_nowait(None)

    async def _until_end(self, messages: asyncio.Queue[bytes | None]) -> AsyncIterator[bytes]:
        while (message := await messages.get()) is not None:
            yield message
        if not self._ended:
            raise self._refusal()

    def _refusal(self) -> CallRejectedError:
        """For a status of Serve's own; its messages name machines and actors."""
        if self._code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            message = "all replicas speak for as many callers as they may; try again later"
            return OverloadError(message, RETRY_S)
        _log.warning("no replica has answered code=%s details=%s", self._code, self._details)
        return NotReadyError("there is no replica, or it was lost; begin again")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request message."""

    method: str
    """/package.Service/Method"""
    timeout_s: float | None
    """after which the caller will not listen any more; None if it has no such time"""
    data: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply message, or the end of a call, whose status goes beside it in Serve's context."""

    data: bytes | None
    """None at the end"""

    def SerializeToString(self) -> bytes | None:
        """Serve takes this for a message; the proxy gets what it returns."""
        return self.data


HEALTH_S = 1.0  # that a replica has to say how it is, and between two looks for a watch
CHECK, WATCH = f"/{HEALTH}/Check", f"/{HEALTH}/Watch"
SERVICES = (SERVICE, RIVA_SERVICE, health_pb2.DESCRIPTOR.services_by_name["Health"])
NOT_SERVING: bytes = health_pb2.HealthCheckResponse(
    status=health_pb2.HealthCheckResponse.NOT_SERVING
).SerializeToString()


def add_services(_: object, server: grpc.aio.Server) -> None:
    """Register `dlpo.v1`, Riva's service and health; for Serve's `grpc_servicer_functions`."""
    server.add_generic_rpc_handlers((Relay(),))


class Relay(grpc.GenericRpcHandler):
    """The handlers of all methods. Messages stay bytes; the replica reads them."""

    def __init__(self) -> None:
        self._methods = {
            f"/{service.full_name}/{method.name}": method
            for service in SERVICES
            for method in service.methods
        }
        # Serve puts its own ones in their place, and knows by their names what it may reflect.
        none_yet: Any = grpc.stream_stream_rpc_method_handler(_no_behaviour)
        self._method_handlers: dict[str, Any] = dict.fromkeys(self._methods, none_yet)

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        name = handler_call_details.method
        if name not in self._methods:
            return None
        if name == CHECK:
            return grpc.unary_unary_rpc_method_handler(self._check)
        if name == WATCH:
            return grpc.unary_stream_rpc_method_handler(self._watch)
        serve = self._method_handlers[name]
        # On the wire a single reply is a stream of one.
        if self._methods[name].client_streaming:
            return grpc.stream_stream_rpc_method_handler(_pieces(name, serve.stream_stream))
        return grpc.unary_stream_rpc_method_handler(_whole(name, serve.unary_stream))

    async def _check(self, request: bytes, context: Context) -> bytes:
        """What a replica says, or NOT_SERVING where none says anything."""
        serve: Handler = self._method_handlers[CHECK].unary_stream
        answer = ReplicaAnswer(context)
        try:
            async with asyncio.timeout(HEALTH_S):
                async with answer.parts(serve, Asked(CHECK, None, request)) as parts:
                    replies = [reply async for reply in parts]
        except (TimeoutError, CallRejectedError):
            return NOT_SERVING
        await answer.end(context)
        return replies[0]

    async def _watch(self, request: bytes, context: Context) -> None:
        """Looks again and again: a call to a replica would be over when that one is."""
        last = None
        while True:
            if (reply := await self._check(request, context)) != last:
                await context.write(reply)
                last = reply
            await asyncio.sleep(HEALTH_S)


def _no_behaviour(request: object, context: object) -> Iterator[bytes]:
    """Where Serve has not put its own."""
    raise NotImplementedError


def _whole(name: str, serve: Handler) -> Any:
    """For a method with one request."""

    async def call(request: bytes, context: Context) -> None:
        await _relay(serve, Asked(name, context.time_remaining(), request), context)

    return call


def _pieces(name: str, serve: Handler) -> Any:
    """For a method whose requests come while it is answered."""

    async def call(requests: AsyncIterator[bytes], context: Context) -> None:
        async def asked() -> AsyncIterator[Asked]:
            async for request in requests:
                yield Asked(name, context.time_remaining(), request)

        await _relay(serve, asked(), context)

    return call


async def _relay(serve: Handler, asked: Any, context: Context) -> None:
    answer = ReplicaAnswer(context)
    try:
        async with answer.parts(serve, asked) as parts:
            async for part in parts:
                await write(context, part, STALL_S)
    except Exception as error:
        await abort(context, error)
    await answer.end(context)
