"""Kernels that peaks are measured with: products and convolutions of each library, and memory.

A peak is what the best of them reaches, so a slow or absent library only leaves the others.

Reference: McCalpin, Memory Bandwidth and Machine Balance in Current High Performance Computers,
1995, for the memory kernels copy and triad.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from dlpo.errors import EngineError, InputError
from dlpo_bench.interleave import Spread

Kind = Literal["fp32", "tf32", "bf16", "fp16", "int8", "memory", "cache"]
"""Number format that is multiplied in, or the memory that is read and written."""

PRODUCTS = (256, 512, 1024)  # rows and columns; a larger one leaves the caches
CONVOLUTIONS = ((128, 1024), (256, 256), (512, 512))  # channels, positions; kernel 3, as lite's
KERNEL = 3
GIGA = 1e9


@dataclass(frozen=True, slots=True, eq=False)
class Kernel:
    """One thing to be timed."""

    name: str
    """library, operation, size"""
    kind: Kind
    work: float
    """1e9 operations (a multiplication and an addition are two), or 1e9 bytes"""
    run: Callable[[], object]


@dataclass(slots=True)
class Kernels:
    """All that run here."""

    present: list[Kernel] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """library or kernel -> why it is not measured"""

    def add(self, library: str, make: Callable[[], Iterable[Kernel]]) -> None:
        """Add a library's kernels, up to the first that fails, whose reason is kept."""
        try:
            for kernel in make():
                kernel.run()
                self.present.append(kernel)
        except ImportError as error:
            self.skipped[library] = f"{error.name or error} is not installed"
        except Exception as error:  # each library has its own classes
            self.skipped[library] = f"{type(error).__name__}: {str(error)[:200]}"


@dataclass(frozen=True, slots=True)
class Peak:
    """The most that was reached."""

    kind: Kind
    by: str
    """name of the kernel"""
    rate: float
    """1e9 operations or bytes a second, of its quickest run"""
    median_rate: float
    """of its median run"""
    samples_ms: tuple[float, ...]
    work: float


def peaks(kernels: Iterable[Kernel], times: Mapping[str, Spread]) -> dict[Kind, Peak]:
    """The best kernel of each kind.

    Raises:
        EngineError: there is none.
    """
    found: dict[Kind, Peak] = {}
    for kernel in kernels:
        spread = times[kernel.name]
        rate = kernel.work / spread.least_ms * 1e3
        if kernel.kind not in found or rate > found[kernel.kind].rate:
            median_rate = kernel.work / spread.median_ms * 1e3
            found[kernel.kind] = Peak(
                kernel.kind, kernel.name, rate, median_rate, spread.samples_ms, kernel.work
            )
    if not found:
        raise EngineError("no library could multiply here; see why each was skipped")
    return found


