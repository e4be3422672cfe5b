"""Whether TensorRT will take a graph, as far as that can be told without TensorRT.

Networks are strongly typed: nothing is converted on the way, so one float16 beside a float32 ends
a build. What is checked here are operators, types, quantisation and shapes; whether the real parser
agrees, only `dlpo export --check-tensorrt` on a machine with a GPU can tell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dlpo.errors import BundleError

if TYPE_CHECKING:
    import onnx

# What the ONNX parser of TensorRT reads: operators and the types of their data inputs.
#
# From the parser's own table (onnx/onnx-tensorrt, docs/operators.md) as of TensorRT 10.15;
# TensorRT 11.0 only added Swish. Operators that no graph of ours could want (sequences, strings,
# images, random numbers, vendor's own) are left out, and so are refused.
MIN_OPSET, MAX_OPSET = 9, 24  # 25 from TensorRT 11 on

_FLOATS = "float float16 bfloat16"
_NUMBERS = f"{_FLOATS} int32 int64"
_ANY = f"{_NUMBERS} bool"
_BY_TYPES = {
    _FLOATS: (
        "Acos Acosh Asin Asinh Atan Atanh AveragePool BatchNormalization Ceil Celu Clip Conv"
        " ConvTranspose Cos Cosh CumSum Dropout Einsum Elu Erf Exp Floor Gemm GlobalAveragePool"
        " GlobalLpPool GlobalMaxPool GroupNormalization HardSigmoid HardSwish Hardmax"
        " InstanceNormalization IsInf LayerNormalization LeakyRelu Log LogSoftmax LRN LSTM"
        " LpNormalization MatMul MeanVarianceNormalization PRelu QuantizeLinear"
        " Reciprocal Resize RMSNormalization RotaryEmbedding Round Scan Selu Sigmoid Sin Sinh"
        " Softmax Softplus Softsign Sqrt Swish Tan Tanh ThresholdedRelu Upsample"
    ),
    "float float16": "DeformConv GridSample Mish NonMaxSuppression NonZero RoiAlign",
    "float": "STFT",
    _NUMBERS: (
        "Abs Add ArgMax ArgMin DepthToSpace Div Equal Gelu Greater GreaterOrEqual IsNaN Less"
        " LessOrEqual Max Mean Min Mod Mul Neg Pad Pow Range ReduceL1 ReduceL2 ReduceLogSum"
        " ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceSum ReduceSumSquare Relu"
        " Shrink Sign SpaceToDepth Sub Sum"
    ),
    _ANY: (
        "Concat ConstantOfShape Expand EyeLike Flatten Gather GatherElements GatherND Identity If"
        " Loop Reshape ReverseSequence Shape Size Slice Split Squeeze Tile Transpose Trilu"
        " Unsqueeze Where"
    ),
    f"{_ANY} uint8": "Cast CastLike",
    f"{_ANY} int8": "Constant",  # int8 to be dequantised
    "bool": "And Not Or Xor",
    "int8": "DequantizeLinear",
}

OPERATORS: dict[str, frozenset[str]] = {
    operator: frozenset(types.split())
    for types, operators in _BY_TYPES.items()
    for operator in operators.split()
}
"""Operator -> ONNX names of the types that its first input may have."""

SAME_TYPE = frozenset({"Pow", "Mod", "Clip", "Concat", "Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Operators whose inputs all have to be of one type, even where ONNX lets them differ."""


_INT32 = np.iinfo(np.int32)


@dataclass(frozen=True, slots=True)
class Violation:
    """A reason why TensorRT would refuse a graph."""

    node: str
    """name of the node, or what else is at fault"""
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
    types = _types_of(graph)
    constants = _constants_of(graph)
    found = [
        *_check_opsets(model),
        *_check_interface(graph),
        *_check_shapes(graph),
        *_check_constants(graph, constants),
    ]
    for node in graph.node:
        found.extend(_check_node(node, types, constants, model))
        if node.op_type == "QuantizeLinear" and node.input[0] in constants:
            constants[node.output[0]] = constants[node.input[0]]  # weights still, for the rules
    return found


def refuse_violations(graph: str, model: onnx.ModelProto) -> None:
    """Raise BundleError with every violation of a graph, if there is one."""
    if found := check_graph(model):
        lines = "".join(f"\n  {violation}" for violation in found)
        raise BundleError(f"{graph}: TensorRT would refuse {len(found)} things in it:{lines}")


