"""`dlpo serve --ray`: the application on a Ray cluster, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import logging
import os
import re
import secrets
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dlpo.errors import ConfigError, EngineError, InputError, needs
from dlpo_serving.operations.logs import configure_logs
from dlpo_serving.protocols.grpc.server import SERVICE
from dlpo_serving.ray.application import SPARE_S, build, check, logs_of_serve
from dlpo_serving.ray.proxy import APPLICATION
from dlpo_serving.settings.server_settings import ServerSettings
from dlpo_serving.voices import find_voice, known_voices

ADD_SERVICES = "dlpo_serving.ray.proxy.add_services"
EVERY_INTERFACE = ("0.0.0.0", "::")
LOCAL = "127.0.0.1"
OBJECT_STORE_BYTES = 100 << 20  # near Ray's minimum; audio does not go there
ANSWER_S = 10.0  # limit for the round trip of a health check to a replica
POLL_S = 0.1

OF_RAY = {  # what Ray reads from the environment
    "RAY_USAGE_STATS_ENABLED": "0",  # else it reports usage to its developers
    "RAY_DEDUP_LOGS": "0",  # else repeated log lines are dropped
    # On a busy machine its processes exceed its default timeouts, and it ends or restarts them.
    "RAY_agent_register_timeout_ms": "60000",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "30",
}

_CAUSE = re.compile(r"^(?:dlpo\.errors|dlpo_serving\.\S+)\.\w+: (.+)$", re.MULTILINE)


def serve_on_ray(settings: ServerSettings) -> None:
    """Serve until SIGTERM or Ctrl-C; prints a line once calls are accepted.

    Raises:
        ConfigError: a setting has no effect or makes no sense with Ray.
        InputError: there is no such voice, a port is taken, or there are too few cores or GPUs.
        EngineError: no replica could be started, or the cluster can't be reached.
        MissingExtraError: Ray is not installed.
    """
    start = time.perf_counter()
    check(settings)
    if settings.host not in EVERY_INTERFACE:
        raise ConfigError(
            f"host is {settings.host}; Ray Serve's proxy listens on every interface:"
            f" say so with --host {EVERY_INTERFACE[0]}, and keep the port behind a firewall"
        )
    settings = _with_whole_paths(settings)
    here = settings.ray_address is None
    ports = [_usable(settings.port, here), _usable(settings.ray_http_port, here)]
    configure_logs(settings.log_format, settings.log_level)
    with _cluster(settings) as head, _application(settings, *ports) as voice:
        _check_way(f"{head}:{ports[0]}")
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())  # repeated signals change nothing
        seconds = time.perf_counter() - start
        print(f"SERVING {voice} on {settings.host}:{ports[0]} after {seconds:.2f} s", flush=True)
        stop.wait()


@contextmanager
def _cluster(settings: ServerSettings) -> Iterator[str]:
    """A cluster while the block runs: the one that the settings name, or our own.

    Yields:
        address of its head node.
    """
    for name, value in OF_RAY.items():
        os.environ.setdefault(name, value)  # what is already set there stays
    own = settings.ray_address is None
    if own and "RAY_AUTH_MODE" not in os.environ:  # else it writes a token to the home folder
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    with needs("ray"):
        import ray
    where: dict[str, Any] = {"address": settings.ray_address}
    if own:
        store = {"object_store_memory": OBJECT_STORE_BYTES, "include_dashboard": False}
        where = {"address": "local", **store}
    try:
        try:
            ray.init(**where, logging_level="warning")
        except Exception as error:  # which Ray itself raises if its processes are slow
            place = "on this machine" if own else f"at {settings.ray_address}"
            raise EngineError(f"there is no Ray cluster to be had {place}: {error}") from error
        if own:
            check_resources(settings, ray.cluster_resources())
        heads = (one for one in ray.nodes() if "node:__internal_head__" in one["Resources"])
        yield str(next(heads)["NodeManagerAddress"])  # it always has a Serve proxy
    finally:
        ray.shutdown()


@contextmanager
def _application(settings: ServerSettings, port: int, http_port: int) -> Iterator[str]:
    """Run the application while the block runs; yields the name of its default voice.

    Calls still running at the end have `settings.grace_s` to finish.
    """
    from ray import serve

    logs = logs_of_serve(settings)
    logging.getLogger("ray.serve").setLevel(logs["log_level"])
    serve.start(
        proxy_location="EveryNode",  # without an HTTP proxy there would be no gRPC proxy either
        http_options={"host": LOCAL, "port": http_port},
        grpc_options={
            "port": port,
            "grpc_servicer_functions": [ADD_SERVICES],
            "enable_reflection": settings.reflection,
        },
        logging_config=logs,
    )
    if APPLICATION in serve.status().applications:
        raise ConfigError(
            f"the cluster serves an application {APPLICATION!r} already; end it first, with Ctrl-C"
            " where it runs or with: serve shutdown"
        )
    try:
        yield _run(build(settings))
    finally:
        serve.delete(APPLICATION, _blocking=False)
        # Serve's own wait fails with an error after a minute.
        end_s = time.monotonic() + settings.grace_s + 2 * SPARE_S
        while APPLICATION in serve.status().applications and time.monotonic() < end_s:
            time.sleep(POLL_S)


def _run(application: Any) -> str:
    """Start the application; returns the name of its default voice."""
    from ray import serve

    try:
        handle = serve.run(application, name=APPLICATION, route_prefix=f"/{APPLICATION}")
    except RuntimeError as error:
        deployments = serve.status().applications[APPLICATION].deployments
        said = "\n".join([str(error), *(each.message for each in deployments.values())])
        cause = (_CAUSE.findall(said) or [said])[-1]  # extracted from Serve's tracebacks
        raise EngineError(f"no replica could be started: {cause}") from error
    return str(handle.options(method_name="voice").remote().result(timeout_s=ANSWER_S))


def _check_way(address: str) -> None:
    """Raise EngineError if calls don't reach a replica."""
    request = health_pb2.HealthCheckRequest(service=SERVICE.full_name)
    with grpc.insecure_channel(address) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        try:
            reply = check(request, timeout=ANSWER_S, wait_for_ready=True)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNAUTHENTICATED:
                return  # which only a replica says
            raise EngineError(
                f"Ray Serve does not answer for dlpo at {address} ({error.code().name}): if Serve"
                f" ran on this cluster before, its options stay; either run: serve shutdown, or let"
                f" its grpc_servicer_functions have {ADD_SERVICES}"
            ) from error
    if reply.status != health_pb2.HealthCheckResponse.SERVING:
        raise EngineError(f"no replica answers at {address}; its log has the cause")


