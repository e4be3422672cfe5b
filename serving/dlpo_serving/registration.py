"""Registering a service so that a call can answer for bytes that are no message.

The generated function would not do: grpc.aio answers such bytes with UNKNOWN and the name of an
internal class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from dlpo.v1 import speech_pb2, speech_pb2_grpc
from dlpo_serving.statuses import UndecodableError

SERVICE = speech_pb2.DESCRIPTOR.services_by_name["SpeechService"]

M = TypeVar("M", bound=Message)

_KINDS = {  # by whether the requests and whether the replies are a stream
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


@dataclass(frozen=True, slots=True)
class Undecodable:
    """Stands in the place of a request whose bytes are no message."""

    reason: str


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
        method.name: _KINDS[method.client_streaming, method.server_streaming](
            getattr(servicer, method.name),
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
