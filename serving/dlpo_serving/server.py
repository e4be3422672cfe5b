"""The speech server: a process with health, reflection, warm-up and a graceful end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from dlpo.errors import InputError
from dlpo_serving.operations.logs import configure_logs
from dlpo_serving.registration import SERVICE, add_speech_service
from dlpo_serving.request import SpeechRequest
from dlpo_serving.servicers import SpeechServicer
from dlpo_serving.settings.server_settings import ServerSettings, unknown_variables
from dlpo_serving.synthesizer import Synthesizer
from dlpo_serving.voices import open_voice

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


def open_configured_voice(settings: ServerSettings) -> Synthesizer:
    """The voice that `settings` names, in the engine that it names; see `open_voice`."""
    return open_voice(settings.voices[0], settings.engine, settings.precision)


def serve(settings: ServerSettings) -> None:
    """Serve until SIGTERM or Ctrl-C; prints one line when calls are welcome.

    Raises:
        InputError: there is no such voice or precision, or the address can't be listened on.
        BundleError, EngineError: the voice can't be loaded.
        MissingExtraError: the engine's packages are not installed.
    """
    start = time.perf_counter()
    configure_logs(settings.log_format, settings.log_level)
    for name in unknown_variables(os.environ):
        _log.warning("%s is no setting and does nothing; see dlpo serve --help", name)
    asyncio.run(_serve(settings, start))


async def _serve(settings: ServerSettings, start: float) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def announce(address: str, voice: str) -> None:
        print(f"SERVING {voice} on {address} after {time.perf_counter() - start:.2f} s", flush=True)

    await run_server(settings, stop, announce)


async def run_server(
    settings: ServerSettings,
    stop: asyncio.Event,
    announce: Callable[[str, str], None],
    load: Callable[[ServerSettings], Synthesizer] = open_configured_voice,
) -> None:
    """Serve until `stop` is set, then let running calls end within `settings.grace_s`.

    Args:
        settings: how to serve.
        stop: set it, in this event loop, to end.
        announce: called with "host:port" and the voice's name once health says SERVING.
        load: opens the voice; runs on the engine thread.
    """
    text_thread = ThreadPoolExecutor(1, thread_name_prefix="text")
    engine_thread = ThreadPoolExecutor(1, thread_name_prefix="engine")
    servicer = SpeechServicer(
        text_thread, engine_thread, settings.max_streams, settings.max_characters
    )
    health_servicer = health.aio.HealthServicer()
    server = grpc.aio.server(options=CHANNEL_OPTIONS)
    add_speech_service(servicer, server)
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    names = (SERVICE.full_name, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    for name in HEALTH_NAMES:
        await health_servicer.set(name, health_pb2.HealthCheckResponse.NOT_SERVING)
    port = _bind(server, settings)

    await server.start()
    try:
        loop = asyncio.get_running_loop()
        synthesizer = await loop.run_in_executor(engine_thread, _load_and_warm, load, settings)
        servicer.add_voice(synthesizer)
        for name in HEALTH_NAMES:
            await health_servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
        announce(f"{settings.host}:{port}", synthesizer.manifest.voice)
        await stop.wait()
        _log.info("draining streams=%d grace_s=%g", servicer.active_streams, settings.grace_s)
        await health_servicer.enter_graceful_shutdown()
        await servicer.drain(settings.grace_s)
    finally:
        await server.stop(LAST_WORDS_S)
        await asyncio.sleep(0)  # grpc's tasks end here, else it prints a traceback for cut calls
        # After the last call, so that none finds its thread gone.
        text_thread.shutdown()
        engine_thread.shutdown()


def _bind(server: grpc.aio.Server, settings: ServerSettings) -> int:
    try:
        return server.add_insecure_port(f"{settings.host}:{settings.port}")
    except RuntimeError as error:
        raise InputError(
            f"can't listen on {settings.host}:{settings.port}; is another server there?"
            " Choose another --port, or 0 for a free one"
        ) from error


def _load_and_warm(
    load: Callable[[ServerSettings], Synthesizer], settings: ServerSettings
) -> Synthesizer:
    synthesizer = load(settings)
    for _ in synthesizer.stream(synthesizer.read(SpeechRequest(WARM_UP_TEXT))):
        pass
    return synthesizer
