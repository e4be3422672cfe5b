"""What Serve runs: what a replica gets of a machine, and how many of them there are to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dlpo.errors import ConfigError
from dlpo_serving.ray.replica import Replica
from dlpo_serving.settings.flags import flag_of
from dlpo_serving.settings.server_settings import ServerSettings

DEPLOYMENT = "speech"  # its name in Serve
UPSCALE_S, DOWNSCALE_S = 5.0, 300.0  # that it must be worth it: a replica takes seconds to start
LOOK_BACK_S = 15.0  # over which calls are averaged; Serve counts them every 10 s
HEALTH_PERIOD_S, HEALTH_TIMEOUT_S = 2.0, 10.0
ATTEMPTS = 2  # to start a replica, before the mistake is taken to be ours
QUEUED = 100  # calls that may wait in a proxy: each does, while Serve looks for its replica
SPARE_S = 5.0  # beyond what running calls have, for a replica to close
LOOK_FOR_END_S = 0.5  # between two looks at the calls of a replica that is to close
WITHOUT_RAY = (  # what Serve's proxy has not
    "http_port", "health_port", "tls_certificate", "tls_key", "tls_client_ca", "stall_s",
    "pre_stop_s", "channelz",
)  # fmt: skip


def build(settings: ServerSettings) -> Any:
    """The application.

    Args:
        settings: of each replica, `host` and `port` aside; and those of Ray.

    Raises:
        ConfigError: a setting has no effect or no sense with Ray.
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
    """The application, for the `import_path` of a configuration file of Serve.

    Args:
        arguments: the `args` there: settings by their names.

    Raises:
        pydantic.ValidationError: there is no such setting, or its value is out of range.
        ConfigError: as `build` does.
    """
    return build(ServerSettings(**arguments))


def check(settings: ServerSettings) -> None:
    """Raises ConfigError where a setting has no effect or no sense with Ray."""
    for name in WITHOUT_RAY:
        value = getattr(settings, name)
        if value != ServerSettings.model_fields[name].default:
            raise ConfigError(
                f"{name} is {value}; Ray Serve's proxy can't do that: leave {flag_of(name)} out,"
                " docs/ray.md says what to do instead"
            )
    most, least = settings.ray_max_replicas, settings.ray_min_replicas
    if most is not None and most < least:
        raise ConfigError(
            f"ray_max_replicas is {most}; expected ray_min_replicas ({least}) or more"
        )
    if settings.engine not in ("cpu", "openvino") and not settings.ray_gpus:
        raise ConfigError(
            f"engine is {settings.engine} and ray_gpus is 0: Ray would hide the GPU from replicas;"
            " give --ray-gpus 1, or a part of one"
        )


def logs_of_serve(settings: ServerSettings) -> dict[str, Any]:
    """How much Serve is to log: little, for the server inside has its own line for each call."""
    chatty = settings.log_level == "debug"
    return {"log_level": "INFO" if chatty else "WARNING", "enable_access_log": chatty}


def settings_of_replica(settings: ServerSettings) -> ServerSettings:
    """Those of the server inside."""
    cores = max(1, int(settings.ray_cpus)) if settings.engine == "cpu" else 1
    own = {"ray": False, "host": "127.0.0.1", "port": 0, "reflection": False, "peer_share": 1.0}
    return settings.model_copy(update={**own, "lanes": settings.lanes or cores})
