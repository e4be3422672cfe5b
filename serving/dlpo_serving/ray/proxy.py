"""In Serve's gRPC proxy: relays each call to a replica, and its replies to the caller.

Serve by itself forwards neither deadlines nor status details, reports INTERNAL with a traceback
when a replica dies, and doesn't support grpc.health.v1. So its handlers are not registered
directly, but called by ours.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from dlpo_serving.errors import CallRejectedError, NotReadyError, OverloadError
from dlpo_serving.operations.logs import GRPC_LOG, undecodable_metadata
from dlpo_serving.protocols.grpc.server import SERVICE
from dlpo_serving.protocols.riva.server import RIVA_SERVICE
from dlpo_serving.rpc.interceptor import HEALTH, STALL_S, write
from dlpo_serving.rpc.statuses import Context, abort

APPLICATION = "dlpo"  # its name in Serve
RETRY_S = 1.0  # after which Serve may have a free slot, or another replica

_log = logging.getLogger(__name__)

Handler = Callable[[Any, Any], AsyncIterator[bytes | None]]
"""Serve's handler of a method: yields a replica's messages, then None, and sets a status"""
HEALTH_S = 1.0  # limit for a replica's health reply, and the interval of a watch
FRESH_S = 0.25  # for which a health reply is given to whoever else asks
PIECES_AT_ONCE, BETWEEN_PIECES_S = 200, 0.005  # each costs Serve a millisecond of everybody's time
CHECK, WATCH = f"/{HEALTH}/Check", f"/{HEALTH}/Watch"
SERVICES = (SERVICE, RIVA_SERVICE, health_pb2.DESCRIPTOR.services_by_name["Health"])
HEALTH_REQUESTS = {  # that are answered from a recent reply; names of others could be endless
    health_pb2.HealthCheckRequest(service=name).SerializeToString()
    for name in ("", *(service.full_name for service in SERVICES))
}
NOT_SERVING: bytes = health_pb2.HealthCheckResponse(
    status=health_pb2.HealthCheckResponse.NOT_SERVING
).SerializeToString()


class ReplicaAnswer:
    """The answer to a call, passed to Serve in place of the call's context.

    On the caller's own context, Serve would set the status without its details.
    """

    def __init__(self, context: Context) -> None:
        """`context`: the caller's."""
        self._context = context
        self._code: grpc.StatusCode | None = None
        self._details = ""
        self._trailing_metadata: Sequence[tuple[str, str | bytes]] = ()
        self._ended = False  # by the replica, not by Serve

    def __getattr__(self, name: str) -> Any:
        """What else Serve reads from a context, such as the peer."""
        return getattr(self._context, name)

    def invocation_metadata(self) -> Sequence[tuple[str, str | bytes]]:
        """The caller's, after the entry by which Serve chooses among several applications."""
        return (("application", APPLICATION), *(self._context.invocation_metadata() or ()))

    def code(self) -> grpc.StatusCode | None:
        """None until it is set."""
        return self._code

    def details(self) -> str:
        """The message of the status."""
        return self._details

    def trailing_metadata(self) -> Sequence[tuple[str, str | bytes]]:
        """The metadata of the status, which includes its binary details."""
        return self._trailing_metadata

    def set_code(self, code: grpc.StatusCode) -> None:
        self._code = code

    def set_details(self, details: str) -> None:
        self._details = details

    def set_trailing_metadata(self, metadata: Sequence[tuple[str, str | bytes]]) -> None:
        self._trailing_metadata = metadata

    @asynccontextmanager
    async def parts(self, serve: Handler, asked: Any) -> AsyncIterator[AsyncIterator[bytes]]:
        """The messages as they arrive; leaving the block early cancels the replica's call.

        Args:
            serve: the method's handler.
            asked: an `Asked`, or an iterator of them.

        Raises:
            CallRejectedError: while iterating, if Serve has no replica or loses it.
        """
        # Serve forwards a cancellation only while it waits for the replica. So it always waits.
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
        """The error for a status of Serve's own, whose messages would name machines and actors."""
        if self._code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            message = "all replicas speak for as many callers as they may; try again later"
            return OverloadError(message, RETRY_S)
        _log.warning("no replica has answered code=%s details=%s", self._code, self._details)
        return NotReadyError("there is no replica, or it was lost; begin again")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request message; before those of a stream, one without data that opens it."""

    method: str
    """/package.Service/Method"""
    timeout_s: float | None
    """seconds until the caller's deadline; None if it has none"""
    data: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply message, or the end of a call, whose status is passed in Serve's context."""

    data: bytes | None
    """None at the end"""

    def SerializeToString(self) -> bytes | None:
        """Makes Serve take this for a message; the proxy gets what it returns."""
        return self.data


