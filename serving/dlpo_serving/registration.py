"""Registering a service so that a call can answer for a request that is none.

The generated function would not do: grpc.aio answers bytes that are no message with UNKNOWN and the
name of an internal class, and waits without end for a request that does not come.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from dlpo.v1 import speech_pb2, speech_pb2_grpc
from dlpo_serving.errors import CallRejectedError, StalledError
from dlpo_serving.rpc.statuses import Context, UndecodableError

REQUEST_S = 10.0  # that a call may be open before its first request has come
SERVICE = speech_pb2.DESCRIPTOR.services_by_name["SpeechService"]

M = TypeVar("M", bound=Message)
Behaviour = Callable[[Any, Context], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Undecodable:
    """Stands in the place of a request whose bytes are no message, or that did not come."""

    error: UndecodableError | CallRejectedError


def add_speech_service(
    servicer: speech_pb2_grpc.SpeechServiceServicer, server: grpc.aio.Server
) -> None:
    """Register `dlpo.v1.SpeechService`; see `add_service`."""
    add_service(SERVICE, servicer, server)


def add_service(service: ServiceDescriptor, servicer: object, server: grpc.aio.Server) -> None:
    """Register a servicer whose methods take messages, or streams of messages, or `Undecodable`.

    Args:
        service: its methods name those of `servicer`.
    """
    handlers = {
        method.name: _handler(method.server_streaming)(
            _prompted(getattr(servicer, method.name), method.client_streaming),
            request_deserializer=_tolerant(GetMessageClass(method.input_type)),
            response_serializer=GetMessageClass(method.output_type).SerializeToString,
        )
        for method in service.methods
    }
    handler = grpc.method_handlers_generic_handler(service.full_name, handlers)
    server.add_generic_rpc_handlers((handler,))


def decoded(request: M | Undecodable) -> M:
    """The message; raises UndecodableError where there is none."""
    if isinstance(request, Undecodable):
        raise request.error
    return request


def _handler(server_streaming: bool) -> Callable[..., grpc.RpcMethodHandler[Any, Any]]:
    """For all kinds of requests: on the wire a single one is a stream of one."""
    if server_streaming:
        return grpc.stream_stream_rpc_method_handler
    return grpc.stream_unary_rpc_method_handler


def _prompted(behaviour: Behaviour, client_streaming: bool) -> Behaviour:
    """A method that is told where the first request does not come."""

    async def call(requests: AsyncIterator[Any], context: Context) -> Any:
        incoming = aiter(requests)
        if client_streaming:
            return await behaviour(_promptly(incoming), context)
        request = await _first(incoming)
        return await behaviour(request or Undecodable(_nothing_came()), context)

    return call


async def _promptly(requests: AsyncIterator[M | Undecodable]) -> AsyncIterator[M | Undecodable]:
    """The same; the first one comes in time, or something in its place."""
    if first := await _first(requests):
        yield first
        async for request in requests:
            yield request


async def _first(requests: AsyncIterator[M | Undecodable]) -> M | Undecodable | None:
    """None where the stream is empty."""
    try:
        async with asyncio.timeout(REQUEST_S):
            return await anext(requests, None)
    except TimeoutError:
        return Undecodable(StalledError(f"no request came for {REQUEST_S:g} s; send it at once"))


def _nothing_came() -> UndecodableError:
    return UndecodableError("the call has ended without a request; expected one message")


def _tolerant(message_type: type[M]) -> Callable[[bytes], M | Undecodable]:
    def deserialize(data: bytes) -> M | Undecodable:
        try:
            return message_type.FromString(data)
        except DecodeError:
            name = message_type.DESCRIPTOR.full_name
            message = f"the {len(data)} bytes of the request are no {name}"
            return Undecodable(UndecodableError(message))

    return deserialize
