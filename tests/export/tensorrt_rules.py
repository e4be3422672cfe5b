"""TensorRT's rules on types and quantization, for tests on machines without TensorRT.

Networks are strongly typed: nothing is converted on the way, so one float16 beside a float32 ends
a build. What our own rewriting of graphs could get wrong is checked here; where TensorRT is
installed, its own parser decides, see `dlpo_export.tensorrt.build.parse_graph`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dlpo.errors import BundleError

if TYPE_CHECKING:
    import onnx

DOMAINS = ("", "ai.onnx")  # of operators that need no plugin

SAME_TYPE = frozenset({"Pow", "Mod", "Clip", "Concat", "Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Operators whose inputs all have to be of one type, even where ONNX lets them differ."""

Constants = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Violation:
    """A reason why TensorRT would refuse a graph."""

    node: str
    operator: str
    reason: str

    def __str__(self) -> str:
        return f"{self.node} ({self.operator}): {self.reason}"


def check_graph(model: onnx.ModelProto) -> list[Violation]:
    """Every reason to expect that TensorRT refuses this graph.

    Args:
        model: with its weights inside; see `load_for_tensorrt`.

    Raises:
        BundleError: not a valid ONNX model.
    """
    import onnx

    try:
        inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise BundleError(
            f'{model.graph.name}: not a valid ONNX graph ({error}); export again with "dlpo export"'
        ) from error
    graph = inferred.graph
    types, constants = _types_of(graph), _constants_of(graph)
    (version,) = (o.version for o in model.opset_import if o.domain in DOMAINS)
    found: list[Violation] = []
    for node in graph.node:
        label = node.name or node.output[0]
        if node.domain not in DOMAINS:
            reasons = [f"operators of the domain {node.domain} need a plugin"]
        else:
            reasons = [*_type_reasons(node, types, version)]
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            reasons += _quantization(node, types, constants)
        found += [Violation(label, node.op_type, reason) for reason in reasons]
        if node.op_type == "QuantizeLinear" and node.input[0] in constants:
            constants[node.output[0]] = constants[node.input[0]]  # weights still, for the rules
    return found


def _quantization(
    node: onnx.NodeProto, types: Mapping[str, str], constants: Constants
) -> Iterator[str]:
    """8 bits with a sign, zero point 0, a positive constant scale; for each axis: weights only.

    As the parser's importer asks, which has no 32-bit DequantizeLinear either.
    """
    data, scale, *zero_points = node.input
    if node.op_type == "DequantizeLinear" and types.get(data, "int8") != "int8":
        yield f"{data} is {types[data]}; expected int8"
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
    axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
    channels = constants[data].shape[axis]
    if scales.size != channels:
        yield f"{data} has {channels} channels, but {scales.size} scales"


def _type_reasons(node: onnx.NodeProto, types: Mapping[str, str], version: int) -> Iterator[str]:
    """Whether inputs that have to be of one type are."""
    import onnx

    schema = onnx.defs.get_schema(node.op_type, version)
    groups: dict[str, dict[str, str]] = {}  # type parameter -> input -> type
    for index, name in enumerate(node.input):
        if name and name in types:
            formal = schema.inputs[min(index, len(schema.inputs) - 1)]
            groups.setdefault(formal.type_str, {})[name] = types[name]
    if node.op_type in SAME_TYPE:
        groups = {"T": {name: types[name] for name in node.input if name in types}}
    for members in groups.values():
        if len(set(members.values())) > 1:
            mixed = ", ".join(f"{name} is {kind}" for name, kind in members.items())
            yield f"its inputs are of several types: {mixed}; cast them before it"


def _types_of(graph: onnx.GraphProto) -> dict[str, str]:
    """Tensor -> ONNX name of its type, in lower case."""
    from onnx import TensorProto

    names = {
        value.name: value.type.tensor_type.elem_type
        for value in (*graph.input, *graph.value_info, *graph.output)
    } | {tensor.name: tensor.data_type for tensor in graph.initializer}
    return {name: TensorProto.DataType.Name(kind).lower() for name, kind in names.items() if kind}


def _constants_of(graph: onnx.GraphProto) -> dict[str, NDArray[np.generic]]:
    from onnx import numpy_helper

    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
