"""Which layer of a graph computes something else: every layer compared, and the first that differs.

Two errors are told of each layer. The accumulated one is that of the graph as it runs. The local
one is what the layer adds by itself: it is fed the expected values of its inputs, all layers of a
graph in one run, so that an early error does not hide a later one and is not blamed on it.

Layers are matched by the names of the tensors that they make: quantisation and float16 keep them,
and torch's exporter gives a tensor the name of its node in the exported program.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dlpo.errors import BundleError
from dlpo_export.parity.open_graph import OpenGraph

if TYPE_CHECKING:
    import onnx

Tensors = Mapping[str, NDArray[Any]]

EXPECTED = ".expected"  # suffix of the inputs that replace a tensor
SUMS = ("Add", "Sub", "Sum")


@dataclass(frozen=True, slots=True)
class LayerError:
    """How far the output of one layer is from what it should be."""

    tensor: str
    """the output"""
    node: str
    """the layer's name"""
    op_type: str
    inputs: tuple[str, ...]
    """the compared tensors that it reads, directly or through layers that have no counterpart"""
    sqnr_db: float
    """power of the tensor over the power of its error, as the graph runs; infinite where equal"""
    local_sqnr_db: float
    """likewise of the error that this layer makes by itself, its inputs being as expected"""
    local_largest: float
    """of the absolute errors that it makes by itself, as a share of the tensor's RMS; of a sum, of
    the RMS of its largest term, since terms that cancel leave their rounding errors behind"""


def layer_errors(
    reference: onnx.ModelProto, other: onnx.ModelProto, inputs: Tensors
) -> list[LayerError]:
    """Compare every layer of a graph in another precision with the graph that it was made from.

    Args:
        reference, other: with their weights loaded, as `onnx.load` does.
        inputs: of both, by name. All intermediate tensors are held at once: for a large model
            give few frames.

    Returns:
        One entry for each floating-point tensor that is in both graphs and depends on the inputs,
        in the order in which `other` computes them.

    Raises:
        BundleError: onnxruntime can't run one of them.
        MissingExtraError: onnx or onnxruntime is not installed.
    """
    made = {output for node in reference.graph.node for output in node.output}
    common = [name for name in varying_tensors(other) if name in made]
    return compare_layers(run_model(reference, inputs, common), other, inputs)


def compare_layers(expected: Tensors, model: onnx.ModelProto, inputs: Tensors) -> list[LayerError]:
    """Compare every layer of a graph with given values of its tensors.

    Args:
        expected: by name; what `model` does not compute is left out.
        inputs: of `model`, by name.

    Returns, Raises: see `layer_errors`.
    """
    floats = _floating_types(model)
    names = [
        name
        for name in varying_tensors(model)
        if name in expected and name in floats and expected[name].dtype.kind == "f"
    ]
    forced = {f"{name}{EXPECTED}": expected[name].astype(floats[name]) for name in names}
    alone = run_model(_fed_with_expected(model, names), {**inputs, **forced}, names)
    try:
        chained = run_model(model, inputs, names)
    except BundleError:  # an output has a shape that the next layer can't take
        chained = {}
    producers = {output: node for node in model.graph.node for output in node.output}
    reads = _compared_inputs(model, set(names))
    return [
        LayerError(
            tensor=name,
            node=producers[name].name,
            op_type=producers[name].op_type,
            inputs=reads[name],
            sqnr_db=sqnr_db(chained.get(name, np.empty(0)), expected[name]),
            local_sqnr_db=sqnr_db(alone[name], expected[name]),
            local_largest=largest_error(
                alone[name],
                expected[name],
                [expected[term] for term in reads[name] if producers[name].op_type in SUMS],
            ),
        )
        for name in names
    ]


def sqnr_db(made: NDArray[Any], expected: NDArray[Any]) -> float:
    """Power of `expected` over the power of the difference, dB; -inf for NaN or another shape."""
    if made.shape != expected.shape or not np.isfinite(made).all():
        return -math.inf
    noise = float(np.sum((made.astype(np.float64) - expected) ** 2))
    signal = float(np.sum(expected.astype(np.float64) ** 2))
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf


def largest_error(
    made: NDArray[Any], expected: NDArray[Any], terms: Sequence[NDArray[Any]] = ()
) -> float:
    """Largest absolute difference, as a share of the largest RMS among `expected` and `terms`.

    Infinite for NaN or another shape.
    """
    if made.shape != expected.shape or not np.isfinite(made).all():
        return math.inf
    if made.size == 0:
        return 0.0
    rms = max(float(np.sqrt(np.mean(x.astype(np.float64) ** 2))) for x in (expected, *terms))
    largest = float(np.abs(made.astype(np.float64) - expected).max())
    return largest / rms if rms else largest


def run_model(
    model: onnx.ModelProto, inputs: Tensors, fetch: Collection[str]
) -> dict[str, NDArray[Any]]:
    """Run a graph on one CPU thread and return any of its tensors by name.

    Layers are not fused, so that each computes what it says.

    Raises:
        BundleError: onnxruntime can't load or run it.
        MissingExtraError: onnx or onnxruntime is not installed.
    """
    return OpenGraph(model, fetch, fuse=False).run(inputs) if fetch else {}


def varying_tensors(model: onnx.ModelProto) -> list[str]:
    """What the layers make from the inputs, in order; weights and constants are not among it."""
    constant = {tensor.name for tensor in model.graph.initializer}
    varying = {tensor.name for tensor in model.graph.input} - constant
    found = []
    for node in model.graph.node:
        if varying.intersection(node.input):
            varying.update(node.output)
            found += [output for output in node.output if output]
    return found


def _floating_types(model: onnx.ModelProto) -> dict[str, np.dtype[Any]]:
    """The dtype of every tensor that is floating-point, by name."""
    import onnx

    graph = onnx.shape_inference.infer_shapes(model).graph
    found = {}
    for value in (*graph.value_info, *graph.output):
        dtype = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        if dtype.kind == "f":
            found[value.name] = dtype
    return found


def _fed_with_expected(model: onnx.ModelProto, names: Collection[str]) -> onnx.ModelProto:
    """A copy in which every reader of these tensors reads an input in their place."""
    from onnx import helper

    types = _floating_types(model)
    fed = copy.deepcopy(model)
    names = set(names)
    for node in fed.graph.node:
        for place, name in enumerate(node.input):
            if name in names:
                node.input[place] = f"{name}{EXPECTED}"
    for name in sorted(names):
        kind = helper.np_dtype_to_tensor_dtype(types[name])
        fed.graph.input.append(helper.make_tensor_value_info(f"{name}{EXPECTED}", kind, None))
    del fed.graph.value_info[:]  # an expected value may have the shape that the graph gets wrong
    return fed


def _compared_inputs(model: onnx.ModelProto, names: set[str]) -> dict[str, tuple[str, ...]]:
    """For every tensor of `names`, those of them that it is made from."""
    sources: dict[str, tuple[str, ...]] = {}  # of every tensor: itself where it is compared
    found = {}
    for node in model.graph.node:
        reads = tuple(dict.fromkeys(s for name in node.input for s in sources.get(name, ())))
        for output in node.output:
            sources[output] = (output,) if output in names else reads
            if output in names:
                found[output] = reads
    return found
