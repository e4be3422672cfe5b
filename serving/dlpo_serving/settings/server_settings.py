"""Every setting of the server: name, unit, default, bounds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from dlpo.bundle import DEFAULT_VOICE
from dlpo.config.fields import Count, Flag, NotNegative, Positive, Range, SomeShare
from dlpo.config.strict import After, Before, checked
from dlpo.errors import ConfigError, InputError
from dlpo_serving.engines import EngineName, EnginePrecision
from dlpo_serving.operations.logs import LogFormat, LogLevel
from dlpo_serving.operations.tls import TlsFiles
from dlpo_serving.request import Pause
from dlpo_serving.rpc.interceptor import HEALTH, REFLECTION

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # address to listen on -> address to call
PANELS = {  # of --help, by the first setting of each
    "voices": "Voices", "max_streams": "Limits", "tls_certificate": "Access", "ray": "Ray",
    "metrics": "Logs and metrics",
}  # fmt: skip
USUAL = (  # what most servers set; first in --help
    "http_port", "host", "http_host", "port", "voices", "keys_file", "tls_certificate", "tls_key",
    "max_streams", "config",
)  # fmt: skip
PREFIX = "DLPO_"  # of the environment variables that hold settings

Port = Annotated[int, Range(ge=0, le=65_535)]
Pair = Annotated[str, After("NAME=VOICE", lambda one: bool(one.strip("=").partition("=")[2]))]


def _split(value: Any) -> Any:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _bare(value: Any) -> Any:
    """An IPv6 address may be in brackets, for every port."""
    return value.removeprefix("[").removesuffix("]") if isinstance(value, str) else value


def _is_host(value: str) -> bool:
    return bool(value) and not value.startswith("unix:") and "/" not in value


def _is_origin(name: str) -> bool:
    where = urlsplit(name)
    return name in ("*", "null") or bool(where.scheme and where.netloc and not any(where[2:]))


Host = Annotated[
    str,
    Before(_bare),
    After("an address or a host name, such as 127.0.0.1 or ::1", _is_host),
]
Origin = Annotated[str, After("origins such as https://app.example, or *", _is_origin)]
Names = Annotated[tuple[str, ...], Before(_split)]  # "a,b" where only text can be given
Pairs = Annotated[tuple[Pair, ...], Before(_split)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """How to serve; validated when created, and immutable."""

    config: Path | None = None
    """TOML file of settings; flags and environment variables override it"""

    host: Host = "127.0.0.1"
    """address to listen on for gRPC; 0.0.0.0 for all interfaces"""
    port: Port = 50_051
    """TCP port for gRPC; 0 picks a free one"""
    http_host: Host = "127.0.0.1"
    """address to listen on for HTTP"""
    http_port: Port | None = None
    """TCP port for HTTP: the web page, /v1/audio/speech, /metrics; off by default"""
    http_strict: bool = False
    """over HTTP, reject unknown fields and out-of-range speeds instead of warning"""
    cors_origins: Annotated[tuple[Origin, ...], Before(_split), Flag("--cors-origin")] = ()
    """origins of web pages that may read replies, such as https://app.example; * for all"""
    allowed_hosts: Annotated[Names, Flag("--allowed-host")] = ()
    """names by which HTTP may be addressed without keys and TLS, such as that of a proxy; addresses
    and names of private networks, such as localhost or nas.local, always may"""
    trusted_proxies: Annotated[Names, Flag("--trusted-proxy")] = ()
    """addresses of proxies, which may hold more than a quarter of the HTTP connections"""
    voice_aliases: Annotated[Pairs, Flag("--voice-alias", metavar="NAME=VOICE")] = ()
    """NAME=VOICE: over HTTP, use VOICE when clients ask for NAME"""
    wyoming_host: Host = "127.0.0.1"
    """address to listen on for Wyoming; 0.0.0.0 if Home Assistant runs on another machine"""
    wyoming_port: Port | None = None
    """TCP port for Home Assistant's protocol (no tokens, no TLS), usually 10200"""
    health_host: Host = "127.0.0.1"
    """address to listen on for health checks"""
    health_port: Port | None = None
    """TCP port for grpc.health.v1 only, without TLS or token, for Kubernetes probes"""

    voices: Annotated[Names, Flag("--voice")] = (DEFAULT_VOICE,)
    """voice names or bundle paths; the first one is the default"""
    voice_directory: Path | None = None
    """folder of further bundles, which can be added, replaced and removed at run time"""
    dictionary: Path | None = None
    """file of words and their phonemes, in CMUdict's format, for every voice and call"""
    voice_poll_s: Positive = 2.0
    """seconds between scans of that folder"""
    mark: Literal["on", "off"] = "on"
    """whether speech has dlpo's inaudible mark; off for research only, see docs/provenance.md"""
    mark_key: Path | None = None
    """file of a key of your own, which marks beside the public one; see docs/provenance.md"""
    mark_message: Annotated[int, Range(ge=0, le=65_535)] = 0
    """number that the mark carries, such as one for who operates this server"""
    engine: EngineName = "cpu"
    """runtime for the voices"""
    precision: EnginePrecision | None = None
    """denoiser precision; by default, the engine's"""
    lanes: Count | None = None
    """parallel engine threads; by default, one per core on a CPU, else one"""

    max_streams: Count = 500
    """maximum concurrent live calls, whatever they cost; more are refused with RESOURCE_EXHAUSTED;
    and as many whole files, of which more wait"""
    max_characters: Count = 10_000
    """maximum text length of a call, in characters"""
    peer_share: SomeShare = 0.9
    """maximum share of calls and lanes per key, or without keys per gRPC connection or HTTP
    address; use 1 behind a proxy that merges all callers into one"""
    max_first_audio_s: Positive = 0.25
    """latest first audio of a live call in seconds after its text has been read, unless it names
    first_audio_ms; one that would be later is refused at once"""
    queue_s: NotNegative = 60.0
    """maximum seconds that a whole file may wait for its turn; 0 refuses it instead"""
    burst_share: SomeShare = 0.6
    """share of the lanes' time that calls may use while they start; with more of it, more calls
    start at once, and the chunks of playing ones may wait longer"""
    sentence_pause_s: Pause | None = None
    """seconds of silence between sentences, for callers who set none; by default 0.2 at speed 1"""
    paragraph_pause_s: Pause | None = None
    """the same after an empty line; by default 0.5 at speed 1"""
    lead_in_s: Pause | None = None
    """seconds of silence before the first sentence, for loudspeakers that lose the start"""
    stall_s: Positive = 30.0
    """seconds that a caller may stop reading its audio before it loses its slot"""
    first_text_s: Positive = 30.0
    """seconds that a call with streamed text may stay open before its first text"""
    pause_s: Positive = 300.0
    """seconds that a caller may pause between two pieces of its text"""
    text_wait_s: Positive = 10.0
    """seconds that further text of a call may wait for capacity before it is refused"""
    grace_s: NotNegative = 30.0
    """seconds that running calls have to finish after SIGTERM"""
    pre_stop_s: NotNegative = 0.0
    """seconds between reporting NOT_SERVING and refusing calls, for load balancers to notice"""

    tls_certificate: Path | None = None
    """PEM file of the certificate and its chain; reloaded when it changes"""
    tls_key: Path | None = None
    """PEM file of the certificate's private key"""
    tls_client_ca: Path | None = None
    """PEM file of the CAs that must have signed client certificates (mutual TLS)"""
    keys_file: Path | None = None
    """TOML file of accepted keys, see `dlpo keys`; without it, no key is required"""
    open_health: bool = True
    """answer grpc.health.v1 without a token"""
    open_reflection: bool = True
    """answer grpc.reflection without a token"""

    ray: bool = False
    """serve with Ray Serve, which scales replicas of this server with the load; see docs/ray.md"""
    ray_address: str | None = None
    """Ray cluster to use, such as auto; by default, start one on this machine"""
    ray_http_port: Port = 8000
    """TCP port of Ray Serve's own HTTP on 127.0.0.1, with /-/healthz"""
    ray_min_replicas: Count = 1
    """minimum and initial number of replicas"""
    ray_max_replicas: Count | None = None
    """maximum number of replicas; by default, ray_min_replicas"""
    ray_target_streams: Positive = 10
    """target for concurrent calls per replica; replicas are added and removed to match it"""
    ray_cpus: NotNegative = 1
    """cores per replica, may be a fraction; also its default number of lanes"""
    ray_gpus: NotNegative = 0
    """GPUs per replica, may be a fraction such as 0.25"""

    metrics: bool = True
    """serve Prometheus metrics at /metrics on the HTTP port"""
    log_format: LogFormat = "plain"
    """log format: plain for people, the others for programs"""
    log_level: LogLevel = "info"
    """minimum level to log"""
    otlp_endpoint: str | None = None
    """OTLP collector for traces, such as http://localhost:4317"""
    reflection: bool = True
    """list the services through gRPC reflection"""

    def __post_init__(self) -> None:
        """Raise ConfigError unless every value is as its annotation says, and they fit together."""
        for name, value in checked(self).items():
            object.__setattr__(self, name, value)
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ConfigError("tls_certificate and tls_key belong together; give both or neither")
        if self.tls_client_ca and not self.tls_certificate:
            raise ConfigError("tls_client_ca needs tls_certificate and tls_key too")
        if self.wyoming_port is not None and (self.keys_file or self.tls_certificate):
            raise ConfigError(
                "wyoming_port can't be guarded: its protocol has no tokens and no TLS; leave out"
                " keys_file and tls_certificate, or run a separate server for it"
            )
        if not self.voices and not self.voice_directory:
            raise ConfigError("there is nothing to speak with; give voices or voice_directory")
        listening = {
            "port": (self.host, self.port),
            "http_port": (self.http_host, self.http_port),
            "wyoming_port": (self.wyoming_host, self.wyoming_port),
            "health_port": (self.health_host, self.health_port),
        }
        taken: dict[tuple[str, int], str] = {}
        for name, (host, port) in listening.items():
            if port and (first := taken.setdefault((host, port), name)) != name:
                raise ConfigError(f"{first} and {name} are both {port}; give each its own")

    @property
    def open_address(self) -> str:
        """Where other machines may have speech made without a key; empty if nowhere."""
        if self.keys_file or self.tls_client_ca:
            return ""
        return _open((self.host, self.port), (self.http_host, self.http_port))

    @property
    def open_wyoming(self) -> str:
        """The same of Wyoming, which has no keys."""
        return _open((self.wyoming_host, self.wyoming_port))

    @property
    def tls(self) -> TlsFiles | None:
        """Paths of the certificates; None to listen without TLS."""
        if self.tls_certificate is None or self.tls_key is None:
            return None
        return TlsFiles(self.tls_certificate, self.tls_key, self.tls_client_ca)

    @property
    def open_services(self) -> tuple[str, ...]:
        """Full names of the gRPC services that need no token."""
        health = (HEALTH,) if self.open_health else ()
        return (*health, *(REFLECTION if self.open_reflection else ()))


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server on this address or name."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:  # a name
        return host == "localhost"


def _open(*places: tuple[str, int | None]) -> str:
    """Those of these hosts and ports that other machines reach."""
    return ", ".join(
        address(host, port) for host, port in places if port is not None and not is_loopback(host)
    )


def address(host: str, port: int) -> str:
    """host:port, as gRPC and URLs write it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextmanager
def named_port(where: str, protocol: str, flag: str) -> Iterator[None]:
    """Turn a failure to listen inside it into an InputError that names the port and its flag."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # the latter is gRPC's
        number = (isinstance(error, OSError) and error.errno) or 0
        why = os.strerror(number) if number > 0 else getattr(error, "strerror", "") or "not free"
        raise InputError(
            f"can't listen on {where} for {protocol} ({why}); is another server there, or isn't"
            f" the address this machine's? Choose another {flag}, or 0 for a free one"
        ) from error


def health_address(settings: ServerSettings) -> str:
    """Where a server with these settings, on this machine, answers health in plaintext.

    Raises:
        InputError: nowhere, since it requires TLS, or at a port that the system chooses.
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
