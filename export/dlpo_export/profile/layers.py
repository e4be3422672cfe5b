"""Which layer of the network, and which reverse step, a node of an optimised graph belongs to.

onnxruntime fuses, renames and adds nodes. Weights keep the name of their module, so a node with
weights says by itself what it is. A node without (an activation, a transpose, an upsampling) is
counted to the layer that it prepares the input of; what no layer of the same step reads is
arithmetic of the sampler.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

SAMPLER = "(sampler, output)"  # between the last layer of a step and the first of the next
NOISE = "noise"  # the input that makes a step what it is
ONCE = 0  # number of the step of what all steps share
_PARAMETER = re.compile(
    r"(?:model\.|denoise\.)?(?P<layer>.+?)(?:\.convolution)?\.(?:weight|bias|w|r|b)(?:_[A-Za-z0-9_]+)?"
    r"(?:\.exact(?:\.\w+)?)?"  # what int8 leaves in fp32
)
_ACTIVATION = re.compile(r"Relu|Sigmoid|Tanh|Clip")
_OF_WEIGHTS = (
    "Cast",
    "QuantizeLinear",
    "DequantizeLinear",
)  # operators without a layer of their own
_ADDED = re.compile(r"(?:_nchwc|_token_\d+)$")  # what onnxruntime appends to names

Shape = Sequence[int]


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the network a node is."""

    layer: str
    """Module path such as `up.1.enter`, or `SAMPLER`."""
    step: int
    """Reverse step from 1 on; `ONCE` for what all steps share."""


def places(optimised: onnx.ModelProto, original: onnx.ModelProto, steps: int) -> list[Place]:
    """The place of every node of `optimised`, in its order.

    Args:
        original: the graph before the optimisation, whose names help where weights were renamed.
        steps: reverse steps that are unrolled in the graph; 0 for a graph of another kind.
    """
    nodes = optimised.graph.node
    by_name = _layers_by_name(original)
    own = [_layer_of(node, by_name) for node in nodes]
    numbers = _steps(own, _depends_on_noise(nodes), steps)
    producer = {output: index for index, node in enumerate(nodes) for output in node.output}
    readers: dict[int, list[int]] = {}
    for index, node in enumerate(nodes):
        for name in node.input:
            if name in producer:
                readers.setdefault(producer[name], []).append(index)
    before = _latest_step_before(nodes, producer, numbers)
    found: list[Place | None] = [None] * len(nodes)
    for index in reversed(range(len(nodes))):  # a graph is written in the order of its data
        layer, number = own[index], numbers[index]
        if layer and number is not None:
            found[index] = Place(layer, number)
            continue
        after = [place for r in readers.get(index, ()) if (place := found[r]) is not None]
        target = min(after, key=lambda place: place.step, default=None)
        crosses = target is not None and ONCE < before[index] < target.step
        if target is None or crosses:
            found[index] = Place(SAMPLER, before[index])
        else:
            found[index] = target
    return [place for place in found if place is not None]


def kernels(original: onnx.ModelProto) -> dict[str, Shape]:
    """Layer -> shape of its weights, where a layer has one kernel only."""
    shapes = {tensor.name: tuple(tensor.dims) for tensor in original.graph.initializer}
    for node in original.graph.node:  # weights are stored in fewer bytes than they are used in
        if node.op_type in _OF_WEIGHTS and node.input[0] in shapes:
            shapes[node.output[0]] = shapes[node.input[0]]
    found: dict[str, set[Shape]] = {}
    for node in original.graph.node:
        layer = _layer_of(node, {})
        if layer and _multiplies(node) and len(node.input) > 1 and node.input[1] in shapes:
            found.setdefault(layer, set()).add(shapes[node.input[1]])
    return {layer: next(iter(known)) for layer, known in found.items() if len(known) == 1}


