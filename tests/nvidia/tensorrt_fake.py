"""A fake of the module `tensorrt`: plans are JSON around the ONNX graph, onnxruntime computes them.

It keeps to what TensorRT promises, not to how fast: shapes have to be those of a profile, a profile
belongs to one context, tensors live at addresses on the device, work waits for its stream.
"""

from __future__ import annotations

import base64
import ctypes
import json
import types
from typing import Any

import numpy as np
import onnx
import onnxruntime
from cuda_fake import Device
from recorded_api import API, described, enumeration

SCRATCH = 4096  # bytes


class Faults:
    """What goes wrong, and what was asked of the builder."""

    def __init__(self) -> None:
        self.parser: list[tuple[str, str, str]] = []  # node, operator, description
        self.build: str | None = None
        self.no_driver = False
        self.refuse_timings = False
        self.deserialize: str | None = None
        self.run = True
        self.dtype: str | None = None
        self.settings: list[dict[str, Any]] = []


def tensorrt_module(device: Device, faults: Faults) -> types.ModuleType:
    """What `import tensorrt` gives on a machine with this device."""
    module = types.ModuleType("tensorrt")
    kinds: dict[str, type] = {}
    for name in API["tensorrt"]["enums"]:
        kinds[name] = enumeration(name)
        setattr(module, name, kinds[name])
    module.__version__ = API["tensorrt"]["version"]
    flags: Any = kinds["BuilderFlag"]
    modes: Any = kinds["TensorIOMode"]
    strategies: Any = kinds["ExecutionContextAllocationStrategy"]

    @described("ILogger", kinds)
    class ILogger:
        INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

        def __init__(self) -> None:
            pass

        def log(self, severity: Any, msg: str) -> None:
            raise NotImplementedError

    kinds["Severity"] = int

    @described("IHostMemory", kinds)
    class IHostMemory:
        def __bytes__(self) -> bytes:
            return self._content

    def host_memory(content: bytes) -> IHostMemory:
        memory = IHostMemory()
        memory._content = content
        return memory

    @described("ITimingCache", kinds)
    class ITimingCache:
        _content = b""

        def serialize(self) -> IHostMemory:
            return host_memory(self._content)

    @described("IOptimizationProfile", kinds)
    class IOptimizationProfile:
        def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:
            assert min == opt == max, "a bucket is one shape"
            self.__dict__.setdefault("_shapes", {})[input] = list(max)

    @described("INetworkDefinition", kinds)
    class INetworkDefinition:
        _model: bytes = b""

        @property
        def num_layers(self) -> int:
            return len(onnx.load_from_string(self._model).graph.node)

    @described("IBuilderConfig", kinds)
    class IBuilderConfig:
        def _start(self) -> IBuilderConfig:
            self._flags = {flags.TF32}
            self._pools: dict[Any, int] = {}
            self._profiles: list[Any] = []
            self._cache: Any = None
            return self

        def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None:
            self._pools[pool] = pool_size

        def set_flag(self, flag: Any) -> None:
            self._flags.add(flag)

        def clear_flag(self, flag: Any) -> None:
            self._flags.discard(flag)

        def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache:
            cache = ITimingCache()
            cache._content = bytes(serialized_timing_cache)
            return cache

        def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
            if faults.refuse_timings and cache._content:
                return False
            self._cache = cache
            return True

        def get_timing_cache(self) -> Any:
            return self._cache

        def add_optimization_profile(self, profile: Any) -> int:
            self._profiles.append(profile._shapes)
            return len(self._profiles) - 1

    @described("Builder", kinds)
    class Builder:
        def __init__(self, logger: Any) -> None:
            if faults.no_driver:
                raise TypeError("pybind11::init(): factory function returned nullptr")
            self._logger = logger

        def create_network(self, flags: int = 0) -> Any:
            return INetworkDefinition()

        def create_builder_config(self) -> Any:
            return IBuilderConfig()._start()

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
                "level": getattr(config, "builder_optimization_level", None),
                "hardware": getattr(config, "hardware_compatibility_level", None),
                "timings": config._cache._content,
                "profiles": config._profiles,
            }
            faults.settings.append(settings)
            config._cache._content += b"+"
            plan = {
                "model": base64.b64encode(network._model).decode(),
                "profiles": config._profiles,
                "host_code": flags.VERSION_COMPATIBLE in config._flags,
            }
            return host_memory(json.dumps(plan).encode())

    @described("ParserError", kinds)
    class ParserError:
        def _of(self, values: tuple[str, str, str]) -> ParserError:
            self._values = values
            return self

        def node_name(self) -> str:
            return self._values[0]

        def node_operator(self) -> str:
            return self._values[1]

        def desc(self) -> str:
            return self._values[2]

        def code(self) -> Any:
            return module.ErrorCode.UNSUPPORTED_NODE

    @described("OnnxParser", kinds)
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
            return ParserError()._of(faults.parser[index])

    @described("IExecutionContext", kinds)
    class IExecutionContext:
        def _of(self, engine: Any, strategy: Any) -> IExecutionContext:
            self._engine, self._strategy = engine, strategy
            self._profile: int | None = None
            self._shapes: dict[str, list[int]] = {}
            self._addresses: dict[str, int] = {}
            self._scratch = 0
            return self

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
            if not faults.run:
                return False
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

    @described("ICudaEngine", kinds)
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

        def get_tensor_mode(self, name: str) -> Any:
            return modes.INPUT if name in self._inputs else modes.OUTPUT

        def get_tensor_dtype(self, name: str) -> Any:
            return module.DataType.FLOAT if faults.dtype is None else module.DataType[faults.dtype]

        def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[Any]:
            return 3 * [tuple(self._plan["profiles"][profile_index][name])]

        def create_execution_context(self, strategy: Any = strategies.STATIC) -> Any:
            return IExecutionContext()._of(self, strategy)

    @described("Runtime", kinds)
    class Runtime:
        def __init__(self, logger: Any) -> None:
            self._logger = logger
            self.engine_host_code_allowed = False

        def deserialize_cuda_engine(self, serialized_engine: Any) -> Any:
            if faults.deserialize is not None:
                self._logger.log(ILogger.ERROR, faults.deserialize)
                return None
            try:
                plan = json.loads(bytes(serialized_engine))
            except ValueError:
                self._logger.log(ILogger.ERROR, "magic tag does not match")
                return None
            if plan["host_code"] and not self.engine_host_code_allowed:
                self._logger.log(ILogger.ERROR, "host code is not allowed")
                return None
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
