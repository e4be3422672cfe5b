"""What TensorRT asks of single operators beyond their types: attributes, constants, quantisation.

Sources: the restrictions in the parser's table (see `tensorrt_operators`), and for Q/DQ its
importer, which asks for positive scales and zero points of 0 and has no 32-bit DequantizeLinear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

Constants = Mapping[str, NDArray[np.generic]]
NodeRule = Callable[["onnx.NodeProto", Constants], Iterator[str]]


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    from onnx import helper

    values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    return {k: v.decode() if isinstance(v, bytes) else v for k, v in values.items()}


def _pooling(node: onnx.NodeProto, constants: Constants) -> Iterator[str]:
    attributes = _attributes(node)
    if any(dilation != 1 for dilation in attributes.get("dilations", ())):
        yield f"dilations are {attributes['dilations']}; expected ones"


def _resize(node: onnx.NodeProto, constants: Constants) -> Iterator[str]:
    attributes = _attributes(node)
    expected: dict[str, tuple[object, ...]] = {
        "mode": ("nearest", "linear"),
        "coordinate_transformation_mode": (
            "half_pixel", "pytorch_half_pixel", "tf_half_pixel_for_nn", "asymmetric",
            "align_corners",
        ),
        "nearest_mode": ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil"),
        "keep_aspect_ratio_policy": ("stretch",),
        "antialias": (0,),
        "exclude_outside": (0,),
    }  # fmt: skip
    for name, choices in expected.items():
        if name in attributes and attributes[name] not in choices:
            yield f"{name} is {attributes[name]!r}; expected {' or '.join(map(str, choices))}"
    if "axes" in attributes:
        yield "has axes; give a scale or size for every axis instead"


def _layer_normalization(node: onnx.NodeProto, constants: Constants) -> Iterator[str]:
    if any(node.output[1:]):
        yield "only the first output exists there, mean and deviation do not"


def _recurrent(node: onnx.NodeProto, constants: Constants) -> Iterator[str]:
    attributes = _attributes(node)
    for name in ("layout", "input_forget"):
        if attributes.get(name, 0) != 0:
            yield f"{name} is {attributes[name]}; expected 0"


def _pad(node: onnx.NodeProto, constants: Constants) -> Iterator[str]:
    mode = _attributes(node).get("mode", "constant")
    if mode not in ("constant", "reflect", "edge"):
        yield f"mode is {mode}; expected constant, reflect or edge"


def _cast(node: onnx.NodeProto, constants: Constants) -> Iterator[str]:
    from onnx import TensorProto

    target = TensorProto.DataType.Name(_attributes(node)["to"]).lower()
    if target not in ("float", "float16", "bfloat16", "int32", "int64", "uint8", "bool"):
        yield f"there is no cast to {target}"


def _constant_at(index: int, what: str) -> NodeRule:
    def rule(node: onnx.NodeProto, constants: Constants) -> Iterator[str]:
        if len(node.input) > index and node.input[index] and node.input[index] not in constants:
            yield f"{what} {node.input[index]} is computed; expected a constant"

    return rule


def _quantization(node: onnx.NodeProto, constants: Constants) -> Iterator[str]:
    """8 bits with a sign, zero point 0, a positive constant scale; for each axis: weights only."""
    data, scale, *zero_points = node.input
    if zero_points and zero_points[0]:
        zero_point = constants.get(zero_points[0])
        if zero_point is None:
            yield f"zero point {zero_points[0]} is computed; expected a constant"
        else:
            if zero_point.dtype != np.int8:
                yield f"zero point is {zero_point.dtype}; expected int8 (int8_symmetric)"
            if np.any(zero_point != 0):
                yield "zero point is not 0; expected symmetric quantisation (int8_symmetric)"
    elif node.op_type == "QuantizeLinear":
        yield "has no zero point, so it gives uint8; expected an int8 zero point of 0"
    scales = constants.get(scale)
    if scales is None:
        yield f"scale {scale} is computed; expected a constant"
        return
    if not np.all(scales.astype(np.float64) > 0):
        yield f"scale {scale} has values of 0 or less; expected more than 0"
    if scales.size == 1:
        return
    if data not in constants:
        yield f"{data} has {scales.size} scales; expected one, only weights have one a channel"
        return
    channels = constants[data].shape[_attributes(node).get("axis", 1)]
    if scales.size != channels:
        yield f"{data} has {channels} channels, but {scales.size} scales"


NODE_RULES: dict[str, NodeRule] = {
    "AveragePool": _pooling,
    "Cast": _cast,
    "CumSum": _constant_at(1, "axis"),
    "DequantizeLinear": _quantization,
    "LSTM": _recurrent,
    "LayerNormalization": _layer_normalization,
    "Pad": _pad,
    "QuantizeLinear": _quantization,
    "ReduceMax": _constant_at(1, "axes"),
    "ReduceMean": _constant_at(1, "axes"),
    "ReduceMin": _constant_at(1, "axes"),
    "ReduceSum": _constant_at(1, "axes"),
    "Resize": _resize,
    "Squeeze": _constant_at(1, "axes"),
    "Unsqueeze": _constant_at(1, "axes"),
}
