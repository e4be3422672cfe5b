"""What Serve runs: the replica, its share of a machine, and how many of them to run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import grpc

from dlpo.config.fields import flag_of
from dlpo.config.strict import from_dict
from dlpo.errors import ConfigError
from dlpo_serving.operations.logs import configure_logs
from dlpo_serving.protocols.endpoints import Endpoints
from dlpo_serving.ray.proxy import Answered, Asked
from dlpo_serving.server import run_server
from dlpo_serving.settings.server_settings import ServerSettings

# A replica listens on a local port, and what Serve delivers is forwarded there unchanged. So calls
# pass through the same stages as without Ray: tokens, quotas, admission, traces, the log.


CHANNEL_OPTIONS = (
    ("grpc.enable_http_proxy", 0),  # whatever the environment says: the server is in this process
    ("grpc.max_receive_message_length", -1),
)
NOT_ITS_OWN = ("application", "user-agent")  # metadata: Serve's route, and what grpc sets itself
DEPLOYMENT = "speech"  # its name in Serve
UPSCALE_S, DOWNSCALE_S = 5.0, 300.0  # that a change must last: a replica takes seconds to start
LOOK_BACK_S = 15.0  # over which calls are averaged; Serve counts them every 10 s
HEALTH_PERIOD_S, HEALTH_TIMEOUT_S = 2.0, 10.0
ATTEMPTS = 2  # to start a replica, before the fault is assumed to be ours
QUEUED = 100  # calls that may wait in a proxy: each does while Serve picks its replica
SPARE_S = 5.0  # for a replica to close, beyond the running calls' grace period
LOOK_FOR_END_S = 0.5  # between checks for calls that a closing replica still has
WITHOUT_RAY = (  # not supported by Serve's proxy
    "http_port", "wyoming_port", "health_port", "tls_certificate", "tls_key", "tls_client_ca",
    "stall_s", "pre_stop_s",
)  # fmt: skip


class Replica:
    """What Serve deploys. A proxy calls the attribute named after the gRPC method."""

    async def __init__(self, settings: ServerSettings) -> None:  # type: ignore[misc]  # Serve awaits it
        """
        Args:
            settings: of the server inside.

        Raises:
            Anything that `run_server` raises.
        """
        configure_logs(settings.log_format, settings.log_level)
        ready: asyncio.Future[tuple[Endpoints, str]] = asyncio.get_running_loop().create_future()

        def announce(endpoints: Endpoints, voice: str) -> None:
            ready.set_result((endpoints, voice))

        self._stop = asyncio.Event()
        self._server = asyncio.create_task(run_server(settings, self._stop, announce))
        await asyncio.wait((self._server, ready), return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            self._server.result()
        endpoints, self._voice = ready.result()
        self._channel = grpc.aio.insecure_channel(endpoints.grpc_address, CHANNEL_OPTIONS)

    async def __del__(self) -> None:
        """Serve awaits this once, after the last call."""
        self._stop.set()
        await asyncio.wait((self._server,))

    def check_health(self) -> None:
        """Raise the error that ended the server, if any; Serve then replaces the replica."""
        if self._server.done():
            self._server.result()

    def voice(self) -> str:
        """Name of the default voice when the server started."""
        return self._voice

    async def _whole(self, asked: Asked, grpc_context: Any) -> AsyncIterator[Answered]:
        """Handle a method with a single request."""

        async def requests() -> AsyncIterator[bytes]:
            yield asked.data

        async for answer in self._relay(asked, requests(), grpc_context):
            yield answer

    async def _pieces(
        self, asked: AsyncIterator[Asked], grpc_context: Any
    ) -> AsyncIterator[Answered]:
        """Handle a method whose requests arrive while it is being answered."""
        opening = await anext(asked, None)
        if opening is None:  # the caller has already left
            return

        async def requests() -> AsyncIterator[bytes]:
            async for further in asked:
                yield further.data

        async for answer in self._relay(opening, requests(), grpc_context):
            yield answer

    async def _relay(
        self, asked: Asked, requests: AsyncIterator[bytes], context: Any
    ) -> AsyncIterator[Answered]:
        metadata = tuple(
            (key, value) for key, value in context.invocation_metadata() if key not in NOT_ITS_OWN
        )
        method: Any = self._channel.stream_stream(asked.method)
        call = method(requests, timeout=asked.timeout_s, metadata=metadata)
        try:
            with suppress(grpc.aio.AioRpcError):  # the status has it too
                async for message in call:
                    yield Answered(message)
            context.set_code(await call.code())
            context.set_details(await call.details())
            context.set_trailing_metadata([tuple(pair) for pair in await call.trailing_metadata()])
            yield Answered(None)
        finally:
            call.cancel()  # if the caller has left

    Check = ListVoices = Synthesize = StreamSynthesize = GetRivaSynthesisConfig = _whole
    IncrementalSynthesize = SynthesizeOnline = _pieces


def build(settings: ServerSettings) -> Any:
    """Build the application.

    Args:
        settings: of each replica, except `host` and `port`, and those of Ray.

    Raises:
        ConfigError: a setting has no effect or makes no sense with Ray.
    """
    from ray import serve

    check(settings)
    most = settings.ray_max_replicas or settings.ray_min_replicas
    deployment = serve.deployment(
        Replica,
        name=DEPLOYMENT,
        ray_actor_options={"num_cpus": settings.ray_cpus, "num_gpus": settings.ray_gpus},
        autoscaling_config={
            "min_replicas": settings.ray_min_replicas,
            "max_replicas": most,
            "target_ongoing_requests": settings.ray_target_streams,
            "upscale_delay_s": UPSCALE_S,
            "downscale_delay_s": DOWNSCALE_S,
            "look_back_period_s": LOOK_BACK_S,
        },
        max_ongoing_requests=settings.max_streams,
        max_queued_requests=QUEUED,
        max_constructor_retry_count=ATTEMPTS,
        health_check_period_s=HEALTH_PERIOD_S,
        health_check_timeout_s=HEALTH_TIMEOUT_S,
        graceful_shutdown_timeout_s=settings.grace_s + SPARE_S,
        graceful_shutdown_wait_loop_s=LOOK_FOR_END_S,
        logging_config=logs_of_serve(settings),
    )
    return deployment.bind(settings_of_replica(settings))


def from_arguments(arguments: Mapping[str, Any]) -> Any:
    """Build the application, for the `import_path` of a Serve configuration file.

    Args:
        arguments: the `args` in that file: settings by name.

    Raises:
        ConfigError: there is no such setting, or its value is out of range; see also `build`.
    """
    return build(from_dict(ServerSettings, arguments))


def check(settings: ServerSettings) -> None:
    """Raise ConfigError if a setting has no effect or makes no sense with Ray."""
    usual = ServerSettings()
    for name in WITHOUT_RAY:
        value = getattr(settings, name)
        if value != getattr(usual, name):
            raise ConfigError(
                f"{name} is {value}; Ray Serve's proxy can't do that: leave"
                f" {flag_of(ServerSettings, name)} out, docs/ray.md says what to do instead"
            )
    most, least = settings.ray_max_replicas, settings.ray_min_replicas
    if most is not None and most < least:
        raise ConfigError(
            f"ray_max_replicas is {most}; expected ray_min_replicas ({least}) or more"
        )
    if settings.engine != "cpu" and not settings.ray_gpus:
        raise ConfigError(
            f"engine is {settings.engine} and ray_gpus is 0: Ray would hide the GPU from replicas;"
            " give --ray-gpus 1, or a part of one"
        )


def logs_of_serve(settings: ServerSettings) -> dict[str, Any]:
    """How much Serve logs: little, since the server inside has its own line for each call."""
    chatty = settings.log_level == "debug"
    return {"log_level": "INFO" if chatty else "WARNING", "enable_access_log": chatty}


def settings_of_replica(settings: ServerSettings) -> ServerSettings:
    """The settings of the server inside."""
    cores = max(1, int(settings.ray_cpus)) if settings.engine == "cpu" else 1
    return replace(
        settings, ray=False, host="127.0.0.1", port=0, reflection=False, peer_share=1.0,
        lanes=settings.lanes or cores,
    )  # fmt: skip
