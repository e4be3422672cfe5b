"""The gRPC, HTTP, Wyoming and health ports in front of one `SynthesisService`."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from dlpo.errors import needs
from dlpo.mark import read_key
from dlpo_serving.operations.call_scope import CallScope
from dlpo_serving.operations.logs import GRPC_LOG, undecodable_metadata
from dlpo_serving.operations.metrics import Metrics
from dlpo_serving.operations.tls import grpc_credentials, http_ssl_context
from dlpo_serving.protocols.grpc import server as grpc_server
from dlpo_serving.protocols.riva import server as riva_server
from dlpo_serving.rpc.interceptor import REFLECTION, CallInterceptor, add_service
from dlpo_serving.service import SynthesisService
from dlpo_serving.settings.server_settings import ServerSettings, address, named_port

STATUS_GRACE_S = 0.5  # grace for statuses in flight; health watches never end and are cancelled
SPARE_CALLS = 100  # per connection, in addition to those that speak: probes, lists
LIVENESS = "liveness"  # health name of the process itself: NOT_SERVING requests a restart
GRPC_APIS = (grpc_server.API, riva_server.API)
SERVICES = tuple(api.service.full_name for api in GRPC_APIS)
CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", 1 << 20),  # bytes; requests are text
    ("grpc.max_send_message_length", -1),  # chunks are small, unary replies have their own cap
    ("grpc.server_handshake_timeout_ms", 10_000),  # TLS and settings; gRPC's default is 2 minutes
    ("grpc.max_connection_idle_ms", 300_000),  # without any call; clients reconnect transparently
    # Calls started but not handled yet. Beyond that, gRPC ends random ones with CANCELLED, from any
    # connection; its default, 1000, is reached by a brief burst of cancelled calls.
    ("grpc.server.max_pending_requests", 20_000),
    ("grpc.server.max_pending_requests_hard_limit", 30_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # For any ping. While one is unanswered gRPC sends no other, not even for keepalive; the default
    # is one minute.
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.so_reuseport", 0),  # a second server on the same port is an error, not a lottery
)


def caller_stayed(record: logging.LogRecord) -> bool:
    """Log filter that drops the traceback for a caller who left before the final status.

    grpc.aio logs a status that failed to send as if the method had raised it (seen with 1.85.1).
    """
    error = record.exc_info[1] if record.exc_info else None
    return type(error).__name__ != "ExecuteBatchError"


async def set_ready(status: health.aio.HealthServicer, ready: bool) -> None:
    """Report the services as ready or not; liveness is SERVING either way, to avoid a restart."""
    answers = health_pb2.HealthCheckResponse
    await status.set(LIVENESS, answers.SERVING)
    for name in ("", *SERVICES):
        await status.set(name, answers.SERVING if ready else answers.NOT_SERVING)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the server can be reached."""

    grpc_address: str
    """host:port"""
    http_url: str | None
    """URL of the web page; None without HTTP"""
    wyoming_address: str | None = None
    """host:port; None without Wyoming"""


