"""One TensorRT plan on the GPU: a context, buffers and a CUDA graph for every bucket.

All memory is allocated when a bucket is prepared: the same pinned host arrays and GPU buffers serve
every call, so that one captured CUDA graph contains the copies and the kernels, and a call is one
launch. The contexts share one scratch buffer, since only one runs at a time.
"""

from __future__ import annotations

import ctypes
import logging
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from dlpo.errors import EngineError
from dlpo.nvidia import call, collecting_logger
from dlpo_serving.engine import Floats
from dlpo_serving.engines.buckets import Bucket, Buckets, PaddedInputs

_log = logging.getLogger(__name__)
FLOAT_BYTES = 4
REBUILD = "build the plan on this machine: dlpo export BUNDLE --tensorrt --out NEW_BUNDLE"
OUTPUT = "waveform"


class PlanRunner:
    """Runs a denoiser in the buckets of its plan. Call it from one thread at a time."""

    def __init__(
        self,
        trt: ModuleType,
        cuda: ModuleType,
        plan: bytes,
        buckets: Buckets,
        shapes: Mapping[str, tuple[int | str, ...]],
        *,
        cuda_graphs: bool = True,
    ) -> None:
        """Load the plan and prepare every bucket.

        Args:
            buckets: those of the plan's profiles, in their order.
            shapes: of the inputs and the output `waveform` by name, as in the manifest.
            cuda_graphs: False launches kernel by kernel.

        Raises:
            EngineError: TensorRT rejects the plan, or the GPU runs out of memory.
        """
        self._cuda = cuda
        self._memory = ExitStack()
        self.close = weakref.finalize(self, self._memory.close)
        """Frees everything; later calls fail. Also called when the runner is garbage-collected."""
        started = time.perf_counter()
        self._call(cuda.cudaSetDevice, 0)
        self._stream = self._call(cuda.cudaStreamCreateWithFlags, cuda.cudaStreamNonBlocking)
        self._memory.callback(cuda.cudaStreamDestroy, self._stream)
        self._logger = collecting_logger(trt)
        self._engine = self._deserialize(trt, plan)
        self._check_tensors(trt, buckets, shapes)
        self._scratch = self._allocate(max(1, self._engine.device_memory_size_v2))
        self._buckets = {
            bucket: self._prepare(trt, index, bucket, shapes, cuda_graphs)
            for index, bucket in enumerate(buckets.all)
        }
        _log.info(
            "warm buckets=%d scratch_mb=%.1f seconds=%.2f",
            *(len(self._buckets), self._engine.device_memory_size_v2 / 1e6),
            time.perf_counter() - started,
        )

    def inputs(self, bucket: Bucket) -> PaddedInputs:
        """The pinned arrays that the next run of this bucket reads.

        Raises:
            EngineError: `close` has freed them.
        """
        self._check_open()
        return self._buckets[bucket].inputs

    def run(self, bucket: Bucket) -> Floats:
        """Denoise what was written to `inputs(bucket)`; the next run overwrites the result.

        Raises:
            EngineError: the GPU failed.
        """
        self._check_open()
        prepared = self._buckets[bucket]
        self._call(self._cuda.cudaSetDevice, 0)  # the calling thread may have changed
        prepared.launch()
        self._call(self._cuda.cudaStreamSynchronize, self._stream)
        return prepared.waveform

    def _check_open(self) -> None:
        if not self.close.alive:
            raise EngineError("this TensorRT engine was closed; open the voice again")

    def _deserialize(self, trt: ModuleType, plan: bytes) -> Any:
        try:
            runtime = trt.Runtime(self._logger)
        except TypeError as error:  # raised by the bindings for a null pointer
            raise self._failed("TensorRT can't start") from error
        engine = runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise self._failed("TensorRT refuses the plan")
        self._runtime = runtime  # must outlive the engine
        return engine

    def _check_tensors(
        self, trt: ModuleType, buckets: Buckets, shapes: Mapping[str, tuple[int | str, ...]]
    ) -> None:
        """Check that names, types and profiles match the manifest."""
        engine = self._engine
        if engine.num_optimization_profiles != len(buckets.all):
            raise EngineError(
                f"the plan has {engine.num_optimization_profiles} profiles, the manifest says"
                f" {len(buckets.all)}; {REBUILD}"
            )
        for name in self._names():
            if name not in shapes:
                raise EngineError(
                    f"the plan has a tensor {name!r}, expected {', '.join(shapes)}; {REBUILD}"
                )
            if (dtype := engine.get_tensor_dtype(name)) != trt.DataType.FLOAT:
                raise EngineError(f"{name} is {dtype.name} in the plan, expected FLOAT; {REBUILD}")
            if name == OUTPUT:
                continue
            for index, bucket in enumerate(buckets.all):
                _, _, largest = engine.get_tensor_profile_shape(name, index)
                expected = _shape(shapes[name], bucket)
                if tuple(largest) != expected:
                    raise EngineError(
                        f"profile {index} of {name} is {tuple(largest)}, the manifest says"
                        f" {expected}; {REBUILD}"
                    )

    def _names(self) -> list[str]:
        engine = self._engine
        return [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]

    def _prepare(
        self,
        trt: ModuleType,
        index: int,
        bucket: Bucket,
        shapes: Mapping[str, tuple[int | str, ...]],
        cuda_graphs: bool,
    ) -> _Prepared:
        """Allocate buffers and context of a bucket, run it once and capture it."""
        arrays = {name: self._pinned(_shape(shape, bucket)) for name, shape in shapes.items()}
        names = self._names()
        buffers = {name: self._allocate(arrays[name].nbytes) for name in names}
        strategy = trt.ExecutionContextAllocationStrategy.USER_MANAGED
        context = self._engine.create_execution_context(strategy)
        if context is None:
            raise self._failed("TensorRT has no memory for another context")
        stream = int(self._stream)
        self._expect(context.set_optimization_profile_async(index, stream), "profile", index)
        for name, address in buffers.items():
            if name != OUTPUT:
                self._expect(context.set_input_shape(name, arrays[name].shape), "shape", name)
            self._expect(context.set_tensor_address(name, address), "address", name)
        context.set_device_memory(self._scratch, self._engine.device_memory_size_v2)
        if missing := context.infer_shapes():
            raise self._failed(f"TensorRT lacks the shapes of {', '.join(missing)}")

        def enqueue() -> None:
            for name in names:
                if name != OUTPUT:
                    self._copy(buffers[name], arrays[name], to_gpu=True)
            if not context.execute_async_v3(stream):
                raise self._failed("TensorRT could not run")
            self._copy(buffers[OUTPUT], arrays[OUTPUT], to_gpu=False)

        enqueue()  # the first run may allocate, which a capture forbids
        self._call(self._cuda.cudaStreamSynchronize, self._stream)
        inputs = PaddedInputs(*(arrays[name] for name in PaddedInputs._fields))
        launch = self._capture(enqueue) if cuda_graphs else enqueue
        return _Prepared(inputs, arrays[OUTPUT], launch, context)

    def _capture(self, enqueue: Callable[[], None]) -> Callable[[], None]:
        """Capture what `enqueue` puts on the stream as one CUDA graph; return its launcher."""
        cuda = self._cuda
        # Lets other threads continue with their own calls meanwhile.
        mode = cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._call(cuda.cudaStreamBeginCapture, self._stream, mode)
        try:
            enqueue()
        except BaseException:
            cuda.cudaStreamEndCapture(self._stream)
            raise
        graph = self._call(cuda.cudaStreamEndCapture, self._stream)
        executable = self._call(cuda.cudaGraphInstantiate, graph, 0)
        self._memory.callback(cuda.cudaGraphExecDestroy, executable)
        self._call(cuda.cudaGraphDestroy, graph)
        return lambda: self._call(cuda.cudaGraphLaunch, executable, self._stream)

    def _pinned(self, shape: tuple[int, ...]) -> Floats:
        """A float32 array of zeros in page-locked memory."""
        cuda = self._cuda
        count = int(np.prod(shape))
        address = self._call(cuda.cudaHostAlloc, count * FLOAT_BYTES, cuda.cudaHostAllocDefault)
        self._memory.callback(cuda.cudaFreeHost, address)
        array: Floats = np.ctypeslib.as_array((ctypes.c_float * count).from_address(address))
        array[:] = 0
        return array.reshape(shape)

    def _allocate(self, size: int) -> int:
        address: int = self._call(self._cuda.cudaMalloc, size)
        self._memory.callback(self._cuda.cudaFree, address)
        return address

    def _copy(self, buffer: int, array: Floats, *, to_gpu: bool) -> None:
        kinds = self._cuda.cudaMemcpyKind
        kind = kinds.cudaMemcpyHostToDevice if to_gpu else kinds.cudaMemcpyDeviceToHost
        ends = (buffer, array.ctypes.data) if to_gpu else (array.ctypes.data, buffer)
        self._call(self._cuda.cudaMemcpyAsync, *ends, array.nbytes, kind, self._stream)

    def _call(self, function: Callable[..., tuple[Any, ...]], *arguments: object) -> Any:
        return call(self._cuda, function, *arguments)

    def _expect(self, done: bool, what: str, of: object) -> None:
        if not done:
            raise self._failed(f"TensorRT refuses the {what} of {of}")

    def _failed(self, what: str) -> EngineError:
        said = "; ".join(self._logger.messages[-3:]) or "it said nothing"
        return EngineError(f"{what} ({said}); {REBUILD}")


class _Prepared(NamedTuple):
    """Everything that one bucket needs."""

    inputs: PaddedInputs
    waveform: Floats
    launch: Callable[[], None]
    context: object  # the captured graph points into it


def _shape(shape: tuple[int | str, ...], bucket: Bucket) -> tuple[int, ...]:
    lengths = {"B": bucket.batch, "F": bucket.frames}
    return tuple(lengths[n] if isinstance(n, str) else n for n in shape)
