"""A server with the fake engine in a thread of the test process, its client stub, certificates."""

from __future__ import annotations

import asyncio
import datetime
import inspect
import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dlpo.bundle import Bundle
from dlpo.nvidia import Gpu
from dlpo.v1 import speech_pb2_grpc
from dlpo_serving.engine import Floats
from dlpo_serving.engines import cuda_engine
from dlpo_serving.engines.cuda_engine import CudaEngine
from dlpo_serving.engines.cuda_machine import CudaDevice
from dlpo_serving.engines.onnx_engine import CPU
from dlpo_serving.protocols.endpoints import Endpoints
from dlpo_serving.server import run_server
from dlpo_serving.settings.server_settings import ServerSettings
from dlpo_serving.voices.synthesizer import Synthesizer
from tests.callers import WAIT_S, fake_voice
from tests.fake_engine import FakeEngine

if TYPE_CHECKING:
    from onnxruntime import OrtValue

DAY = datetime.timedelta(days=1)
CONNECTIONS = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
SIGNS = x509.KeyUsage(True, *[False] * 8)


class Clock:
    """Seconds that pass when a test says so."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class CpuDevice(CudaDevice):
    """The CPU in the place of a GPU: what comes to it is copied all the same."""

    name = "cpu"

    def __init__(self) -> None:
        pass  # there is no CUDA to load

    def pin(self, array: Floats) -> None:
        pass

    def send(self, array: Floats, value: OrtValue) -> None:
        value.update_inplace(array)

    def fetch(self, value: OrtValue, array: Floats) -> None:
        array[...] = value.numpy()


class CudaEngineOnCpu(CudaEngine):
    """The CUDA engine, its buckets and its bindings on onnxruntime's CPU provider."""

    _providers = ((CPU, {}),)


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
            assert self.permits.acquire(timeout=WAIT_S)
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
    wyoming_address: str | None

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.stop_event.set)


StartServer = Callable[..., RunningServer]


@contextmanager
def running_server(
    synthesizer: Synthesizer | None = None,
    *,
    max_streams: int = 4,
    grace_s: float = 20.0,
    **further: Any,
) -> Iterator[RunningServer]:
    """A server that speaks with `synthesizer` or a fake voice, SERVING when the block begins.

    `further` settings are those of `ServerSettings`.
    """
    started: Future[tuple[Endpoints, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run() -> None:
        stop = asyncio.Event()

        def announce(endpoints: Endpoints, voice: str) -> None:
            started.set_result((endpoints, asyncio.get_running_loop(), stop))

        settings = ServerSettings(
            port=0, max_streams=max_streams, max_characters=2000, grace_s=grace_s, **further
        )
        voices = [synthesizer or fake_voice()]
        await run_server(settings, stop, announce, load=lambda settings: voices)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    endpoints, loop, stop = started.result(WAIT_S)
    address = endpoints.grpc_address
    with grpc.insecure_channel(address) as channel:
        stub = speech_pb2_grpc.SpeechServiceStub(channel)
        urls = endpoints.http_url, endpoints.wyoming_address
        server = RunningServer(address, channel, stub, loop, stop, thread, *urls)
        try:
            yield server
        finally:
            if not loop.is_closed():
                server.stop()
            thread.join(WAIT_S)
            assert not thread.is_alive()


@pytest.fixture(scope="session")
def cuda_engine_on_cpu() -> Callable[..., CudaEngineOnCpu]:
    """`cuda_engine_on_cpu(bundle, buckets=...)`, as on a machine that has a GPU."""

    def load(bundle: Bundle, *arguments: Any, **named: Any) -> CudaEngineOnCpu:
        with pytest.MonkeyPatch.context() as patch:
            gpu = Gpu("no GPU", "0.0", 0, "0.0")
            patch.setattr(cuda_engine, "check_cuda", lambda: gpu)
            patch.setattr(cuda_engine, "CudaDevice", CpuDevice)
            return CudaEngineOnCpu(bundle, *arguments, **named)

    return load


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A test that is a coroutine runs in an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), WAIT_S))
    return True


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def synthesizer() -> Synthesizer:
    return fake_voice()


@pytest.fixture
def gated_engine() -> Iterator[GatedEngine]:
    engine = GatedEngine()
    yield engine
    engine.free()


@pytest.fixture
def gated_server(gated_engine: GatedEngine, start_server: StartServer) -> StartServer:
    """`gated_server(max_streams=...)`: from then on its engine waits for `gated_engine`."""

    def start(**settings: Any) -> RunningServer:
        gated_engine.open.set()
        server = start_server(fake_voice(gated_engine), **settings)
        gated_engine.open.clear()
        return server

    return start


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """`start_server(max_streams=..., grace_s=...)`; it ends with the test."""
    with ExitStack() as stack:
        yield lambda *args, **kwargs: stack.enter_context(running_server(*args, **kwargs))


@pytest.fixture
def server(start_server: StartServer) -> RunningServer:
    return start_server()


@dataclass(frozen=True)
class Issued:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path
    serial: int


class Authority:
    """Signs certificates for localhost and 127.0.0.1."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.path = folder / f"{name}.pem"
        self._certify(self.path, name, self._key, x509.BasicConstraints(ca=True, path_length=None))

    def _certify(
        self,
        path: Path,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        *extensions: x509.ExtensionType,
        begin: datetime.timedelta = -DAY,
        end: datetime.timedelta = DAY,
    ) -> int:
        """Write a certificate; its serial number."""
        now = datetime.datetime.now(datetime.UTC)
        names = [
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (name, self._name)
        ]
        serial = x509.random_serial_number()
        unsigned = x509.CertificateBuilder(
            names[1], names[0], key.public_key(), serial, now + begin, now + end
        )
        known = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        for extension in (known, *extensions):
            critical = isinstance(extension, x509.BasicConstraints | x509.KeyUsage)
            unsigned = unsigned.add_extension(extension, critical)
        certificate = unsigned.sign(self._key, hashes.SHA256())
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return serial

    def issue(
        self,
        name: str,
        begin: datetime.timedelta = -DAY,
        end: datetime.timedelta = DAY,
        uses: Sequence[x509.ObjectIdentifier] = CONNECTIONS,
    ) -> Issued:
        """A certificate that is valid from `begin` to `end`, counted from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        hosts = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        extensions = x509.SubjectAlternativeName(hosts), x509.ExtendedKeyUsage(uses), SIGNS
        certificate, path = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        serial = self._certify(certificate, name, key, *extensions, begin=begin, end=end)
        path.touch(0o600)
        pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        path.write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
        return Issued(certificate, path, serial)

    def credentials(self, client: Issued | None = None) -> grpc.ChannelCredentials:
        """Of a caller who trusts this authority alone and shows `client`'s certificate, if any."""
        return grpc.ssl_channel_credentials(
            self.path.read_bytes(),
            client and client.key.read_bytes(),
            client and client.certificate.read_bytes(),
        )

    def context(self, client: Issued | None = None) -> ssl.SSLContext:
        """The same of a caller over HTTP."""
        context = ssl.create_default_context(cafile=str(self.path))
        if client:
            context.load_cert_chain(client.certificate, client.key)
        return context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


@pytest.fixture
def stranger(tmp_path: Path) -> Authority:
    """An authority that nobody trusts."""
    return Authority(tmp_path, "stranger")