@asynccontextmanager
async def serve_endpoints(
    settings: ServerSettings,
    service: SynthesisService,
    status: health.aio.HealthServicer,
    metrics: Metrics,
    scope: CallScope,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[Endpoints]:
    """Listen while the block runs; calls still running when it ends are cut.

    Args:
        status: answers health probes.
        metrics: served over HTTP.
        scope: wraps every call.
        clock: seconds.

    Raises:
        InputError: a port can't be bound.
        ConfigError: the TLS files can't be used.
        MissingExtraError: a package that an API needs is not installed.
    """
    options = [
        *CHANNEL_OPTIONS,
        # Per connection: calls that are started but send nothing cost memory. High enough that a
        # full server rejects a call instead of queuing it behind others on its connection.
        ("grpc.max_concurrent_streams", SPARE_CALLS + 2 * settings.max_streams),
    ]
    grpc_log, undecodable = logging.getLogger(GRPC_LOG), undecodable_metadata()
    grpc_log.addFilter(caller_stayed)
    grpc_log.addFilter(undecodable)
    paths = {api.service.full_name: api.field_path for api in GRPC_APIS}
    interceptor = CallInterceptor(scope, settings.open_services, settings.stall_s, paths)
    server = grpc.aio.server(options=options, interceptors=[interceptor])
    for api in GRPC_APIS:
        add_service(api.service, api.servicer(service), server)
    health_pb2_grpc.add_HealthServicer_to_server(status, server)
    if settings.reflection:
        _add_reflection(server)
    port = _bind(server, settings, clock)
    await server.start()
    try:
        async with (
            _probes(settings, status, CallInterceptor(scope)),
            _ports(settings, service, metrics, scope, clock) as (url, wyoming),
        ):
            yield Endpoints(address(settings.host, port), url, wyoming)
    finally:
        grpc_log.removeFilter(undecodable)
        await server.stop(STATUS_GRACE_S)
        # lets grpc's own tasks end; otherwise it prints a traceback for calls that were cut
        await asyncio.sleep(0)


def _add_reflection(server: grpc.aio.Server) -> None:
    """Answer gRPC reflection, whose versions have the same messages."""
    names = (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
    servicer = reflection.aio.ReflectionServicer(names)
    (service,) = reflection_pb2.DESCRIPTOR.services_by_name.values()
    for name in REFLECTION:
        add_service(service, servicer, server, name)


def _bind(server: grpc.aio.Server, settings: ServerSettings, clock: Callable[[], float]) -> int:
    where = address(settings.host, settings.port)
    with named_port(where, "gRPC", "--port"):
        _check_free(settings.host, settings.port)
        if settings.tls:
            return server.add_secure_port(where, grpc_credentials(settings.tls, clock))
        return server.add_insecure_port(where)


def _check_free(host: str, port: int) -> None:
    """Raise OSError if the port is taken, since gRPC would also print a line of its own."""
    family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    socket.create_server(place, family=family).close()


@asynccontextmanager
async def _probes(
    settings: ServerSettings, status: health.aio.HealthServicer, interceptor: CallInterceptor
) -> AsyncIterator[None]:
    """Serve only grpc.health.v1 on the health port, without TLS or token: kubelet has neither."""
    if settings.health_port is None:
        yield
        return
    where = address(settings.health_host, settings.health_port)
    options = (*CHANNEL_OPTIONS, ("grpc.max_concurrent_streams", SPARE_CALLS))
    server = grpc.aio.server(options=options, interceptors=[interceptor])
    health_pb2_grpc.add_HealthServicer_to_server(status, server)
    with named_port(where, "health", "--health-port"):
        _check_free(settings.health_host, settings.health_port)
        server.add_insecure_port(where)
    await server.start()
    try:
        yield
    finally:
        await server.stop(None)


@asynccontextmanager
async def _ports(
    settings: ServerSettings,
    service: SynthesisService,
    metrics: Metrics,
    scope: CallScope,
    clock: Callable[[], float],
) -> AsyncIterator[tuple[str | None, str | None]]:
    """Serve HTTP and Wyoming as far as the settings name their ports.

    Yields the URL of the page and Wyoming's address; None for what is not served.
    """
    async with AsyncExitStack() as stack:
        url = wyoming = None
        if settings.http_port is None and settings.wyoming_port is None:
            yield url, wyoming
            return
        with needs("serve"):
            from dlpo_serving.protocols.http.requests import HttpLimits  # aiohttp takes 0.2 s
            from dlpo_serving.protocols.http.server import build_app, listening
            from dlpo_serving.protocols.http.turns import ParsingTurns
        turns, stall_s = ParsingTurns(), settings.stall_s
        if settings.http_port is not None:
            tls = http_ssl_context(settings.tls, clock) if settings.tls else None
            names = frozenset(map(str.lower, settings.allowed_hosts))
            limits = HttpLimits(
                stall_s=stall_s,
                strict=settings.http_strict,
                aliases=dict(pair.split("=", 1) for pair in settings.voice_aliases),
                origins=settings.cors_origins,
                mark_key=read_key(settings.mark_key),
                hosts=None if settings.keys_file or tls else names,
            )
            app = build_app(service, metrics, scope, limits, settings.metrics, turns)
            where, proxies = (settings.http_host, settings.http_port), settings.trusted_proxies
            port = await stack.enter_async_context(
                listening(app, *where, tls, stall_s=stall_s, proxies=proxies)
            )
            url = f"{'https' if tls else 'http'}://{address(settings.http_host, port)}/"
        if settings.wyoming_port is not None:
            with needs("wyoming"):
                from dlpo_serving.protocols.wyoming.server import listening as listening_there
            host = settings.wyoming_host
            port = await stack.enter_async_context(
                listening_there(service, scope, turns, stall_s, host, settings.wyoming_port)
            )
            wyoming = address(host, port)
        yield url, wyoming
