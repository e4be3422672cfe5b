"""Kernels that measure peaks: products and convolutions of each library, and memory.

A peak is what the best of them reaches, so a slow or absent library only leaves the others.

Reference: McCalpin, Memory Bandwidth and Machine Balance in Current High Performance Computers,
1995, for the memory kernels copy and triad.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

from dlpo.errors import EngineError, InputError
from dlpo_bench.interleave import Spread

Kind = Literal["fp32", "bf16", "int8", "memory", "cache"]
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
        rate = kernel.work / spread.least * 1e3
        if kernel.kind not in found or rate > found[kernel.kind].rate:
            median_rate = kernel.work / spread.median * 1e3
            found[kernel.kind] = Peak(
                kernel.kind, kernel.name, rate, median_rate, spread.samples, kernel.work
            )
    if not found:
        raise EngineError("no library could multiply here; see why each was skipped")
    return found


_FORMATS: dict[Kind, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}


def torch_kernels() -> Iterator[Kernel]:
    """Products on the CPU."""
    for kind, dtype in _FORMATS.items():
        for size in PRODUCTS:
            a = torch.randn(size, size, generator=torch.Generator().manual_seed(0)).to(dtype)
            run = partial(torch.mm, a, a, out=torch.empty_like(a))
            yield Kernel(f"torch {kind} product {size}", kind, 2 * size**3 / GIGA, run)


OPSET, IR_VERSION = 17, 9
# Activations are u8, weights s8, as in our int8 graphs.
_SCALES = {"scale": np.float32(0.01), "zero": np.uint8(128), "weight_zero": np.int8(0)}
_QUANTIZED = ["x", "scale", "zero", "w", "scale", "weight_zero", "scale", "zero"]


def onnx_kernels() -> Iterator[Kernel]:
    """onnxruntime: fp32 and int8, products and convolutions of kernel 3."""
    random = np.random.default_rng(0)
    zero = {"zero": _SCALES["zero"]}
    for size in PRODUCTS:
        work, shape = 2 * size**3 / GIGA, (size, size)
        (x, w), (x8, w8) = _floats(random, shape, shape), _bytes(random, shape, shape)
        for name, operator, inputs, data, weights, out in (
            ("fp32 product", "MatMul", ["x", "w"], x, {"w": w}, "float32"),
            ("int8 MatMulInteger", "MatMulInteger", ["x", "w", "zero"], x8, {"w": w8, **zero},
             "int32"),
            ("int8 QLinearMatMul", "QLinearMatMul", _QUANTIZED, x8, {"w": w8, **_SCALES}, "uint8"),
        ):  # fmt: skip
            name = f"onnxruntime {name} {size}"
            yield _onnx_kernel(name, work, operator, inputs, data, weights, out)
    for channels, positions in CONVOLUTIONS:
        work = 2 * KERNEL * channels**2 * positions / GIGA
        shapes = (1, channels, positions), (channels, channels, KERNEL)
        (x, w), (x8, w8) = _floats(random, *shapes), _bytes(random, *shapes)
        weights8 = {"w": w8, "b": np.zeros(channels, np.int32), **_SCALES}
        for name, operator, inputs, data, weights, out in (
            ("fp32", "Conv", ["x", "w"], x, {"w": w}, "float32"),
            ("int8", "QLinearConv", [*_QUANTIZED, "b"], x8, weights8, "uint8"),
        ):
            name = f"onnxruntime {name} convolution {channels}x{positions}"
            yield _onnx_kernel(name, work, operator, inputs, data, weights, out, pads=[1, 1])


Pair = tuple[NDArray[Any], NDArray[Any]]


def _floats(random: np.random.Generator, x: Sequence[int], w: Sequence[int]) -> Pair:
    return random.standard_normal(x, np.float32), random.standard_normal(w, np.float32)


def _bytes(random: np.random.Generator, x: Sequence[int], w: Sequence[int]) -> Pair:
    """Weights of so few bits that sums of products never saturate."""
    return random.integers(0, 256, x, np.uint8), random.integers(-64, 64, w, np.int8)


def _onnx_kernel(
    name: str, work: float, operator: str, inputs: Sequence[str], x: NDArray[Any],
    weights: Mapping[str, Any], out: str, **attributes: Any,
) -> Kernel:  # fmt: skip
    """A graph of one node."""
    import onnxruntime
    from onnx import helper, numpy_helper

    def value(name: str, type_: str, shape: Sequence[int] | None) -> Any:
        type_id = helper.np_dtype_to_tensor_dtype(np.dtype(type_))
        return helper.make_tensor_value_info(name, type_id, shape)

    graph = helper.make_graph(
        [helper.make_node(operator, inputs, ["y"], **attributes)],
        "peak",
        [value("x", x.dtype.name, x.shape)],
        [value("y", out, None)],
        [numpy_helper.from_array(np.asarray(array), key) for key, array in weights.items()],
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
            x = op.fake_quantize(x, *np.array([0, 2.55, 0, 2.55], np.float32), 256)
            w = op.fake_quantize(w, *np.array([-4, 4, -4, 4], np.float32), 255)
        x = op.relu(op.convolution(x, w, [1], [1], [1], [1]))
    return openvino.Model([x], [start])


BEYOND = 4  # an array is so many times as large as the last cache
UNKNOWN_CACHE = 64 * 2**20  # bytes, where the system does not report it
SMALLEST = 128 * 2**20  # bytes of an array, where the cache is small
SHARE_OF_MEMORY = 8  # an array takes at most an eighth
IN_CACHE = 128 * 2**10  # bytes: three arrays fit the second cache of any server
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}


def memory_kernels() -> Iterator[Kernel]:
    """What is limited by memory, then by the caches."""
    yield from _memory_kernels(
        "memory", array_bytes(last_cache_bytes(), psutil.virtual_memory().total)
    )
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
        InputError: the system reports a size of another form.
    """
    sizes = [path.read_text("ascii").strip() for path in caches.glob("index*/size")]
    try:
        return max((int(size[:-1]) * _UNITS[size[-1]] for size in sizes), default=UNKNOWN_CACHE)
    except (ValueError, LookupError) as error:
        raise InputError(f"{caches} has sizes {sizes}; expected such as 32768K") from error


def _memory_kernels(kind: Kind, size: int) -> Iterator[Kernel]:
    length = size // 4
    a, b, c = (np.full(length, value, np.float32) for value in (1, 2, 3))
    ta, tb, tc = (torch.from_numpy(array) for array in (a, b, c))

    def numpy_triad() -> None:  # in two passes: 5 arrays go by
        np.multiply(c, np.float32(1.5), out=a)
        np.add(a, b, out=a)

    for name, arrays, run in (
        ("numpy copy", 2, partial(np.copyto, a, b)),
        ("numpy sum", 1, b.sum),
        ("numpy triad", 5, numpy_triad),
        ("torch copy", 2, partial(ta.copy_, tb)),
        ("torch sum", 1, tb.sum),
        ("torch triad", 3, partial(torch.add, tb, tc, alpha=1.5, out=ta)),
    ):
        yield Kernel(f"{name} {size // 2**10} KiB", kind, arrays * 4 * length / GIGA, run)
