"""A graph in 16 bits: the network in half precision, the chain around it in float32.

Convolutions and products by weights take most of the time and lose nothing audible in float16 or
bfloat16. Kept in float32, with Casts in between: inputs and outputs, the arithmetic of the reverse
steps and the de-emphasis (where errors accumulate from step to step), the transforms to spectra and
back (which carry the waveform itself), normalizations, attention's products of two activations,
LSTMs, and in float16 every layer whose values come near the limit of its range. No operator mixes
two types, as TensorRT's strong typing requires.

onnxruntime's converter can't tell the arithmetic of a reverse step from that of a FiLM layer; here
they are distinguished by rank: a waveform has no channel axis.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from dlpo_export.parity.divergence import Tensors, varying_tensors
from dlpo_export.parity.open_graph import OpenGraph
from dlpo_export.unused import drop_unused

if TYPE_CHECKING:
    import onnx

HalfPrecision = Literal["fp16", "bf16"]
LARGEST = 65504 / 8  # of any value in float16; leaves headroom for a louder voice
CONVOLUTIONS = ("Conv", "ConvTranspose")
PRODUCTS = ("Gemm", "MatMul")
TRANSFORMS = ".dft."  # in the names of the constants of `dlpo.model.real_dft`
BFLOAT16_OPSET = 22  # the first whose convolutions take it
FEWEST_WEIGHTS = 1024  # of a product; the chain's own constants are smaller
ARITHMETIC = ("Add", "Div", "Gelu", "LeakyRelu", "Mul", "Sub")  # on (B, C, L)
MOVES = (
    "AveragePool",
    "Concat",
    "Expand",
    "Pad",
    "Reshape",
    "Resize",
    "Slice",
    "Split",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
)
CHANNELS = 3  # minimum number of axes of a tensor with channels

logger = logging.getLogger(__name__)


def to_half(
    model: onnx.ModelProto,
    samples: Sequence[Tensors] = (),
    precision: HalfPrecision = "fp16",
) -> onnx.ModelProto:
    """The same graph with its layers of weights, and what follows them, in 16 bits.

    Weights that float16 holds exactly keep their bytes, so both graphs can use one file of halved
    weights.

    Args:
        model: float32, with its weights loaded and its shapes inferred.
        samples: inputs by name on which value ranges are measured; a layer that makes or reads
            values above `LARGEST` stays in float32. bfloat16 has float32's range and needs none.
        precision: bf16 keeps 8 bits of a value where fp16 keeps 11.

    Raises:
        BundleError: onnxruntime can't run `model`.
        MissingExtraError: onnx or onnxruntime is not installed.
    """
    from onnx import TensorProto, version_converter

    if precision == "bf16":
        newer = version_converter.convert_version(model, max(BFLOAT16_OPSET, _opset(model)))
        return _convert(newer, _half_layers(newer, set(), np.inf), TensorProto.BFLOAT16)
    half = _half_layers(model, set())
    computed = {tensor.name for tensor in model.graph.input} | set(varying_tensors(model))
    crossing = {name for node in half for name in (*node.input, *node.output)} & computed
    largest = largest_values(model, sorted(crossing), samples)
    large = {name for name, value in largest.items() if value > LARGEST}
    for name in sorted(large):
        logger.warning("%s: values above %.0f, stays in float32", name, LARGEST)
    chosen = _half_layers(model, large) if large else half
    return _convert(model, chosen, TensorProto.FLOAT16)


def largest_values(
    model: onnx.ModelProto, tensors: Sequence[str], samples: Sequence[Tensors]
) -> dict[str, float]:
    """The largest absolute value of each tensor over some inputs; NaN counts as infinite."""
    if not samples:
        return {}
    found = dict.fromkeys(tensors, 0.0)
    opened = OpenGraph(model, [name for name in tensors if name not in samples[0]], fuse=False)
    for inputs in samples:
        values = {**inputs, **opened.run(inputs)}
        for name in found:
            largest = float(np.abs(values[name]).max(initial=0.0))
            found[name] = max(found[name], largest if np.isfinite(largest) else np.inf)
    return found


def _half_layers(
    model: onnx.ModelProto, large: set[str], largest: float = LARGEST
) -> list[onnx.NodeProto]:
    """Layers of weights, and the layers after them that read only 16 bits.

    Args:
        large: tensors too large for float16; layers that make or read them are excluded.
        largest: of a weight.
    """
    from onnx import TensorProto

    ranks = _ranks(model)
    varying = {tensor.name for tensor in model.graph.input} | set(varying_tensors(model))
    unfit = {tensor.name for tensor in model.graph.initializer if _largest_weight(tensor) > largest}
    unfit |= large
    factors = {
        name
        for name, tensor in _Weights(model, TensorProto.FLOAT16).weights.items()
        if len(tensor.dims) == 2 and np.prod(tensor.dims) >= FEWEST_WEIGHTS
        if TRANSFORMS not in name
    }
    half: set[str] = set()
    chosen = []
    for node in model.graph.node:
        if unfit.intersection((*node.input, *node.output)) or not varying.intersection(node.input):
            continue
        reads = [name for name in node.input if name in varying and name in ranks]
        follows = bool(reads) and half.issuperset(reads)
        has_channels = all(ranks.get(name, 0) >= CHANNELS for name in (*reads, *node.output))
        multiplies = node.op_type in PRODUCTS and node.input[1] in factors
        if (
            node.op_type in CONVOLUTIONS
            or multiplies
            or (
                follows and (node.op_type in MOVES or (node.op_type in ARITHMETIC and has_channels))
            )
        ):
            half.update(node.output)
            chosen.append(node)
    return chosen


def _convert(
    model: onnx.ModelProto, half: Sequence[onnx.NodeProto], narrow_type: int
) -> onnx.ModelProto:
    """Switch these layers to 16 bits, with a Cast wherever a value crosses between types."""
    from onnx import TensorProto, helper

    floats = set(_ranks(model))
    chosen = {node.output[0] for node in half}
    is_half = {name for node in half for name in node.output}
    outputs = {value.name for value in model.graph.output}
    narrow = _Weights(model, narrow_type)
    converted = copy.deepcopy(model)
    graph = converted.graph
    nodes: list[onnx.NodeProto] = []
    crossed: set[str] = set()  # tensors that also exist in the other type

    def cross(name: str, to: int, suffix: str) -> str:
        if f"{name}{suffix}" not in crossed:
            nodes.append(helper.make_node("Cast", [name], [f"{name}{suffix}"], to=to))
            nodes[-1].name = f"cast_{name}{suffix}"
            crossed.add(f"{name}{suffix}")
        return f"{name}{suffix}"

    for node in graph.node:
        in_half = bool(node.output) and node.output[0] in chosen
        for place, name in enumerate(node.input):
            if in_half and name in narrow.weights and _takes_half(node, place):
                node.input[place] = narrow.half(name)
            elif in_half and name in floats and name not in is_half and _takes_half(node, place):
                node.input[place] = cross(name, narrow_type, narrow.suffix)
            elif not in_half and name in is_half:
                node.input[place] = cross(name, TensorProto.FLOAT, ".fp32")
        nodes.append(node)
        for place, name in enumerate(node.output):
            if in_half and name in outputs:  # its readers, if any, come later
                raise_to = node.output[place] = f"{name}{narrow.suffix}"
                nodes.append(helper.make_node("Cast", [raise_to], [name], to=TensorProto.FLOAT))
                nodes[-1].name = f"cast_{name}"
                is_half.discard(name)
                crossed.add(raise_to)
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(narrow.made.values())
    for value in graph.value_info:
        if value.name in is_half:
            value.type.tensor_type.elem_type = narrow_type
    drop_unused(graph)
    return converted


class _Weights:
    """The weights and constants of a graph, and their copies in 16 bits where requested."""

    def __init__(self, model: onnx.ModelProto, narrow_type: int) -> None:
        from onnx import TensorProto, helper

        self._type = helper.tensor_dtype_to_np_dtype(narrow_type)
        self.suffix = ".fp16" if narrow_type == TensorProto.FLOAT16 else ".bf16"
        tensors = {tensor.name: tensor for tensor in model.graph.initializer}
        self.weights = {
            name: tensor
            for name, tensor in tensors.items()
            if tensor.data_type == TensorProto.FLOAT
        }
        self.made: dict[str, onnx.TensorProto] = {}
        self._stored: dict[str, str] = {}  # float32 name -> its float16 in the graph
        for node in model.graph.node:
            if node.op_type == "Cast" and node.input[0] in tensors:
                source = tensors[node.input[0]]
                if source.data_type == TensorProto.FLOAT16:
                    self.weights[node.output[0]] = source
                    if narrow_type == TensorProto.FLOAT16:
                        self._stored[node.output[0]] = source.name

    def half(self, name: str) -> str:
        from onnx import numpy_helper

        if name in self._stored:
            return self._stored[name]
        if name not in self.made:
            values = numpy_helper.to_array(self.weights[name]).astype(self._type)
            self.made[name] = numpy_helper.from_array(values, f"{name}{self.suffix}")
        return f"{name}{self.suffix}"


def _opset(model: onnx.ModelProto) -> int:
    return next(one.version for one in model.opset_import if not one.domain)


def _takes_half(node: onnx.NodeProto, place: int) -> bool:
    """Whether this input has the data's type; a Resize's scales are always float32."""
    return node.op_type != "Resize" or place == 0


def _largest_weight(tensor: onnx.TensorProto) -> float:
    from onnx import TensorProto, numpy_helper

    if tensor.data_type != TensorProto.FLOAT:
        return 0.0
    return float(np.abs(numpy_helper.to_array(tensor)).max(initial=0.0))


def _ranks(model: onnx.ModelProto) -> Mapping[str, int]:
    """Number of axes of every float32 tensor that is computed or an input, by name."""
    import onnx

    inferred = onnx.shape_inference.infer_shapes(model).graph
    return {
        value.name: len(value.type.tensor_type.shape.dim)
        for value in (*inferred.input, *inferred.value_info, *inferred.output)
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        and value.type.tensor_type.HasField("shape")
    }
