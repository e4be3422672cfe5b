"""Registering the service so that a call can answer for bytes that are no message.

The generated function would not do: grpc.aio answers such bytes with UNKNOWN and the name of an
internal class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from dlpo.v1 import speech_pb2, speech_pb2_grpc
from dlpo_serving.statuses import UndecodableError

SERVICE = speech_pb2.DESCRIPTOR.services_by_name["SpeechService"]

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Undecodable:
    """Stands in the place of a request whose bytes are no message."""

    reason: str


def add_speech_service(
    servicer: speech_pb2_grpc.SpeechServiceServicer, server: grpc.aio.Server
) -> None:
    """Register a servicer whose methods take a message or `Undecodable`."""
    handlers = {}
    for method in SERVICE.methods:
        kind = (
            grpc.unary_stream_rpc_method_handler
            if method.server_streaming
            else grpc.unary_unary_rpc_method_handler
        )
        handlers[method.name] = kind(
            getattr(servicer, method.name),
            request_deserializer=_tolerant(GetMessageClass(method.input_type)),
            response_serializer=GetMessageClass(method.output_type).SerializeToString,
        )
    handler = grpc.method_handlers_generic_handler(SERVICE.full_name, handlers)
    server.add_generic_rpc_handlers((handler,))


def decoded(request: M | Undecodable) -> M:
    """The message; raises UndecodableError where there is none."""
    if isinstance(request, Undecodable):
        raise UndecodableError(request.reason)
    return request


def _tolerant(message_type: type[M]) -> Callable[[bytes], M | Undecodable]:
    def deserialize(data: bytes) -> M | Undecodable:
        try:
            return message_type.FromString(data)
        except DecodeError:
            name = message_type.DESCRIPTOR.full_name
            return Undecodable(f"the {len(data)} bytes of the request are no {name}")

    return deserialize
