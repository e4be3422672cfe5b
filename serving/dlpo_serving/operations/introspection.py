"""What a gRPC server says of itself: reflection, channelz, and health on a port of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from dlpo.errors import InputError, MissingExtraError

CHANNELZ_OPTION = ("grpc.enable_channelz", 1)  # of the server; channelz is empty without it


def add_reflection(server: grpc.aio.Server, services: Sequence[str]) -> None:
    """Let clients such as grpcurl ask for `services`, full names, and their messages."""
    reflection.enable_server_reflection((*services, reflection.SERVICE_NAME), server)


def add_channelz(server: grpc.aio.Server) -> None:
    """Let clients ask for the connections of the whole process, made with `CHANNELZ_OPTION`.

    Raises:
        MissingExtraError: grpcio-channelz is not installed.
    """
    try:
        from grpc_channelz.v1 import channelz
    except ModuleNotFoundError as error:
        raise MissingExtraError("grpcio-channelz", "serve") from error
    channelz.add_channelz_servicer(server)


async def start_health_port(address: str, servicer: Any) -> tuple[grpc.aio.Server, int]:
    """A server that answers grpc.health.v1 alone, without TLS and token: kubelet has neither.

    Args:
        address: host:port.
        servicer: the one of the main server, so that both say the same.

    Returns:
        The running server, to be stopped after the main one, and its port.

    Raises:
        InputError: the address can't be listened on.
    """
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    try:
        bound = server.add_insecure_port(address)
    except RuntimeError as error:
        raise InputError(
            f"can't listen on {address} for health; choose another --health-port"
        ) from error
    await server.start()
    return server, bound
