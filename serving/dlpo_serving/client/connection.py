"""How a client connects to its server (address, encryption, token) and checks its health."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dlpo.errors import InputError, reading
from dlpo_serving.client.errors import CallError, failure_of

Metadata = tuple[tuple[str, str], ...]

MAX_PORT = 65_535
_CHANNEL_OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.keepalive_time_ms", 30_000),  # detects a server that is gone
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.enable_retries", 0),  # errors.py knows whether audio has arrived, gRPC does not
    ("grpc.use_local_subchannel_pool", 1),  # own connections: no other client can delay this one
    ("grpc.lb_policy_name", "round_robin"),  # over all servers the address resolves to
)


@dataclass(frozen=True, slots=True)
class Tls:
    """Encryption with verification of the server's certificate."""

    ca: Path | None = None
    """PEM file of the authorities to trust; None trusts those that ship with gRPC"""
    certificate: Path | None = None
    """PEM file of the client's certificate chain, with `key`, if the server asks for one (mTLS)"""
    key: Path | None = None
    """PEM file of the certificate's private key"""
    server_name: str | None = None
    """name in the server's certificate, if it differs from the host of the address"""

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise InputError("a client certificate needs its key: give both, or none of them")


@dataclass(frozen=True, slots=True)
class Connection:
    """A server's address and the credentials for it."""

    address: str
    """host:port, or several as `ipv4:HOST:PORT,HOST:PORT`; calls rotate over all of them"""
    tls: Tls | None = None
    """None means plaintext: for this machine or a trusted network"""
    token: str | None = None
    """bearer token; without `tls`, anyone on the network path can read it"""

    def __post_init__(self) -> None:
        host, colon, port = self.address.rpartition(":")
        if self.address.startswith(("http://", "https://")) or not (
            host and colon and port.isdecimal() and int(port) <= MAX_PORT
        ):
            expected = f"HOST:PORT of its gRPC port, {MAX_PORT} at most, without http://"
            raise InputError(f"the server is {self.address!r}; expected {expected}")
        if self.token is not None and not (self.token.isascii() and self.token.isprintable()):
            raise InputError("the token holds characters that no token has; copy it again")

    def open(self, api: ModuleType) -> Any:
        """A channel from `grpc`, for threads, or from `grpc.aio`, for the running event loop."""
        options = list(_CHANNEL_OPTIONS)
        if self.tls is None:
            return api.insecure_channel(self.address, options)
        if self.tls.server_name:
            options.append(("grpc.ssl_target_name_override", self.tls.server_name))
        pem = map(_read, (self.tls.ca, self.tls.key, self.tls.certificate))
        return api.secure_channel(self.address, grpc.ssl_channel_credentials(*pem), options)

    def metadata(self, request_id: str) -> Metadata:
        """The metadata to send with a call."""
        named: Metadata = (("x-request-id", request_id),)
        return named if self.token is None else (*named, ("authorization", f"Bearer {self.token}"))


def new_request_id() -> str:
    """A unique identifier for a call."""
    return uuid.uuid4().hex


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    with reading(path, "a PEM file", InputError):
        return path.read_bytes()


def check_health(connection: Connection, service: str = "", timeout_s: float = 2.0) -> None:
    """Return if the server's health status is SERVING, otherwise raise.

    Args:
        service: full name of a gRPC service, `liveness`, or "" for the server as a whole.
        timeout_s: seconds to wait for the answer.

    Raises:
        CallError: it can't be reached in time, or reports another status.
        InputError: it has no such service.
    """
    request_id = new_request_id()
    request = health_pb2.HealthCheckRequest(service=service)
    with connection.open(grpc) as channel:
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