def _check_opsets(model: onnx.ModelProto) -> Iterator[Violation]:
    for opset in model.opset_import:
        if opset.domain in ("", "ai.onnx"):
            if not MIN_OPSET <= opset.version <= MAX_OPSET:
                reason = f"opset is {opset.version}; expected {MIN_OPSET} to {MAX_OPSET}"
                yield Violation("graph", "opset", reason)
        elif any(node.domain == opset.domain for node in model.graph.node):
            yield Violation("graph", opset.domain, "operators of this domain need a plugin")


def _check_interface(graph: onnx.GraphProto) -> Iterator[Violation]:
    """Inputs and outputs are float32 in every precision, or integers."""
    from onnx import TensorProto

    for value in (*graph.input, *graph.output):
        kind = TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
        if kind not in ("float", "int64", "int32", "bool"):
            yield Violation(value.name, "input or output", f"is {kind}; expected float32")


def _check_shapes(graph: onnx.GraphProto) -> Iterator[Violation]:
    """Every length that varies has a name, and outputs have those of inputs."""
    constants = {tensor.name for tensor in graph.initializer}
    known: set[str] = set()
    for value in graph.input:
        if value.name in constants:
            yield Violation(value.name, "input", "is an initialiser too; drop it from the inputs")
        for dim in value.type.tensor_type.shape.dim:
            if not dim.dim_param and dim.dim_value < 1:
                yield Violation(value.name, "input", "has a length without a name")
            known.add(dim.dim_param)
    for value in graph.output:
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_value < 1 and dim.dim_param not in known:
                name = dim.dim_param or "without a name"
                yield Violation(value.name, "output", f"its length {name} is that of no input")


def _check_constants(
    graph: onnx.GraphProto, constants: Mapping[str, NDArray[np.generic]]
) -> Iterator[Violation]:
    """No doubles, and no integer beyond 32 bits but the "to the end" of a Slice."""
    of_slices = {name for node in graph.node if node.op_type == "Slice" for name in node.input[1:]}
    for name, values in constants.items():
        if values.dtype == np.float64:
            yield Violation(name, "initialiser", "is float64, which TensorRT would round")
        if values.dtype == np.int64 and values.size and name not in of_slices:
            low, high = int(values.min()), int(values.max())
            if low < _INT32.min or high > _INT32.max:
                yield Violation(name, "initialiser", f"holds {low} to {high}, beyond int32")


def _check_node(
    node: onnx.NodeProto,
    types: Mapping[str, str],
    constants: Mapping[str, NDArray[np.generic]],
    model: onnx.ModelProto,
) -> Iterator[Violation]:
    label = node.name or node.output[0]
    if node.domain not in ("", "ai.onnx"):
        return  # told once for the graph
    if node.op_type not in OPERATORS:
        yield Violation(label, node.op_type, "the parser does not have this operator")
        return
    reasons = [*_type_reasons(node, types, model)]
    if rule := NODE_RULES.get(node.op_type):
        reasons.extend(rule(node, constants))
    for reason in reasons:
        yield Violation(label, node.op_type, reason)
    for attribute in node.attribute:
        if attribute.HasField("g"):  # the body of a Loop, Scan or If
            inner = {**types, **_types_of(attribute.g)}
            known = {**constants, **_constants_of(attribute.g)}
            for body in attribute.g.node:
                yield from _check_node(body, inner, known, model)


def _type_reasons(
    node: onnx.NodeProto, types: Mapping[str, str], model: onnx.ModelProto
) -> Iterator[str]:
    import onnx

    given = [(name, types[name]) for name in node.input if types.get(name)]
    allowed = OPERATORS[node.op_type]
    first = node.input[0] if node.input else ""
    if first in types and types[first] not in allowed:
        yield f"{first} is {types[first]}; expected one of {', '.join(sorted(allowed))}"
    version = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    schema = onnx.defs.get_schema(node.op_type, version)
    groups: dict[str, dict[str, str]] = defaultdict(dict)  # type parameter -> input -> type
    for index, name in enumerate(node.input):
        if name and name in types:
            formal = schema.inputs[min(index, len(schema.inputs) - 1)]
            groups[formal.type_str][name] = types[name]
    if node.op_type in SAME_TYPE:
        groups = defaultdict(dict, {"T": dict(given)})
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


# What TensorRT asks of single operators beyond their types: attributes, constants, quantisation.
#
# Sources: the restrictions in the parser's table (see `tensorrt_operators`), and for Q/DQ its
# importer, which asks for positive scales and zero points of 0 and has no 32-bit DequantizeLinear.
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