GPU_PRODUCT = 8192  # rows and columns: a launch is nothing beside it
GPU_BYTES = 2**30
_FORMATS: dict[Kind, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}
_GPU_FORMATS: dict[Kind, torch.dtype] = {
    "fp32": torch.float32,
    "tf32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}


def torch_kernels() -> Iterator[Kernel]:
    """Products on the CPU."""
    for kind, dtype in _FORMATS.items():
        for size in PRODUCTS:
            a = torch.randn(size, size, generator=torch.Generator().manual_seed(0)).to(dtype)
            out = torch.empty_like(a)
            yield Kernel(
                f"torch {kind} product {size}",
                kind,
                2 * size**3 / GIGA,
                lambda a=a, out=out: torch.mm(a, a, out=out),  # type: ignore[misc]
            )


def why_no_gpu() -> str | None:
    """What keeps a GPU from being measured; None where there is one."""
    if torch.cuda.is_available():
        return None
    if torch.version.cuda is None:
        return f"PyTorch {torch.__version__} is built for the CPU alone"
    return "PyTorch finds no CUDA GPU"


def gpu_kernels() -> Iterator[Kernel]:
    """Products on the first GPU, and a copy of its memory."""
    for kind, dtype in _GPU_FORMATS.items():
        a = torch.randn(GPU_PRODUCT, GPU_PRODUCT, device="cuda").to(dtype)
        out = torch.empty_like(a)
        precision = "high" if kind == "tf32" else "highest"
        run = _synchronised(lambda a=a, out=out: torch.mm(a, a, out=out), precision)  # type: ignore[misc]
        yield Kernel(f"torch {kind} product {GPU_PRODUCT}", kind, 2 * GPU_PRODUCT**3 / GIGA, run)
    bytes_ = torch.randint(-128, 127, (GPU_PRODUCT, GPU_PRODUCT), device="cuda", dtype=torch.int8)
    run = _synchronised(lambda: torch._int_mm(bytes_, bytes_.t()), "highest")
    yield Kernel(f"torch int8 product {GPU_PRODUCT}", "int8", 2 * GPU_PRODUCT**3 / GIGA, run)
    source = torch.zeros(GPU_BYTES, device="cuda", dtype=torch.uint8)
    target = torch.empty_like(source)
    run = _synchronised(lambda: target.copy_(source), "highest")
    yield Kernel("torch copy", "memory", 2 * GPU_BYTES / GIGA, run)


def _synchronised(run: Callable[[], object], precision: str) -> Callable[[], None]:
    def timed() -> None:
        torch.set_float32_matmul_precision(precision)
        run()
        torch.cuda.synchronize()

    return timed


OPSET, IR_VERSION = 17, 9
# Activations are u8, weights s8, as in our int8 graphs.
_SCALES = {"scale": np.float32(0.01), "zero": np.uint8(128), "weight_zero": np.int8(0)}
_QUANTISED = ["x", "scale", "zero", "w", "scale", "weight_zero", "scale", "zero"]


def onnx_kernels() -> Iterator[Kernel]:
    """onnxruntime: fp32 and int8, products and convolutions of kernel 3."""
    from onnx import helper

    random = np.random.default_rng(0)
    for size in PRODUCTS:
        x, w = random.standard_normal((2, size, size), np.float32)
        work = 2 * size**3 / GIGA
        product = helper.make_node("MatMul", ["x", "w"], ["y"])
        yield _onnx_kernel(
            f"onnxruntime fp32 product {size}", work, product, x, {"w": w}, "float32"
        )
        x8, w8 = _bytes(random, x.shape, w.shape)
        integer = helper.make_node("MatMulInteger", ["x", "w", "zero"], ["y"])
        weights = {"w": w8, "zero": _SCALES["zero"]}
        name = f"onnxruntime int8 MatMulInteger {size}"
        yield _onnx_kernel(name, work, integer, x8, weights, "int32")
        quantised = helper.make_node("QLinearMatMul", _QUANTISED, ["y"])
        name = f"onnxruntime int8 QLinearMatMul {size}"
        yield _onnx_kernel(name, work, quantised, x8, {"w": w8, **_SCALES}, "uint8")
    for channels, positions in CONVOLUTIONS:
        work = 2 * KERNEL * channels**2 * positions / GIGA
        words = f"convolution {channels}x{positions}"
        plain = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1])
        x = random.standard_normal((1, channels, positions), np.float32)
        w = random.standard_normal((channels, channels, KERNEL), np.float32)
        yield _onnx_kernel(f"onnxruntime fp32 {words}", work, plain, x, {"w": w}, "float32")
        x8, w8 = _bytes(random, x.shape, w.shape)
        weights = {"w": w8, "b": np.zeros(channels, np.int32), **_SCALES}
        node = helper.make_node("QLinearConv", [*_QUANTISED, "b"], ["y"], pads=[1, 1])
        yield _onnx_kernel(f"onnxruntime int8 {words}", work, node, x8, weights, "uint8")


def _bytes(
    random: np.random.Generator, activations: Sequence[int], weights: Sequence[int]
) -> tuple[NDArray[np.uint8], NDArray[np.int8]]:
    x = random.integers(0, 256, activations, np.uint8)
    return x, random.integers(-64, 64, weights, np.int8)  # as many bits as never saturate


