"""Every setting of the server: name, unit, default, bounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from dlpo.errors import InputError
from dlpo_serving.engines import EngineName, EnginePrecision
from dlpo_serving.operations.logs import LogFormat, LogLevel
from dlpo_serving.operations.tls import TlsFiles
from dlpo_serving.rpc.interceptor import HEALTH, REFLECTION
from dlpo_serving.voices import DEFAULT_VOICE

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # listened on -> called at
FLAG_NAMES = {  # of those that are given once for each
    "voices": "--voice", "cors_origins": "--cors-origin", "voice_aliases": "--voice-alias",
}  # fmt: skip
PANELS = {  # of --help, by the first setting of each
    "voices": "Voices", "max_streams": "Limits", "tls_certificate": "Access", "ray": "Ray",
    "metrics": "Logs and figures",
}  # fmt: skip
PREFIX = "DLPO_"  # of the environment variables that hold settings

Port = Annotated[int, Field(ge=0, le=65_535)]
Count = Annotated[int, Field(ge=1)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
SomeSeconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _split(value: Any) -> Any:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _host(value: Any) -> Any:
    """An IPv6 address is written with or without brackets, at every port alike."""
    if not isinstance(value, str):
        return value
    if not value or value.startswith("unix:") or "/" in value:
        raise ValueError("expected an address or a host name, such as 127.0.0.1 or ::1")
    return value.removeprefix("[").removesuffix("]")


Host = Annotated[str, BeforeValidator(_host)]
Names = Annotated[tuple[str, ...], BeforeValidator(_split)]  # "a,b" where only text can be given


def _pairs(names: tuple[str, ...]) -> tuple[str, ...]:
    if wrong := [name for name in names if not name.strip("=").partition("=")[2]]:
        raise ValueError(f"expected NAME=VOICE, got {wrong[0]!r}")
    return names


class ServerSettings(BaseModel):
    """How to serve; checked when it is made, and unchangeable."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: Path | None = None
    """TOML file of settings; flags and environment variables go before it"""

    host: Host = "127.0.0.1"
    """address to listen on for gRPC; 0.0.0.0 for every interface"""
    port: Port = 50_051
    """TCP port for gRPC; 0 lets the system choose"""
    http_host: Host = "127.0.0.1"
    """address to listen on for HTTP"""
    http_port: Port | None = None
    """TCP port for HTTP: the web page, /v1/audio/speech, /metrics; none without it"""
    http_strict: bool = False
    """over HTTP, refuse unknown fields and speeds beyond the voice's, in place of a warning"""
    cors_origins: Names = ()
    """origins of web pages that may read replies, such as https://app.example; * for all"""
    voice_aliases: Annotated[Names, AfterValidator(_pairs)] = ()
    """NAME=VOICE: over HTTP, speak with VOICE where clients ask for NAME"""
    wyoming_host: Host = "127.0.0.1"
    """address to listen on for Wyoming; 0.0.0.0 where Home Assistant is another machine"""
    wyoming_port: Port | None = None
    """TCP port for Home Assistant's protocol, usually 10200, which has no tokens and no TLS"""
    health_host: Host = "127.0.0.1"
    """address of the health port"""
    health_port: Port | None = None
    """TCP port where grpc.health.v1 alone answers, without TLS and token, for Kubernetes' probes"""

    voices: Names = (DEFAULT_VOICE,)
    """names of voices or paths of bundles; the first one is the default"""
    voice_directory: Path | None = None
    """folder of further bundles; they may come, change and go while the server runs"""
    voice_poll_s: SomeSeconds = 2.0
    """seconds between two looks into that folder"""
    engine: EngineName = "cpu"
    """run-time that computes the voices"""
    precision: EnginePrecision | None = None
    """of the denoiser; the engine's own if left out"""
    lanes: Count | None = None
    """engine threads that compute side by side; a core each on a CPU if left out, else one"""

    max_streams: Count = 500
    """calls at the same time, whatever they cost; more are refused with RESOURCE_EXHAUSTED"""
    max_characters: Count = 10_000
    """longest text of one call, in characters"""
    peer_share: Annotated[float, Field(gt=0, le=1)] = 0.9
    """share of calls and of lanes that one key may have, or without keys one gRPC connection or one
    HTTP address; 1 behind a proxy that makes one of all callers"""
    max_first_audio_s: SomeSeconds = 0.25
    """seconds; a call that would wait longer for its first audio is refused"""
    stall_s: SomeSeconds = 30.0
    """seconds that a caller may leave its audio untaken; then it loses its place"""
    first_text_s: SomeSeconds = 30.0
    """seconds that a call whose text comes in pieces may be open before the first one"""
    pause_s: SomeSeconds = 300.0
    """seconds that a caller may let pass between two pieces of its text"""
    text_wait_s: SomeSeconds = 10.0
    """seconds that further text of a call may wait for room before it is refused"""
    grace_s: Amount = 30.0
    """seconds that running calls have after SIGTERM"""
    pre_stop_s: Amount = 0.0
    """seconds between saying NOT_SERVING and refusing calls, for balancers to notice"""

    tls_certificate: Path | None = None
    """PEM file of the certificate and its chain; read again when it changes"""
    tls_key: Path | None = None
    """PEM file of the certificate's private key"""
    tls_client_ca: Path | None = None
    """PEM file of the authorities whose clients alone are let in (mutual TLS)"""
    keys_file: Path | None = None
    """TOML file of the keys that are let in, see `dlpo keys`; without it everybody is"""
    open_health: bool = True
    """answer grpc.health.v1 without a token"""
    open_reflection: bool = True
    """answer grpc.reflection without a token"""

    ray: bool = False
    """serve with Ray Serve: as many replicas of this server as callers need, see docs/ray.md"""
    ray_address: str | None = None
    """Ray cluster to serve on, such as auto; without it one is started on this machine"""
    ray_http_port: Port = 8000
    """TCP port of Ray Serve's own HTTP on 127.0.0.1, where /-/healthz is"""
    ray_min_replicas: Count = 1
    """least number of replicas, and how many there are at first"""
    ray_max_replicas: Count | None = None
    """largest number of replicas; ray_min_replicas without it"""
    ray_target_streams: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 10
    """calls at the same time for each replica; replicas are added and taken away to keep to it"""
    ray_cpus: Amount = 1
    """cores that a replica takes of its machine, or a part of one; also its lanes if left out"""
    ray_gpus: Amount = 0
    """GPUs that a replica takes of its machine, or a part of one, such as 0.25"""

    metrics: bool = True
    """show Prometheus figures at /metrics of the HTTP port"""
    log_format: LogFormat = "plain"
    """how a line of log is written: for people, or for programs"""
    log_level: LogLevel = "info"
    """least severity that is logged"""
    otlp_endpoint: str | None = None
    """collector to send traces to, such as http://localhost:4317"""
    reflection: bool = True
    """say over gRPC which services there are"""

    @model_validator(mode="after")
    def _fit_together(self) -> ServerSettings:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together; give both or neither")
        if self.tls_client_ca and not self.tls_certificate:
            raise ValueError("tls_client_ca needs tls_certificate and tls_key beside it")
        if self.wyoming_port is not None and (self.keys_file or self.tls_certificate):
            raise ValueError(
                "wyoming_port can't be guarded: its protocol has no tokens and no TLS; leave out"
                " keys_file and tls_certificate, or run a server of its own for it"
            )
        if not self.voices and not self.voice_directory:
            raise ValueError("there is nothing to speak with; give voices or voice_directory")
        listening = {
            "port": (self.host, self.port),
            "http_port": (self.http_host, self.http_port),
            "wyoming_port": (self.wyoming_host, self.wyoming_port),
            "health_port": (self.health_host, self.health_port),
        }
        taken: dict[tuple[str, int], str] = {}
        for name, (host, port) in listening.items():
            if port and (first := taken.setdefault((host, port), name)) != name:
                raise ValueError(f"{first} and {name} are both {port}; give each its own")
        return self

    @property
    def tls(self) -> TlsFiles | None:
        """Where the certificates lie; None to listen without TLS."""
        if self.tls_certificate is None or self.tls_key is None:
            return None
        return TlsFiles(self.tls_certificate, self.tls_key, self.tls_client_ca)

    @property
    def open_services(self) -> tuple[str, ...]:
        """Full names of the gRPC services that need no token."""
        health = (HEALTH,) if self.open_health else ()
        return (*health, *(REFLECTION if self.open_reflection else ()))


def address(host: str, port: int) -> str:
    """host:port, as gRPC and URLs have it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextmanager
def named_port(where: str, protocol: str, flag: str) -> Iterator[None]:
    """Listening inside it fails with an InputError that says at which port, and its flag."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # the latter is gRPC's
        raise InputError(
            f"can't listen on {where} for {protocol}; is another server there?"
            f" Choose another {flag}, or 0 for a free one"
        ) from error


def health_address(settings: ServerSettings) -> str:
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


def flag_of(name: str) -> str:
    """The flag of a setting."""
    return FLAG_NAMES.get(name, "--" + name.replace("_", "-"))


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Names of `DLPO_` variables that are no setting, for a warning.

    They are no error: Kubernetes sets DLPO_SERVICE_HOST and its like for a Service called dlpo.
    """
    known = {PREFIX + name.upper() for name in ServerSettings.model_fields}
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)
