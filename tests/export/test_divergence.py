"""The layer that computes something else is found, with the module that it comes from."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from dlpo.bundle import Bundle
from dlpo.checkpoint import load_checkpoint
from dlpo.config.models import WaveGrad2Config
from dlpo.errors import BundleError
from dlpo.model.build import build_model
from dlpo.noise_schedule import named_schedule
from dlpo_export.graphs import DenoiserGraph, EncoderGraph, FramesGraph
from dlpo_export.lstm import OnnxLstm, lstm_of_onnx
from dlpo_export.parity.divergence import (
    Divergence,
    Expected,
    find_divergence,
    graph_tensors,
    sqnr_db,
    torch_tensors,
)
from dlpo_export.parts import Tracer
from dlpo_export.pipeline import graph_sources
from dlpo_export.weights import round_weights

HEALTHY_DB = 110.0  # of a tensor in float32


@pytest.fixture
def graph(tiny_bundle: Path) -> onnx.ModelProto:
    """The test's own, to be damaged."""
    return onnx.load(Bundle.load(tiny_bundle).graph_path("denoiser_2"))


@pytest.fixture(scope="module")
def inputs() -> dict[str, NDArray[np.float32]]:
    generator = np.random.default_rng(5)
    shapes = {"conditioning": (1, 16, 7), "source": (1, 7, 300), "noise": (1, 1, 7, 300)}
    return {name: generator.standard_normal(shape, np.float32) for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def by_torch(tiny_checkpoint: Path, inputs: dict[str, NDArray[np.float32]]) -> Expected:
    model = load_checkpoint(tiny_checkpoint).model
    round_weights(model, 16)  # as exported
    denoiser = DenoiserGraph(model, named_schedule("cosine", 2))
    sources = graph_sources(EncoderGraph(model), FramesGraph(model), {"denoiser_2": denoiser})
    tensors: dict[str, Tensor] = {name: torch.from_numpy(x) for name, x in inputs.items()}
    return torch_tensors(sources["denoiser_2"], tensors)


def change(model: onnx.ModelProto, tensor: str, by: float) -> None:
    """Add to one entry of a weight or constant, which may be stored as float16."""
    (found,) = (t for t in model.graph.initializer if t.name in (tensor, f"{tensor}.half"))
    values = numpy_helper.to_array(found).copy()
    values.flat[0] += by
    found.CopyFrom(numpy_helper.from_array(values, found.name))


def layers(model: onnx.ModelProto, op_type: str) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type == op_type]


def diverged(expected: Expected, model: onnx.ModelProto, inputs: Any) -> Divergence:
    found = find_divergence(expected, model, inputs, HEALTHY_DB)
    assert found is not None
    return found


def test_a_healthy_graph_agrees_with_torch(
    by_torch: Expected, graph: onnx.ModelProto, inputs: dict[str, NDArray[np.float32]]
) -> None:
    assert find_divergence(by_torch, graph, inputs, usual_db=90.0) is None
    computed = graph_tensors(graph, inputs).tensors
    floats = [name for name, value in computed.items() if value.dtype == np.float32]
    named = [name for name in floats if ".val_" not in name]  # those the exporter adds
    compared = [name for name in named if name in by_torch.tensors]
    assert len(compared) > 0.9 * len(named)
    assert "waveform" in compared


def test_a_changed_weight_is_named_with_its_module(
    by_torch: Expected, graph: onnx.ModelProto, inputs: dict[str, NDArray[np.float32]]
) -> None:
    change(graph, "model.spectrum_blocks.1.depthwise.weight", 0.5)
    found = diverged(by_torch, graph, inputs)
    assert (found.module, found.op_type) == ("model.spectrum_blocks.1.depthwise", "Conv")
    assert all(db > 100 for _, db in found.inputs)  # what it reads was still right
    assert "(Conv of model.spectrum_blocks.1.depthwise)" in str(found)


def test_a_wrong_coefficient_of_the_chain_is_found_though_it_belongs_to_no_network(
    by_torch: Expected, graph: onnx.ModelProto, inputs: dict[str, NDArray[np.float32]]
) -> None:
    scalars = {tensor.name for tensor in graph.graph.initializer if not tensor.dims}
    first = next(node for node in layers(graph, "Div") if scalars.intersection(node.input))
    change(graph, first.input[1], 0.5)
    assert diverged(by_torch, graph, inputs).node == first.name


def test_of_two_broken_layers_the_first_is_named(
    by_torch: Expected, graph: onnx.ModelProto, inputs: dict[str, NDArray[np.float32]]
) -> None:
    change(graph, "model.spectrum_conditioning.weight", 5.0)
    change(graph, "model.spectrum_blocks.1.depthwise.weight", 5.0)
    assert diverged(by_torch, graph, inputs).module == "model.spectrum_conditioning"


def test_a_changed_attribute_is_found_by_comparison_with_another_graph(
    graph: onnx.ModelProto, inputs: dict[str, NDArray[np.float32]]
) -> None:
    expected = graph_tensors(copy.deepcopy(graph), inputs)
    node = layers(graph, "LayerNormalization")[1]
    next(a for a in node.attribute if a.name == "epsilon").f = 9.0
    assert diverged(expected, graph, inputs).node == node.name


def test_a_coarsely_quantized_layer_is_named_though_its_input_was_renamed(
    graph: onnx.ModelProto, inputs: dict[str, NDArray[np.float32]]
) -> None:
    expected = graph_tensors(copy.deepcopy(graph), inputs)
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
        graph_tensors(graph, {})


def test_sqnr_is_the_power_ratio_in_decibels() -> None:
    expected = np.array([3.0, 4.0], np.float32)
    assert sqnr_db(expected + np.float32([0.0, 0.5]), expected) == pytest.approx(20.0)
    assert sqnr_db(expected, expected) == math.inf
    assert sqnr_db(np.full(2, np.nan, np.float32), expected) == -math.inf
    assert sqnr_db(expected[:1], expected) == -math.inf


@pytest.mark.full
def test_lstms_are_compared_too() -> None:
    config = WaveGrad2Config(
        encoder_channels=8,
        encoder_layers=1,
        speaker_channels=4,
        predictor_channels=4,
        conditioning_channels=12,
        up_channels=(12, 12, 8, 8, 8),
        waveform_channels=4,
        down_channels=(8, 8, 8, 12),
    )
    torch.manual_seed(2)
    model = build_model(config).eval()
    source = graph_sources(EncoderGraph(model), FramesGraph(model), {})["encoder"]
    graph = Tracer().to_onnx(source)
    phonemes = torch.tensor([[5, 9, 3, 30, 2]])
    expected = torch_tensors(source, {"phonemes": phonemes})
    inputs = {"phonemes": phonemes.numpy()}
    assert find_divergence(expected, graph, inputs, usual_db=90.0) is None
    change(graph, layers(graph, "LSTM")[2].input[2], 0.5)
    assert diverged(expected, graph, inputs).op_type == "LSTM"


def test_weights_in_onnx_order_compute_the_same() -> None:
    torch.manual_seed(0)
    lstm = nn.LSTM(5, 7, batch_first=True)
    exported = OnnxLstm(lstm)
    x = torch.randn(2, 9, 5)
    with torch.no_grad():
        expected, _ = lstm(x)
        made = lstm_of_onnx(x.transpose(0, 1), exported.w, exported.r, exported.b)
    assert made.shape == (9, 1, 2, 7)
    torch.testing.assert_close(made[:, 0].transpose(0, 1), expected)


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