def _onnx_kernel(
    name: str,
    work: float,
    node: Any,
    x: NDArray[Any],
    weights: dict[str, Any],
    out_type: str,
) -> Kernel:
    """A graph of one node."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    types = {
        "float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8, "int32": TensorProto.INT32,
    }  # fmt: skip
    graph = helper.make_graph(
        [node],
        "peak",
        [helper.make_tensor_value_info("x", types[x.dtype.name], x.shape)],
        [helper.make_tensor_value_info("y", types[out_type], None)],
        [numpy_helper.from_array(np.asarray(value), key) for key, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    kind: Kind = "fp32" if x.dtype == np.float32 else "int8"
    return Kernel(name, kind, work, lambda: session.run(None, {"x": x}))


CHAIN = 6  # convolutions: the conversion of input and output hardly counts
_HINTS: dict[Kind, str] = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}


def openvino_kernels() -> Iterator[Kernel]:
    """OpenVINO: fp32, bf16 and int8; chains of convolutions, so that they fuse as in a network."""
    import openvino

    core = openvino.Core()
    random = np.random.default_rng(0)
    supported = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    for kind, hint in _HINTS.items():
        if kind == "bf16" and "BF16" not in supported:
            continue  # it would compute in fp32
        for channels, positions in CONVOLUTIONS:
            model = _chain(channels, positions, kind, random)
            threads = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
            compiled = core.compile_model(
                model, "CPU", {**threads, "INFERENCE_PRECISION_HINT": hint}
            )
            request = compiled.create_infer_request()
            x = np.abs(random.standard_normal((1, channels, positions), np.float32))
            request.set_input_tensor(openvino.Tensor(x))
            work = CHAIN * 2 * KERNEL * channels**2 * positions / GIGA
            name = f"openvino {kind} {CHAIN} convolutions {channels}x{positions}"
            yield Kernel(name, kind, work, request.infer)


def _chain(channels: int, positions: int, kind: Kind, random: np.random.Generator) -> Any:
    import openvino
    from openvino import opset15 as op

    weights = random.standard_normal((channels, channels, KERNEL), np.float32)
    start = op.parameter([1, channels, positions], np.float32)
    x = start
    for _ in range(CHAIN):
        w = op.constant(weights)
        if kind == "int8":
            x = op.fake_quantize(x, *_ends(0, 2.55), *_ends(0, 2.55), 256)
            w = op.fake_quantize(w, *_ends(-4, 4), *_ends(-4, 4), 255)
        x = op.relu(op.convolution(x, w, [1], [1], [1], [1]))
    return openvino.Model([x], [start])


def _ends(low: float, high: float) -> tuple[np.float32, np.float32]:
    return np.float32(low), np.float32(high)


BEYOND = 4  # an array is so many times as large as the last cache
UNKNOWN_CACHE = 64 * 2**20  # bytes, where the system does not tell
SMALLEST = 128 * 2**20  # bytes of an array, where the cache is small
SHARE_OF_MEMORY = 8  # an array takes at most an eighth
IN_CACHE = 128 * 2**10  # bytes: three arrays lie in the second cache of any server
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}


def memory_kernels() -> Iterator[Kernel]:
    """What is limited by memory, then by the caches."""
    yield from _memory_kernels("memory", array_bytes(last_cache_bytes(), memory_bytes()))
    yield from _memory_kernels("cache", IN_CACHE)


def array_bytes(cache: int, memory: int) -> int:
    """Size of an array that no cache holds.

    Args:
        cache: bytes of the last one.
        memory: bytes of the machine.
    """
    return min(max(BEYOND * cache, SMALLEST), memory // SHARE_OF_MEMORY)


def last_cache_bytes(caches: Path = _CACHES) -> int:
    """Size of the largest cache of the first core.

    Raises:
        InputError: the system tells a size of another form.
    """
    sizes = [path.read_text("ascii").strip() for path in caches.glob("index*/size")]
    try:
        return max((int(size[:-1]) * _UNITS[size[-1]] for size in sizes), default=UNKNOWN_CACHE)
    except (ValueError, LookupError) as error:
        raise InputError(f"{caches} has sizes {sizes}; expected such as 32768K") from error


def memory_bytes() -> int:
    """Of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _memory_kernels(kind: Kind, size: int) -> Iterator[Kernel]:
    length = size // 4
    a, b, c = (np.full(length, value, np.float32) for value in (1, 2, 3))
    ta, tb, tc = (torch.from_numpy(array) for array in (a, b, c))
    gigabytes = 4 * length / GIGA
    words = f"{size // 2**10} KiB"
    yield Kernel(f"numpy copy {words}", kind, 2 * gigabytes, lambda: np.copyto(a, b))
    yield Kernel(f"numpy sum {words}", kind, gigabytes, lambda: b.sum())

    def numpy_triad() -> None:  # in two passes: 5 arrays go by
        np.multiply(c, np.float32(1.5), out=a)
        np.add(a, b, out=a)

    yield Kernel(f"numpy triad {words}", kind, 5 * gigabytes, numpy_triad)
    yield Kernel(f"torch copy {words}", kind, 2 * gigabytes, lambda: ta.copy_(tb))
    yield Kernel(f"torch sum {words}", kind, gigabytes, lambda: tb.sum())
    yield Kernel(
        f"torch triad {words}", kind, 3 * gigabytes, lambda: torch.add(tb, tc, alpha=1.5, out=ta)
    )
