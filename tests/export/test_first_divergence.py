"""The first layer that leaves torch is named, with the module that it comes from."""

from __future__ import annotations

import copy
from pathlib import Path

import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor

from dlpo.bundle import Bundle
from dlpo.checkpoint import load_checkpoint
from dlpo.config import WaveGrad2Config
from dlpo.model.build import build_model
from dlpo.model.lite import LiteWaveGrad2
from dlpo.noise_schedule import named_schedule
from dlpo_export.graphs import DenoiserGraph, EncoderGraph, FramesGraph
from dlpo_export.layouts import ChannelsFirst
from dlpo_export.lite_denoiser import LiteDenoiser
from dlpo_export.parity.divergence import compare_layers
from dlpo_export.parity.first_divergence import (
    TOLERANCE,
    Divergence,
    TorchTensors,
    first_divergence,
    torch_tensors,
)
from dlpo_export.parts import Tracer
from dlpo_export.pipeline import graph_sources


@pytest.fixture(scope="module")
def graph(tiny_bundle: Path) -> onnx.ModelProto:
    return onnx.load(Bundle.load(tiny_bundle).graph_path("denoiser_2"))


@pytest.fixture(scope="module")
def inputs() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(5)
    shapes = {"conditioning": (1, 16, 7), "source": (1, 7, 300), "noise": (1, 1, 7, 300)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def expected(tiny_checkpoint: Path, inputs: dict[str, Tensor]) -> TorchTensors:
    model = load_checkpoint(tiny_checkpoint).model.half().float()  # as exported
    assert isinstance(model, LiteWaveGrad2)
    network = LiteDenoiser(model, ChannelsFirst())
    denoiser = DenoiserGraph(model, named_schedule("cosine", 2), network)
    sources = graph_sources(EncoderGraph(model), FramesGraph(model), {"denoiser_2": denoiser})
    return torch_tensors(sources["denoiser_2"], inputs)


def diverged(
    expected: TorchTensors, model: onnx.ModelProto, inputs: dict[str, Tensor]
) -> Divergence | None:
    feed = {name: value.numpy() for name, value in inputs.items()}
    errors = compare_layers(expected.tensors, model, feed)
    return first_divergence(errors, TOLERANCE, expected.modules)


def change(model: onnx.ModelProto, tensor: str, by: float) -> None:
    """Add to one entry of a weight or constant, which may be stored as float16."""
    (found,) = (t for t in model.graph.initializer if t.name in (tensor, f"{tensor}.half"))
    values = numpy_helper.to_array(found).copy()
    values.flat[0] += by
    found.CopyFrom(numpy_helper.from_array(values, found.name))


def test_healthy_graph_agrees_with_torch_in_every_layer(
    expected: TorchTensors, graph: onnx.ModelProto, inputs: dict[str, Tensor]
) -> None:
    assert diverged(expected, graph, inputs) is None


def test_most_layers_have_a_counterpart_in_torch(
    expected: TorchTensors, graph: onnx.ModelProto, inputs: dict[str, Tensor]
) -> None:
    feed = {name: value.numpy() for name, value in inputs.items()}
    compared = {entry.tensor for entry in compare_layers(expected.tensors, graph, feed)}
    made = {output for node in graph.graph.node for output in node.output}
    assert len(compared) > 0.8 * len(made)
    assert "waveform" in compared


def test_changed_weight_is_named_with_its_module(
    expected: TorchTensors, graph: onnx.ModelProto, inputs: dict[str, Tensor]
) -> None:
    broken = copy.deepcopy(graph)
    change(broken, "denoise.up.0.modulated.1.weight", 0.5)
    found = diverged(expected, broken, inputs)
    assert found is not None
    assert found.module == "denoise.up.0.modulated.1"
    assert found.layer.op_type == "Conv"
    assert all(db > 100 for _, db in found.read)  # what it reads was still right
    assert "(Conv of denoise.up.0.modulated.1)" in str(found)


def test_wrong_level_of_one_step_is_found_in_that_step(
    expected: TorchTensors, graph: onnx.ModelProto, inputs: dict[str, Tensor]
) -> None:
    broken = copy.deepcopy(graph)
    constants = {tensor.name for tensor in broken.graph.initializer}
    levels = [
        node
        for node in broken.graph.node
        if node.op_type == "Add" and any("unsqueeze" in name for name in node.input)
    ]
    second = levels[len(levels) // 2]  # as many in either step
    (constant,) = constants.intersection(second.input)
    change(broken, constant, 0.1)
    found = diverged(expected, broken, inputs)
    assert found is not None
    assert found.layer.node == second.name
    assert found.module.startswith("denoise.film")


def test_wrong_coefficient_of_the_chain_is_found_though_it_belongs_to_no_network(
    expected: TorchTensors, graph: onnx.ModelProto, inputs: dict[str, Tensor]
) -> None:
    broken = copy.deepcopy(graph)
    scalars = {tensor.name for tensor in broken.graph.initializer if not tensor.dims}
    first = next(
        node
        for node in broken.graph.node
        if node.op_type == "Div" and scalars.intersection(node.input)
    )
    change(broken, first.input[1], 0.01)
    found = diverged(expected, broken, inputs)
    assert found is not None
    assert found.layer.node == first.name


def test_two_wrong_layers_are_both_seen_and_the_first_is_reported(
    expected: TorchTensors, graph: onnx.ModelProto, inputs: dict[str, Tensor]
) -> None:
    broken = copy.deepcopy(graph)
    change(broken, "denoise.patch_in.weight", 0.5)
    change(broken, "denoise.patch_out.weight", 0.5)
    feed = {name: value.numpy() for name, value in inputs.items()}
    errors = compare_layers(expected.tensors, broken, feed)
    wrong = [expected.modules[entry.tensor] for entry in errors if entry.local_largest > TOLERANCE]
    assert wrong == ["denoise.patch_in", "denoise.patch_out"] * 2
    found = first_divergence(errors, TOLERANCE, expected.modules)
    assert found is not None
    assert found.module == "denoise.patch_in"


def test_graph_with_lstms_is_compared_as_well() -> None:
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
    onnx_model = Tracer().to_onnx(source)
    inputs = {"phonemes": torch.tensor([[5, 9, 3, 30, 2]])}
    expected = torch_tensors(source, inputs)
    assert diverged(expected, onnx_model, inputs) is None
    recurrent = [node for node in onnx_model.graph.node if node.op_type == "LSTM"]
    change(onnx_model, recurrent[2].input[2], 0.5)
    found = diverged(expected, onnx_model, inputs)
    assert found is not None
    assert found.layer.op_type == "LSTM"
