"""A server with the fake engine in a thread of the test process, and its client stub."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from dlpo.bundle import Bundle
from dlpo.nvidia import Gpu
from dlpo.text import TextFrontEnd
from dlpo.v1 import speech_pb2_grpc
from dlpo_serving.endpoints import Endpoints
from dlpo_serving.engine import Floats
from dlpo_serving.engines import cuda_engine
from dlpo_serving.engines.cuda_engine import CudaEngine
from dlpo_serving.engines.fake_engine import FakeEngine
from dlpo_serving.engines.onnx_session import CPU, Provider
from dlpo_serving.server import run_server
from dlpo_serving.settings.server_settings import ServerSettings
from dlpo_serving.synthesizer import Synthesizer

if TYPE_CHECKING:
    from onnxruntime import OrtValue

TIMEOUT_S = 20.0  # of a wait that must end; no test takes this long


class CpuDevice:
    """The CPU in the place of a GPU: what comes to it is copied all the same."""

    name = "cpu"

    def __init__(self) -> None:
        self.pinned: list[Floats] = []

    def pin(self, array: Floats) -> None:
        self.pinned.append(array)

    def send(self, array: Floats, value: OrtValue) -> None:
        value.update_inplace(array)

    def fetch(self, value: OrtValue, array: Floats) -> None:
        array[...] = value.numpy()


class CudaEngineOnCpu(CudaEngine):
    """The CUDA engine, its buckets and its bindings on onnxruntime's CPU provider."""

    def _open_device(self) -> CpuDevice:
        self.device = CpuDevice()
        return self.device

    def _providers(self) -> list[Provider]:
        return [(CPU, {})]


class GatedEngine(FakeEngine):
    """Denoises only when the test lets it, window by window."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()  # set: no gate at all
        self.permits = threading.Semaphore(0)
        self.waiting = threading.Semaphore(0)  # released when a window has come to the gate

    def denoise(self, steps: int, conditioning: Floats, source: Floats, noise: Floats) -> Floats:
        if not self.open.is_set():
            self.waiting.release()
            assert self.permits.acquire(timeout=TIMEOUT_S)
        return super().denoise(steps, conditioning, source, noise)

    def free(self) -> None:
        """Open the gate for good."""
        self.open.set()
        self.permits.release(1000)


@dataclass
class RunningServer:
    address: str
    channel: grpc.Channel
    stub: speech_pb2_grpc.SpeechServiceStub
    loop: asyncio.AbstractEventLoop
    stop_event: asyncio.Event
    thread: threading.Thread
    http_url: str | None

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.stop_event.set)


@contextmanager
def running_server(
    synthesizer: Synthesizer,
    *,
    max_streams: int = 4,
    grace_s: float = TIMEOUT_S,
    **further: Any,
) -> Iterator[RunningServer]:
    """A server that speaks with `synthesizer`, SERVING when the block begins.

    `further` settings are those of `ServerSettings`.
    """
    started: Future[tuple[Endpoints, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run() -> None:
        stop = asyncio.Event()

        def announce(doors: Endpoints, voice: str) -> None:
            started.set_result((doors, asyncio.get_running_loop(), stop))

        settings = ServerSettings(
            port=0, max_streams=max_streams, max_characters=2000, grace_s=grace_s, **further
        )
        await run_server(settings, stop, announce, load=lambda settings: [synthesizer])

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    doors, loop, stop = started.result(TIMEOUT_S)
    address = doors.grpc_address
    with grpc.insecure_channel(address) as channel:
        stub = speech_pb2_grpc.SpeechServiceStub(channel)
        server = RunningServer(address, channel, stub, loop, stop, thread, doors.http_url)
        try:
            yield server
        finally:
            if not loop.is_closed():
                server.stop()
            thread.join(TIMEOUT_S)
            assert not thread.is_alive()


@pytest.fixture(scope="session")
def cuda_engine_on_cpu() -> Callable[..., CudaEngineOnCpu]:
    """`cuda_engine_on_cpu(bundle, buckets=...)`, as on a machine that has a GPU."""

    def load(bundle: Bundle, *arguments: Any, **named: Any) -> CudaEngineOnCpu:
        with pytest.MonkeyPatch.context() as patch:
            gpu = Gpu(0, "no GPU", "0.0", 0, "0.0")
            patch.setattr(cuda_engine, "check_cuda", lambda provider: gpu)
            return CudaEngineOnCpu(bundle, *arguments, **named)

    return load


@pytest.fixture(scope="session")
def front_end() -> TextFrontEnd:
    return TextFrontEnd()


@pytest.fixture
def synthesizer(front_end: TextFrontEnd) -> Synthesizer:
    return Synthesizer(FakeEngine(), front_end)


@pytest.fixture
def gated_engine() -> Iterator[GatedEngine]:
    engine = GatedEngine()
    yield engine
    engine.free()


@pytest.fixture
def start_server() -> Iterator[Callable[..., RunningServer]]:
    """`start_server(synthesizer, max_streams=..., grace_s=...)`; it ends with the test."""
    with ExitStack() as stack:
        yield lambda *args, **kwargs: stack.enter_context(running_server(*args, **kwargs))


@pytest.fixture
def server(synthesizer: Synthesizer, start_server: Callable[..., RunningServer]) -> RunningServer:
    return start_server(synthesizer)
