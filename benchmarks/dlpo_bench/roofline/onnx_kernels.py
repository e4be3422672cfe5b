"""Products and convolutions of onnxruntime: the ones that our graphs are made of, alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from dlpo_bench.roofline.kernels import CONVOLUTIONS, GIGA, KERNEL, PRODUCTS, Kernel, Kind

OPSET, IR_VERSION = 17, 9
_TYPES = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8, "int32": TensorProto.INT32}
# Activations are u8, weights s8, as in our int8 graphs.
_SCALES = {"scale": np.float32(0.01), "zero": np.uint8(128), "weight_zero": np.int8(0)}
_QUANTISED = ["x", "scale", "zero", "w", "scale", "weight_zero", "scale", "zero"]


def onnx_kernels() -> Iterator[Kernel]:
    """fp32 and int8, products of several shapes and convolutions of kernel 3."""
    random = np.random.default_rng(0)
    for size in PRODUCTS:
        x, w = random.standard_normal((2, size, size), np.float32)
        work = 2 * size**3 / GIGA
        product = helper.make_node("MatMul", ["x", "w"], ["y"])
        yield _kernel(f"onnxruntime fp32 product {size}", work, product, x, {"w": w}, "float32")
        x8, w8 = _bytes(random, x.shape, w.shape)
        integer = helper.make_node("MatMulInteger", ["x", "w", "zero"], ["y"])
        weights = {"w": w8, "zero": _SCALES["zero"]}
        name = f"onnxruntime int8 MatMulInteger {size}"
        yield _kernel(name, work, integer, x8, weights, "int32")
        quantised = helper.make_node("QLinearMatMul", _QUANTISED, ["y"])
        name = f"onnxruntime int8 QLinearMatMul {size}"
        yield _kernel(name, work, quantised, x8, {"w": w8, **_SCALES}, "uint8")
    for channels, positions in CONVOLUTIONS:
        work = 2 * KERNEL * channels**2 * positions / GIGA
        words = f"convolution {channels}x{positions}"
        plain = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1])
        x = random.standard_normal((1, channels, positions), np.float32)
        w = random.standard_normal((channels, channels, KERNEL), np.float32)
        yield _kernel(f"onnxruntime fp32 {words}", work, plain, x, {"w": w}, "float32")
        x8, w8 = _bytes(random, x.shape, w.shape)
        weights = {"w": w8, "b": np.zeros(channels, np.int32), **_SCALES}
        node = helper.make_node("QLinearConv", [*_QUANTISED, "b"], ["y"], pads=[1, 1])
        yield _kernel(f"onnxruntime int8 {words}", work, node, x8, weights, "uint8")


def _bytes(
    random: np.random.Generator, activations: Sequence[int], weights: Sequence[int]
) -> tuple[NDArray[np.uint8], NDArray[np.int8]]:
    x = random.integers(0, 256, activations, np.uint8)
    return x, random.integers(-64, 64, weights, np.int8)  # as many bits as never saturate


def _kernel(
    name: str,
    work: float,
    node: NodeProto,
    x: NDArray[Any],
    weights: dict[str, Any],
    out_type: str,
) -> Kernel:
    """A graph of one node."""
    graph = helper.make_graph(
        [node],
        "peak",
        [helper.make_tensor_value_info("x", _TYPES[x.dtype.name], x.shape)],
        [helper.make_tensor_value_info("y", _TYPES[out_type], None)],
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