def macs(
    node: onnx.NodeProto,
    weights: Mapping[str, Shape],
    inputs: Sequence[Shape],
    out: Shape,
    kernel: Shape | None = None,
) -> int:
    """Multiplications of a node, 0 for other than convolutions, products and LSTMs.

    Args:
        weights: shape of every initialiser by name.
        inputs: shapes of the inputs, empty where unknown.
        out: shape of the first output.
        kernel: of the convolution before onnxruntime padded its channels to whole vectors.
    """
    shapes = [weights.get(name, shape) for name, shape in zip(node.input, inputs, strict=False)]
    known = [weights[name] for name in node.input if len(weights.get(name, ())) >= 2]
    if node.op_type in ("Conv", "FusedConv", "QLinearConv") and known:
        positions = prod(out) // known[0][0]
        return positions * prod(kernel or known[0])
    if node.op_type == "ConvTranspose" and known:
        return prod(shapes[0]) * prod(known[0][1:])
    if node.op_type == "LSTM":
        return shapes[0][0] * shapes[0][1] * sum(prod(matrix) for matrix in known[:2])
    if _multiplies(node):
        return prod(out) * (shapes[0][-1] if shapes[0] else 0)
    return 0


def _multiplies(node: onnx.NodeProto) -> bool:
    return any(kind in node.op_type for kind in ("Conv", "MatMul", "Gemm"))


def _layers_by_name(model: onnx.ModelProto) -> dict[str, str]:
    """Name of a node, or of its output or of the activation behind it -> its layer."""
    found: dict[str, str] = {}
    for node in model.graph.node:
        layer = _layer_of(node, {})
        if not layer and len(node.input) == 1 and node.op_type not in _OF_WEIGHTS:
            layer = found.get(node.input[0])  # onnxruntime calls what it fuses by the last
            if layer and not _ACTIVATION.search(node.op_type):
                layer = None
        if layer:
            found |= dict.fromkeys((node.name, *node.output), layer)
    return found


def _layer_of(node: onnx.NodeProto, by_name: Mapping[str, str]) -> str | None:
    if node.op_type in _OF_WEIGHTS:
        return None
    for name in node.input[1:] if len(node.input) > 1 else ():
        if match := _PARAMETER.fullmatch(name):
            return match["layer"]
    if "Gather" in node.op_type and node.input and (match := _PARAMETER.fullmatch(node.input[0])):
        return match["layer"]  # an embedding
    if not _multiplies(node):
        return None
    name = node.name
    while name not in by_name and (shorter := _ADDED.sub("", name)) != name:
        name = shorter
    return by_name.get(name)


def _depends_on_noise(nodes: Sequence[onnx.NodeProto]) -> list[bool]:
    varying = {NOISE}
    found = []
    for node in nodes:
        found.append(not varying.isdisjoint(node.input))
        if found[-1]:
            varying.update(node.output)
    return found


def _steps(layers: Sequence[str | None], varies: Sequence[bool], total: int) -> list[int | None]:
    """The step of each layer in the order of the graph: its n-th occurrence is step n.

    A layer may occur several times a step, where a convolution was cut in two.
    """
    pairs = list(zip(layers, varies, strict=True))
    count = Counter(layer for layer, changes in pairs if changes)
    seen: Counter[str | None] = Counter()
    found: list[int | None] = []
    for layer, changes in pairs:
        if layer is None:
            found.append(None)
        elif not changes or not total:
            found.append(ONCE)
        else:
            found.append(1 + seen[layer] * total // count[layer])
            seen[layer] += 1
    return found


def _latest_step_before(
    nodes: Sequence[onnx.NodeProto], producer: Mapping[str, int], numbers: Sequence[int | None]
) -> list[int]:
    latest: list[int] = []
    for index, node in enumerate(nodes):
        above = [latest[producer[name]] for name in node.input if name in producer]
        own = numbers[index]
        latest.append(max([*above, own if own is not None else ONCE]))
    return latest
