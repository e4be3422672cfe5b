"""In Serve's gRPC proxy: hands each call to a replica, and its answer to the caller.

Serve by itself passes on neither deadlines nor the details of a status, answers for a replica that
has died with INTERNAL and a traceback, and knows no grpc.health.v1. So its handlers are not
registered as they are, but called by ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from dlpo_serving.errors import CallRejectedError
from dlpo_serving.ray.answer import Asked, Handler, ReplicaAnswer
from dlpo_serving.riva.servicer import RIVA_SERVICE
from dlpo_serving.rpc.interceptor import HEALTH, STALL_S, write
from dlpo_serving.rpc.statuses import Context, abort
from dlpo_serving.v1.servicer import SERVICE

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
