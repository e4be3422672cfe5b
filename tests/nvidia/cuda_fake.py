"""A simulated CUDA device: real memory, streams that do nothing before they are waited for.

What is put on a stream is done at its synchronisation, so that a forgotten one shows; copies check
that both ends are in live memory of the right side; a capture records, and its launch replays.
"""

from __future__ import annotations

import ctypes
import types
from collections.abc import Callable
from typing import Any

from recorded_api import API, enumeration, function

Work = Callable[[], None]
Error: Any = enumeration("cudaError_t", "cuda")
Kind: Any = enumeration("cudaMemcpyKind", "cuda")
CaptureMode: Any = enumeration("cudaStreamCaptureMode", "cuda")
OK = (Error.cudaSuccess,)


class Stream:
    def __init__(self) -> None:
        self.pending: list[Work] = []
        self.captured: list[Work] | None = None

    def __int__(self) -> int:
        return id(self)

    def put(self, work: Work) -> None:
        (self.pending if self.captured is None else self.captured).append(work)


class Device:
    """The state behind the fake module `cuda.bindings.runtime`."""

    def __init__(self) -> None:
        self.name, self.capability = b"NVIDIA H200", (9, 0)
        self.driver = 13000
        self.count = 1
        self.capacity = 64 << 20  # bytes
        self.memory: dict[int, tuple[Any, int, str]] = {}  # address -> buffer, size, side
        self.streams: dict[int, Stream] = {}
        self.graphs: list[object] = []
        self.launches = 0

    def allocate(self, size: int, side: str) -> tuple[Any, Any]:
        used = sum(size for _, size, where in self.memory.values() if where == side)
        if any(stream.captured is not None for stream in self.streams.values()):
            return Error.cudaErrorStreamCaptureUnsupported, None
        if used + size > self.capacity:
            return Error.cudaErrorMemoryAllocation, None
        buffer = (ctypes.c_char * size)()
        ctypes.memset(buffer, 0xFF, size)  # NaN, so that what nobody wrote shows
        self.memory[ctypes.addressof(buffer)] = (buffer, size, side)
        return Error.cudaSuccess, ctypes.addressof(buffer)

    def free(self, address: int, side: str) -> tuple[Any]:
        _, _, where = self.memory.pop(address)
        assert where == side
        return OK

    def check(self, address: int, size: int, side: str) -> None:
        assert any(
            start <= address and address + size <= start + length and where == side
            for start, (_, length, where) in self.memory.items()
        ), f"{size} bytes at {address:#x} are not in memory of the {side}"

    def copy(self, to: int, source: int, size: int, kind: Any, stream: Stream) -> tuple[Any]:
        sides = {
            Kind.cudaMemcpyHostToDevice: ("device", "host"),
            Kind.cudaMemcpyDeviceToHost: ("host", "device"),
        }[kind]

        def work() -> None:
            self.check(to, size, sides[0])
            self.check(source, size, sides[1])
            ctypes.memmove(to, source, size)

        stream.put(work)
        return OK

    def create_stream(self, flags: int) -> tuple[Any, Stream]:
        stream = Stream()
        self.streams[int(stream)] = stream
        return Error.cudaSuccess, stream

    def destroy_stream(self, stream: Stream) -> tuple[Any]:
        del self.streams[int(stream)]
        return OK

    def synchronize(self, stream: Stream) -> tuple[Any]:
        if stream.captured is not None:
            return (Error.cudaErrorStreamCaptureUnsupported,)
        pending, stream.pending = stream.pending, []
        for work in pending:
            work()
        return OK

    def begin_capture(self, stream: Stream, mode: Any) -> tuple[Any]:
        assert isinstance(mode, CaptureMode)
        stream.captured = []
        return OK

    def end_capture(self, stream: Stream) -> tuple[Any, Any]:
        captured, stream.captured = stream.captured, None
        assert captured is not None
        self.graphs.append(captured)
        return Error.cudaSuccess, captured

    def instantiate(self, graph: list[Work], flags: int) -> tuple[Any, Any]:
        executable = tuple(graph)
        self.graphs.append(executable)
        return Error.cudaSuccess, executable

    def launch(self, executable: tuple[Work, ...], stream: Stream) -> tuple[Any]:
        assert any(graph is executable for graph in self.graphs), "the graph was destroyed"
        self.launches += 1
        for work in executable:
            stream.put(work)
        return OK

    def forget(self, graph: object) -> tuple[Any]:
        self.graphs = [known for known in self.graphs if known is not graph]
        return OK

    def properties(self, index: int) -> tuple[Any, Any]:
        major, minor = self.capability
        values = {"name": self.name, "major": major, "minor": minor, "totalGlobalMem": 141 << 30}
        assert set(values) == set(API["cuda"]["structs"]["cudaDeviceProp"])
        return Error.cudaSuccess, types.SimpleNamespace(**values)

    def counted(self) -> tuple[Any, Any]:
        if not self.count:
            return Error.cudaErrorInsufficientDriver, None
        return Error.cudaSuccess, self.count

    def module(self) -> types.ModuleType:
        """What `import cuda.bindings.runtime` gives."""
        implementations: dict[str, Callable[..., tuple[Any, ...]]] = {
            "cudaGetDeviceCount": self.counted,
            "cudaGetDeviceProperties": self.properties,
            "cudaDriverGetVersion": lambda: (Error.cudaSuccess, self.driver),
            "cudaSetDevice": lambda index: OK,
            "cudaGetErrorString": lambda error: (Error.cudaSuccess, error.name.encode()),
            "cudaMalloc": lambda size: self.allocate(size, "device"),
            "cudaFree": lambda address: self.free(address, "device"),
            "cudaHostAlloc": lambda size, flags: self.allocate(size, "host"),
            "cudaFreeHost": lambda address: self.free(address, "host"),
            "cudaMemcpyAsync": self.copy,
            "cudaStreamCreateWithFlags": self.create_stream,
            "cudaStreamDestroy": self.destroy_stream,
            "cudaStreamSynchronize": self.synchronize,
            "cudaStreamBeginCapture": self.begin_capture,
            "cudaStreamEndCapture": self.end_capture,
            "cudaGraphInstantiate": self.instantiate,
            "cudaGraphLaunch": self.launch,
            "cudaGraphDestroy": self.forget,
            "cudaGraphExecDestroy": self.forget,
        }
        assert set(implementations) == set(API["cuda"]["functions"])
        module = types.ModuleType("cuda.bindings.runtime")
        for name, implementation in implementations.items():
            setattr(module, name, function(name, implementation))
        module.cudaError_t, module.cudaMemcpyKind = Error, Kind
        module.cudaStreamCaptureMode = CaptureMode
        for name, value in API["cuda"]["constants"].items():
            setattr(module, name, value)
        return module