def check_resources(settings: ServerSettings, there: Mapping[str, float]) -> None:
    """Raise InputError if Serve would wait forever for the resources of its replicas."""
    for name, each, flag in (
        ("CPU", settings.ray_cpus, "ray_cpus"),
        ("GPU", settings.ray_gpus, "ray_gpus"),
    ):
        needed, has = each * settings.ray_min_replicas, there.get(name, 0)
        if needed > has:
            raise InputError(
                f"{flag} is {each:g} for each of {settings.ray_min_replicas} replicas; this machine"
                f" has {has:g} {name}s: lower --{flag.replace('_', '-')} or --ray-min-replicas, or"
                " join a larger cluster with --ray-address"
            )


def _usable(port: int, here: bool) -> int:
    """The port, or a free one for 0.

    Raises:
        InputError: another process listens there. Serve would retry forever.
    """
    if port and not here:
        return port
    port = port or 20_000 + secrets.randbelow(12_000)  # apart from those that Ray's sockets get
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            raise InputError(
                f"can't listen on port {port}; is another server there?"
                " Choose another --port and --ray-http-port, or 0 for free ones"
            ) from error
        return int(probe.getsockname()[1])


def _with_whole_paths(settings: ServerSettings) -> ServerSettings:
    """Settings with absolute paths, for a process in another folder or on another machine.

    Raises:
        InputError: a voice is missing here, and replicas are to run here.
    """
    voices = list(settings.voices)
    for index, voice in enumerate(voices):
        if settings.ray_address is None and voice not in known_voices():
            path = find_voice(voice)
            voices[index] = str(path.resolve()) if Path(voice).exists() else voice
    files: dict[str, Any] = {
        name: path.resolve()
        for name in ("keys_file", "voice_directory")
        if (path := getattr(settings, name))
    }
    return replace(settings, voices=tuple(voices), **files)
