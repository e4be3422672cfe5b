"""Fakes of `tensorrt` and of the CUDA run-time that can't be called otherwise than the real ones.

Device: real memory, and streams that do nothing before they are waited for, so that a forgotten
wait shows; copies check that both ends are in live memory of the right side; a capture records,
and its launch replays. TensorRT: plans are JSON around the ONNX graph, which onnxruntime computes;
shapes have to be those of a profile, a profile belongs to one context, tensors live at addresses
on the device.

`api.json` holds what the real packages of the newest and the oldest TensorRT have in common
(stubs/describe.py, compared in test_api.py). A method of a fake that a real class does not have
can't be defined, a call with another number or type of arguments fails, and so does a property that
is not there. Values of enumerations differ between them, and are neither's here.
"""

from __future__ import annotations

import base64
import ctypes
import enum
import functools
import inspect
import json
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from dlpo.nvidia import TENSORRT

Api = dict[str, Any]
API: Api = json.loads((Path(__file__).parent / "api.json").read_text())
Work = Callable[[], None]
SCRATCH = 4096  # bytes


def _described(name: str, types: dict[str, type]) -> Callable[[type], type]:
    """Decorate a fake class of TensorRT with the checks of the real class `name`."""
    known = API["tensorrt"]["classes"][name]

    def decorate(cls: type) -> type:
        for member, value in list(vars(cls).items()):
            if isinstance(value, property):
                assert member in known["properties"], f"{name} has no property {member}"
            elif callable(value) and (member == "__init__" or not member.startswith("_")):
                assert member in known["methods"], f"{name} has no method {member}"
                checked = _checked(f"{name}.{member}", value, known["methods"][member], types)
                setattr(cls, member, checked)

        def set_attribute(self: object, attribute: str, value: object) -> None:
            ours = attribute.startswith("_") or type(self) is not cls
            assert ours or attribute in known["properties"], f"{name} has no property {attribute}"
            object.__setattr__(self, attribute, value)

        cls.__setattr__ = set_attribute
        types[name] = cls
        return cls

    return decorate


def _checked(
    label: str, method: Callable[..., Any], overloads: list[Any], types: dict[str, type]
) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: object, *arguments: object, **named: object) -> Any:
        fits = (_fits(parameters, arguments, named, types) for parameters in overloads)
        assert any(fits), f"{label}{arguments}, {named}: expected one of {overloads}"
        return method(self, *arguments, **named)

    return call


def _fits(
    parameters: list[tuple[str, str, bool]], arguments: Any, named: Any, types: dict[str, type]
) -> bool:
    """Whether these arguments are those of an overload: (name, type, has a default)."""
    P = inspect.Parameter
    known = [
        P(name, P.POSITIONAL_OR_KEYWORD, default=None if has_default else P.empty)
        for name, _, has_default in parameters
    ]
    try:
        given = inspect.Signature(known).bind(*arguments, **named)
    except TypeError:
        return False
    kinds = {name: kind for name, kind, _ in parameters}
    return all(_is(value, kinds[name], types) for name, value in given.arguments.items())


def _is(value: object, kind: str, types: dict[str, type]) -> bool:
    if kind in types:
        return isinstance(value, types[kind])
    match kind:
        case "int":
            return hasattr(value, "__int__")
        case "buffer":
            return isinstance(value, bytes | bytearray | memoryview)
        case "Dims":
            return isinstance(value, tuple | list) and all(type(n) is int for n in value)
        case "str" | "bool" | "tuple" | "list":
            return type(value).__name__ == kind
    return False


def enumeration(part: str, name: str) -> Any:
    """An enumeration with the real names."""
    return enum.IntEnum(name, API[part]["enums"][name], start=0)


def function(name: str, implementation: Callable[..., tuple[Any, ...]]) -> Callable[..., Any]:
    """A function of the CUDA run-time with the real number of arguments and results."""
    known = API["cuda"]["functions"][name]

    def call(*arguments: object) -> tuple[Any, ...]:
        assert len(arguments) == len(known["parameters"]), f"{name}{arguments}: {known}"
        results = implementation(*arguments)
        assert len(results) == known["returns"], f"{name} returns {known['returns']} values"
        return results

    call.__name__ = name
    return call


