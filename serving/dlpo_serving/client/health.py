"""Asks grpc.health.v1 of a server once: for containers and scripts that have no other client."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dlpo.errors import InputError
from dlpo_serving.client.connection import Connection, new_request_id
from dlpo_serving.client.errors import CallError, failure_of
from dlpo_serving.settings.server_settings import ServerSettings, address

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # listened on -> called at


def check_health(connection: Connection, service: str = "", timeout_s: float = 2.0) -> None:
    """Return if the server says SERVING.

    Args:
        service: full name of a gRPC service, `liveness`, or "" for the server as a whole.
        timeout_s: seconds that it may take to answer.

    Raises:
        CallError: it can't be reached in time, or says something else.
        InputError: it has no such service.
    """
    request_id = new_request_id()
    request = health_pb2.HealthCheckRequest(service=service)
    with connection.open() as channel:
        try:
            reply = health_pb2_grpc.HealthStub(channel).Check(
                request, timeout=timeout_s, metadata=connection.metadata(request_id)
            )
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                raise InputError(
                    f"{connection.address} has no service {service!r}; see dlpo health --help"
                ) from error
            raise failure_of(connection.address, request_id, error) from error
    if reply.status != health_pb2.HealthCheckResponse.SERVING:
        said = health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)
        message = f"{connection.address} says {said}: it is starting or ending"
        raise CallError(message, grpc.StatusCode.UNAVAILABLE, request_id=request_id)


def address_of(settings: ServerSettings) -> str:
    """Where a server with these settings, on this machine, answers health in plaintext.

    Raises:
        InputError: nowhere, since it speaks TLS only, or at a port that the system chose.
    """
    host, port = settings.health_host, settings.health_port
    if port is None:
        host, port = settings.host, settings.port
        if settings.tls:
            raise InputError(
                "the settings have TLS and no health_port; set one, or name the server:"
                " dlpo health HOST:PORT --ca FILE"
            )
    if port == 0:
        raise InputError("the settings let the system choose the port; name it: HOST:PORT")
    return address(EVERYWHERE.get(host, host), port)
