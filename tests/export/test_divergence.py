"""The layer that computes something else is found."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn

from dlpo.bundle import Bundle
from dlpo.errors import BundleError
from dlpo_export.lstm import OnnxLstm
from dlpo_export.parity.divergence import (
    Divergence,
    Tensors,
    find_divergence,
    sqnr_db,
    varying_tensors,
)
from dlpo_export.parity.open_graph import OpenGraph

HEALTHY_DB = 110.0  # of a tensor in float32


@pytest.fixture
def graph(tiny_bundle: Path) -> onnx.ModelProto:
    """The test's own, to be damaged."""
    return onnx.load(Bundle.load(tiny_bundle).graph_path("denoiser_2"))


def tensors_of(model: onnx.ModelProto, inputs: Any) -> Tensors:
    return OpenGraph(model, varying_tensors(model), fuse=False).run(inputs)


def change(model: onnx.ModelProto, tensor: str, by: float) -> None:
    """Add to one entry of a weight or constant, which may be stored as float16."""
    (found,) = (t for t in model.graph.initializer if t.name in (tensor, f"{tensor}.half"))
    values = numpy_helper.to_array(found).copy()
    values.flat[0] += by
    found.CopyFrom(numpy_helper.from_array(values, found.name))


def layers(model: onnx.ModelProto, op_type: str) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type == op_type]


def diverged(expected: Tensors, model: onnx.ModelProto, inputs: Any) -> Divergence:
    found = find_divergence(expected, model, inputs, HEALTHY_DB)
    assert found is not None
    return found


def test_a_changed_weight_is_found_and_a_healthy_graph_has_none(
    graph: onnx.ModelProto, inputs: dict[str, NDArray[np.float32]]
) -> None:
    expected = tensors_of(copy.deepcopy(graph), inputs)
    assert find_divergence(expected, graph, inputs, HEALTHY_DB) is None
    change(graph, "model.spectrum_conditioning.weight", 5.0)
    change(graph, "model.spectrum_blocks.1.depthwise.weight", 5.0)
    found = diverged(expected, graph, inputs)  # the first of the two
    weights = {node.name: node.input[1] for node in graph.graph.node if len(node.input) > 1}
    assert weights[found.node].startswith("model.spectrum_conditioning.weight")
    assert all(db > 100 for _, db in found.inputs)  # what it reads was still right


def test_coarse_layer_is_named_despite_renamed_input(
    graph: onnx.ModelProto, inputs: dict[str, NDArray[np.float32]]
) -> None:
    expected = tensors_of(copy.deepcopy(graph), inputs)
    conv = layers(graph, "Conv")[2]
    constants = {"q.scale": np.float32(2.0), "q.zero": np.uint8(128)}
    for name, value in constants.items():
        graph.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    read, position = conv.input[0], list(graph.graph.node).index(conv)
    conv.input[0] = "q.out"
    make = onnx.helper.make_node
    graph.graph.node.insert(position, make("QuantizeLinear", [read, *constants], ["q.in"]))
    graph.graph.node.insert(position + 1, make("DequantizeLinear", ["q.in", *constants], ["q.out"]))
    found = diverged(expected, graph, inputs)
    assert found.node == conv.name
    assert read in dict(found.inputs)


def test_a_graph_that_cannot_run_is_an_error(graph: onnx.ModelProto) -> None:
    with pytest.raises(BundleError, match="onnxruntime can't run it"):
        tensors_of(graph, {})


def test_sqnr_is_the_power_ratio_in_decibels() -> None:
    expected = np.array([3.0, 4.0], np.float32)
    assert sqnr_db(expected + np.float32([0.0, 0.5]), expected) == pytest.approx(20.0)
    assert sqnr_db(expected, expected) == math.inf
    assert sqnr_db(np.full(2, np.nan, np.float32), expected) == -math.inf
    assert sqnr_db(expected[:1], expected) == -math.inf


@pytest.mark.parametrize(
    "lstm",
    [
        nn.LSTM(2, 3, num_layers=2, batch_first=True),
        nn.LSTM(2, 3, bidirectional=True, batch_first=True),
        nn.LSTM(2, 3),
        nn.LSTM(2, 3, batch_first=True, bias=False),
    ],
)
def test_lstm_of_another_kind_is_refused(lstm: nn.LSTM) -> None:
    with pytest.raises(NotImplementedError, match="only one layer, one way"):
        OnnxLstm(lstm)
