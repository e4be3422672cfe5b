"""The speech server: a process with health, reflection, warm-up and a graceful end."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from dlpo.errors import InputError
from dlpo_serving.engines import EngineName, EnginePrecision
from dlpo_serving.registration import SERVICE, add_speech_service
from dlpo_serving.request import SpeechRequest
from dlpo_serving.servicers import SpeechServicer
from dlpo_serving.synthesizer import Synthesizer
from dlpo_serving.voices import DEFAULT_VOICE, open_voice

WARM_UP_TEXT = "Dlpo warms up, in 3 steps."  # a number and a word that is in no lexicon
LAST_WORDS_S = 0.5  # for statuses on their way; after it, health watches are cut, they never end
HEALTH_NAMES = ("", SERVICE.full_name)
CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", 1 << 20),  # bytes; requests are text
    ("grpc.max_send_message_length", -1),  # chunks are small, a unary reply is capped by itself
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.so_reuseport", 0),  # a second server on the same port is an error, not a lottery
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """How to serve."""

    host: str = "127.0.0.1"
    """address to listen on; 0.0.0.0 for every interface"""
    port: int = 50_051
    """TCP port; 0 lets the system choose"""
    voice: str = DEFAULT_VOICE
    """name of a voice or path of a bundle"""
    max_streams: int = 8
    """calls spoken at the same time; more are refused with RESOURCE_EXHAUSTED"""
    max_characters: int = 10_000
    """longest text of one call"""
    grace_s: float = 30.0
    """seconds that running calls have after SIGTERM"""
    engine: EngineName = "cpu"
    """run-time that computes the voice, see `open_engine`"""
    precision: EnginePrecision | None = None
    """of the denoiser; None is the engine's own"""


def open_configured_voice(config: ServerConfig) -> Synthesizer:
    """The voice that `config` names, in the engine that it names; see `open_voice`."""
    return open_voice(config.voice, config.engine, config.precision)


def serve(config: ServerConfig) -> None:
    """Serve until SIGTERM or Ctrl-C; prints one line when calls are welcome.

    Raises:
        InputError: there is no such voice or precision, or the address can't be listened on.
        BundleError, EngineError: the voice can't be loaded.
        MissingExtraError: the engine's packages are not installed.
    """
    asyncio.run(_serve(config, time.perf_counter()))


async def _serve(config: ServerConfig, start: float) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def announce(address: str, voice: str) -> None:
        print(f"SERVING {voice} on {address} after {time.perf_counter() - start:.2f} s", flush=True)

    await run_server(config, stop, announce)


async def run_server(
    config: ServerConfig,
    stop: asyncio.Event,
    announce: Callable[[str, str], None],
    load: Callable[[ServerConfig], Synthesizer] = open_configured_voice,
) -> None:
    """Serve until `stop` is set, then let running calls end within `config.grace_s`.

    Args:
        config: how to serve.
        stop: set it, in this event loop, to end.
        announce: called with "host:port" and the voice's name once health says SERVING.
        load: opens the voice; runs on the engine thread.
    """
    text_thread = ThreadPoolExecutor(1, thread_name_prefix="text")
    engine_thread = ThreadPoolExecutor(1, thread_name_prefix="engine")
    servicer = SpeechServicer(text_thread, engine_thread, config.max_streams, config.max_characters)
    health_servicer = health.aio.HealthServicer()
    server = grpc.aio.server(options=CHANNEL_OPTIONS)
    add_speech_service(servicer, server)
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    names = (SERVICE.full_name, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    for name in HEALTH_NAMES:
        await health_servicer.set(name, health_pb2.HealthCheckResponse.NOT_SERVING)
    port = _bind(server, config)

    await server.start()
    try:
        loop = asyncio.get_running_loop()
        synthesizer = await loop.run_in_executor(engine_thread, _load_and_warm, load, config)
        servicer.add_voice(synthesizer)
        for name in HEALTH_NAMES:
            await health_servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
        announce(f"{config.host}:{port}", synthesizer.manifest.voice)
        await stop.wait()
        _log.info("draining streams=%d grace_s=%g", servicer.active_streams, config.grace_s)
        await health_servicer.enter_graceful_shutdown()
        await servicer.drain(config.grace_s)
    finally:
        await server.stop(LAST_WORDS_S)
        await asyncio.sleep(0)  # grpc's tasks end here, else it prints a traceback for cut calls
        # After the last call, so that none finds its thread gone.
        text_thread.shutdown()
        engine_thread.shutdown()


def _bind(server: grpc.aio.Server, config: ServerConfig) -> int:
    try:
        return server.add_insecure_port(f"{config.host}:{config.port}")
    except RuntimeError as error:
        raise InputError(
            f"can't listen on {config.host}:{config.port}; is another server there?"
            " Choose another --port, or 0 for a free one"
        ) from error


def _load_and_warm(
    load: Callable[[ServerConfig], Synthesizer], config: ServerConfig
) -> Synthesizer:
    synthesizer = load(config)
    for _ in synthesizer.stream(synthesizer.read(SpeechRequest(WARM_UP_TEXT))):
        pass
    return synthesizer
