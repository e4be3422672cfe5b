"""The layer that computes something else is found, and its neighbours are not blamed."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from dlpo.bundle import Bundle
from dlpo.errors import BundleError
from dlpo_export.parity.divergence import LayerError, layer_errors, sqnr_db

SAME = 100.0  # dB; above it a layer of a float32 graph counts as unchanged


@pytest.fixture(scope="module")
def graph(tiny_bundle: Any) -> onnx.ModelProto:
    return onnx.load(Bundle.load(tiny_bundle).graph_path("denoiser_2"))


@pytest.fixture(scope="module")
def inputs() -> dict[str, NDArray[np.float32]]:
    generator = np.random.default_rng(5)
    shapes = {"conditioning": (1, 16, 7), "source": (1, 7, 300), "noise": (1, 1, 7, 300)}
    return {name: generator.standard_normal(shape, np.float32) for name, shape in shapes.items()}


def weight_of(model: onnx.ModelProto, node: onnx.NodeProto) -> onnx.TensorProto:
    """Its second input; in a bundle of halved weights the tensor behind the Cast."""
    names = {node.input[1], f"{node.input[1]}.half"}
    return next(tensor for tensor in model.graph.initializer if tensor.name in names)


def layers(model: onnx.ModelProto, op_type: str) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type == op_type]


def wrong(errors: list[LayerError]) -> list[str]:
    """Names of the layers that make an error by themselves."""
    return [entry.node for entry in errors if entry.local_sqnr_db < SAME]


def test_graph_equals_itself_in_every_layer(
    graph: onnx.ModelProto, inputs: dict[str, NDArray[np.float32]]
) -> None:
    errors = layer_errors(graph, graph, inputs)
    assert {"Conv", "LeakyRelu", "Resize"} <= {entry.op_type for entry in errors}
    assert wrong(errors) == []


def test_changed_weight_is_an_error_of_its_layer_alone(
    graph: onnx.ModelProto, inputs: dict[str, NDArray[np.float32]]
) -> None:
    other = copy.deepcopy(graph)
    conv = layers(other, "Conv")[5]
    users = [node.name for node in layers(other, "Conv") if node.input[1] == conv.input[1]]
    weight = weight_of(other, conv)
    values = numpy_helper.to_array(weight).copy()
    values.flat[3] += 0.5
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    errors = layer_errors(graph, other, inputs)
    assert set(wrong(errors)) == set(users)  # both steps read it
    first = next(entry for entry in errors if entry.node == users[0])
    assert first.sqnr_db == pytest.approx(first.local_sqnr_db, abs=1)
    assert errors[-1].sqnr_db < SAME  # the chain carries it to the end


def test_changed_attribute_is_found_where_it_is(
    graph: onnx.ModelProto, inputs: dict[str, NDArray[np.float32]]
) -> None:
    other = copy.deepcopy(graph)
    node = layers(other, "LeakyRelu")[7]
    node.attribute[0].f = 0.1
    assert wrong(layer_errors(graph, other, inputs)) == [node.name]


def test_layer_of_another_shape_is_found_though_the_next_ones_cannot_run(
    graph: onnx.ModelProto, inputs: dict[str, NDArray[np.float32]]
) -> None:
    other = copy.deepcopy(graph)
    node = layers(other, "Conv")[4]
    (pads,) = (attribute for attribute in node.attribute if attribute.name == "pads")
    pads.ints[:] = [n + 1 for n in pads.ints]
    errors = layer_errors(graph, other, inputs)
    assert wrong(errors) == [node.name]
    assert next(entry for entry in errors if entry.node == node.name).local_largest == math.inf


def test_layer_names_the_compared_tensors_that_it_reads(
    graph: onnx.ModelProto, inputs: dict[str, NDArray[np.float32]]
) -> None:
    errors = {entry.node: entry for entry in layer_errors(graph, graph, inputs)}
    made = {entry.tensor for entry in errors.values()}
    for node in layers(graph, "Conv"):
        assert set(errors[node.name].inputs) == made.intersection(node.input)


def test_quantised_layers_are_compared_with_their_float_originals(
    graph: onnx.ModelProto, inputs: dict[str, NDArray[np.float32]]
) -> None:
    other = copy.deepcopy(graph)
    conv = layers(other, "Conv")[5]
    scale, zero = 0.5, np.uint8(128)  # coarse
    constants = {"q.scale": np.float32(scale), "q.zero": zero}
    for name, value in constants.items():
        other.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    read, position = conv.input[0], list(other.graph.node).index(conv)
    conv.input[0] = "q.out"
    make = onnx.helper.make_node
    quantise = make("QuantizeLinear", [read, *constants], ["q.in"])
    back = make("DequantizeLinear", ["q.in", *constants], ["q.out"])
    other.graph.node.insert(position, quantise)
    other.graph.node.insert(position + 1, back)
    errors = layer_errors(graph, other, inputs)
    assert wrong(errors) == [conv.name]
    assert 0 < next(entry for entry in errors if entry.node == conv.name).local_sqnr_db < 40


def test_graph_that_cannot_run_is_an_error(graph: onnx.ModelProto) -> None:
    with pytest.raises(BundleError, match="onnxruntime can't run it"):
        layer_errors(graph, graph, {})


def test_sqnr_is_the_power_ratio_in_decibels() -> None:
    expected = np.array([3.0, 4.0], np.float32)
    assert sqnr_db(expected + np.float32([0.0, 0.5]), expected) == pytest.approx(20.0)
    assert sqnr_db(expected, expected) == math.inf
    assert sqnr_db(np.full(2, np.nan, np.float32), expected) == -math.inf
    assert sqnr_db(expected[:1], expected) == -math.inf