def call_stayed(record: logging.LogRecord) -> bool:
    """Log filter that drops the traceback of a call that its caller cancelled.

    Serve leaves the task of such a call to asyncio, which logs each (seen with 2.60.0).
    """
    error = record.exc_info[1] if record.exc_info else None
    return type(error).__name__ != "RequestCancelledError"


class HealthReply:
    """A replica's reply to a health request, for all who ask at about the same time."""

    def __init__(self, task: asyncio.Task[tuple[ReplicaAnswer | None, bytes]]) -> None:
        """`task`: asks a replica."""
        self.task = task
        self._begun_s = time.monotonic()

    def is_old(self) -> bool:
        """Whether the next one to ask needs a new reply."""
        return time.monotonic() - self._begun_s > FRESH_S


def add_services(_: object, server: grpc.aio.Server) -> None:
    """Register `dlpo.v1`, Riva's service and health; for Serve's `grpc_servicer_functions`.

    Serve calls it in the process of its proxy, whose log callers must not flood either.
    """
    logging.getLogger(GRPC_LOG).addFilter(undecodable_metadata())
    logging.getLogger("asyncio").addFilter(call_stayed)
    server.add_generic_rpc_handlers((Relay(),))


class Relay(grpc.GenericRpcHandler):
    """The handlers of all methods. Messages stay bytes; the replica parses them."""

    def __init__(self) -> None:
        self._methods = {
            f"/{service.full_name}/{method.name}": method
            for service in SERVICES
            for method in service.methods
        }
        # Serve replaces these with its own, and knows by their names what it may reflect.
        none_yet: Any = grpc.stream_stream_rpc_method_handler(_no_behaviour)
        self._method_handlers: dict[str, Any] = dict.fromkeys(self._methods, none_yet)
        self._health: dict[bytes, HealthReply] = {}

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
        """The status that a replica reports, or NOT_SERVING if none answers.

        Whoever asks the same within `FRESH_S` shares the reply: a thousand watches cost one call.
        """
        reply = self._health.get(request)
        if reply is None or reply.is_old():
            reply = HealthReply(asyncio.create_task(self._ask(request, context)))
            if request in HEALTH_REQUESTS:
                self._health[request] = reply
        answer, status = await asyncio.shield(reply.task)
        if answer is not None:
            await answer.end(context)
        return status

    async def _ask(self, request: bytes, context: Context) -> tuple[ReplicaAnswer | None, bytes]:
        """A replica's health: how its call ended and what it said; None if no replica answers."""
        serve: Handler = self._method_handlers[CHECK].unary_stream
        answer = ReplicaAnswer(context)
        try:
            async with asyncio.timeout(HEALTH_S):
                async with answer.parts(serve, Asked(CHECK, None, request)) as parts:
                    replies = [reply async for reply in parts]
        except (TimeoutError, CallRejectedError):
            return None, NOT_SERVING
        return answer, replies[0] if replies else NOT_SERVING

    async def _watch(self, request: bytes, context: Context) -> None:
        """Polls: a call to a single replica would end when that replica does."""
        last = None
        while True:
            if (reply := await self._check(request, context)) != last:
                await context.write(reply)
                last = reply
            await asyncio.sleep(HEALTH_S)


def _no_behaviour(request: object, context: object) -> Iterator[bytes]:
    """A placeholder until Serve installs its own."""
    raise NotImplementedError


def _whole(name: str, serve: Handler) -> Any:
    """Handler of a method with a single request."""

    async def call(request: bytes, context: Context) -> None:
        await _relay(serve, Asked(name, context.time_remaining(), request), context)

    return call


def _pieces(name: str, serve: Handler) -> Any:
    """Handler of a method whose requests arrive while it is being answered."""

    async def call(requests: AsyncIterator[bytes], context: Context) -> None:
        async def asked() -> AsyncIterator[Asked]:
            yield Asked(name, context.time_remaining(), b"")  # a caller may send nothing
            at_once = PIECES_AT_ONCE
            async for request in requests:
                yield Asked(name, context.time_remaining(), request)
                at_once -= 1
                if at_once < 0:
                    await asyncio.sleep(BETWEEN_PIECES_S)

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