Error: Any = enumeration("cuda", "cudaError_t")
Kind: Any = enumeration("cuda", "cudaMemcpyKind")
CaptureMode: Any = enumeration("cuda", "cudaStreamCaptureMode")
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
        self.name = b"NVIDIA H200"
        self.capability = (9, 0)
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


def made(cls: type, **state: object) -> Any:
    """An object that has no constructor of its own, as most of TensorRT's."""
    one = cls()
    one.__dict__.update(state)
    return one


class Faults:
    """What goes wrong, and what was asked of the builder."""

    def __init__(self) -> None:
        self.parser: list[tuple[str, str, str]] = []  # node, operator, description
        self.build: str | None = None
        self.settings: list[dict[str, Any]] = []


def tensorrt_module(device: Device, faults: Faults) -> types.ModuleType:
    """What `import tensorrt` gives on a machine with this device."""
    module = types.ModuleType("tensorrt")
    kinds: dict[str, type] = {}
    for name in API["tensorrt"]["enums"]:
        kinds[name] = enumeration("tensorrt", name)
        setattr(module, name, kinds[name])
    module.__version__ = TENSORRT
    flags: Any = kinds["BuilderFlag"]
    strategies: Any = kinds["ExecutionContextAllocationStrategy"]

    @_described("ILogger", kinds)
    class ILogger:
        INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

        def __init__(self) -> None:
            pass

        def log(self, severity: Any, msg: str) -> None:
            raise NotImplementedError

    kinds["Severity"] = int

    @_described("IHostMemory", kinds)
    class IHostMemory:
        def __bytes__(self) -> bytes:
            return self._content

    @_described("ITimingCache", kinds)
    class ITimingCache:
        def serialize(self) -> IHostMemory:
            return made(IHostMemory, _content=self._content)

    @_described("IOptimizationProfile", kinds)
    class IOptimizationProfile:
        def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:
            assert min == opt == max, "a bucket is one shape"
            self.__dict__.setdefault("_shapes", {})[input] = list(max)

    @_described("INetworkDefinition", kinds)
    class INetworkDefinition:
        @property
        def num_layers(self) -> int:
            return len(onnx.load_from_string(self._model).graph.node)

    @_described("IBuilderConfig", kinds)
    class IBuilderConfig:
        def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None:
            self._pools[pool] = pool_size

        def clear_flag(self, flag: Any) -> None:
            self._flags.discard(flag)

        def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache:
            return made(ITimingCache, _content=bytes(serialized_timing_cache))

        def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
            self._cache = cache
            return True

        def get_timing_cache(self) -> Any:
            return self._cache

        def add_optimization_profile(self, profile: Any) -> int:
            self._profiles.append(profile._shapes)
            return len(self._profiles) - 1

    @_described("Builder", kinds)
    class Builder:
        def __init__(self, logger: Any) -> None:
            self._logger = logger

        def create_network(self, flags: int = 0) -> Any:
            typed: Any = kinds["NetworkDefinitionCreationFlag"]
            assert flags == 1 << typed.STRONGLY_TYPED, "10.x would choose types by itself"
            return INetworkDefinition()

        def create_builder_config(self) -> Any:
            return made(IBuilderConfig, _flags={flags.TF32}, _pools={}, _profiles=[], _cache=None)

        def create_optimization_profile(self) -> Any:
            return IOptimizationProfile()

        def build_serialized_network(self, network: Any, config: Any) -> Any:
            if faults.build is not None:
                self._logger.log(ILogger.WARNING, "a warning that nobody needs")
                self._logger.log(ILogger.ERROR, faults.build)
                return None
            settings = {
                "flags": sorted(flag.name for flag in config._flags),
                "pools": {pool.name: size for pool, size in config._pools.items()},
                "timings": config._cache._content,
                "profiles": config._profiles,
            }
            faults.settings.append(settings)
            config._cache._content += b"+"
            plan = {
                "model": base64.b64encode(network._model).decode(),
                "profiles": config._profiles,
            }
            return made(IHostMemory, _content=json.dumps(plan).encode())

    @_described("ParserError", kinds)
    class ParserError:
        def node_name(self) -> str:
            return self._node

        def node_operator(self) -> str:
            return self._operator

        def desc(self) -> str:
            return self._text

        def code(self) -> Any:
            return module.ErrorCode.UNSUPPORTED_NODE

    @_described("OnnxParser", kinds)
    class OnnxParser:
        def __init__(self, network: Any, logger: Any) -> None:
            self._network = network

        def parse(self, model: Any, path: str | None = None) -> bool:
            onnx.checker.check_model(onnx.load_from_string(bytes(model)))
            self._network._model = bytes(model)
            return not faults.parser

        @property
        def num_errors(self) -> int:
            return len(faults.parser)

        def get_error(self, index: int) -> Any:
            node, operator, text = faults.parser[index]
            return made(ParserError, _node=node, _operator=operator, _text=text)

    @_described("IExecutionContext", kinds)
    class IExecutionContext:
        def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
            assert int(stream_handle) in device.streams
            if profile_index in self._engine._taken:
                return False
            self._engine._taken.add(profile_index)
            self._profile = profile_index
            return True

        def set_input_shape(self, name: str, shape: Any) -> bool:
            assert self._profile is not None
            self._shapes[name] = list(shape)
            expected: list[int] = self._engine._plan["profiles"][self._profile][name]
            return list(shape) == expected

        def set_tensor_address(self, name: str, memory: int) -> bool:
            self._addresses[name] = memory
            return True

        def set_device_memory(self, memory: int, size: int) -> None:
            device.check(memory, size, "device")
            self._scratch = memory

        def infer_shapes(self) -> list[str]:
            return [name for name in self._engine._inputs if name not in self._shapes]

        def execute_async_v3(self, stream_handle: int) -> bool:
            assert self._scratch or self._strategy != strategies.USER_MANAGED

            device.streams[int(stream_handle)].put(self._compute)
            return True

        def _compute(self) -> None:
            feed = {name: self._array(name, shape) for name, shape in self._shapes.items()}
            (waveform,) = self._engine._session.run(None, feed)
            self._array("waveform", list(waveform.shape))[:] = waveform

        def _array(self, name: str, shape: list[int]) -> Any:
            count = int(np.prod(shape))
            address = self._addresses[name]
            device.check(address, 4 * count, "device")
            flat = np.ctypeslib.as_array((ctypes.c_float * count).from_address(address))
            return flat.reshape(shape)

    @_described("ICudaEngine", kinds)
    class ICudaEngine:
        def _of(self, plan: dict[str, Any]) -> ICudaEngine:
            self._plan = plan
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            self._session = onnxruntime.InferenceSession(
                base64.b64decode(plan["model"]), options, providers=["CPUExecutionProvider"]
            )
            self._inputs = [tensor.name for tensor in self._session.get_inputs()]
            self._taken: set[int] = set()
            return self

        @property
        def num_io_tensors(self) -> int:
            return len(self._inputs) + 1

        @property
        def num_optimization_profiles(self) -> int:
            return len(self._plan["profiles"])

        @property
        def device_memory_size_v2(self) -> int:
            return SCRATCH

        def get_tensor_name(self, index: int) -> str:
            return [*self._inputs, "waveform"][index]

        def get_tensor_dtype(self, name: str) -> Any:
            return module.DataType.FLOAT

        def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[Any]:
            return 3 * [tuple(self._plan["profiles"][profile_index][name])]

        def create_execution_context(self, strategy: Any = strategies.STATIC) -> Any:
            state = {"_profile": None, "_shapes": {}, "_addresses": {}, "_scratch": 0}
            return made(IExecutionContext, _engine=self, _strategy=strategy, **state)

    @_described("Runtime", kinds)
    class Runtime:
        def __init__(self, logger: Any) -> None:
            self._logger = logger

        def deserialize_cuda_engine(self, serialized_engine: Any) -> Any:
            plan = json.loads(bytes(serialized_engine))
            return ICudaEngine()._of(plan)

    for name in API["tensorrt"]["classes"]:
        setattr(module, name, kinds[name])
    return module


class FakeNvidia:
    """The device and what goes wrong on it; the modules are those that the product imports."""

    def __init__(self) -> None:
        self.device = Device()
        self.faults = Faults()
        self.cuda = self.device.module()
        self.tensorrt = tensorrt_module(self.device, self.faults)

    @property
    def modules(self) -> dict[str, types.ModuleType]:
        return {"tensorrt": self.tensorrt, "cuda.bindings.runtime": self.cuda}
