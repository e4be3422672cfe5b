"""8 bits go where they are not heard, and nowhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from dlpo.bundle import DEFAULT_VOICE
from dlpo_export.parity.open_graph import OpenGraph
from dlpo_export.quantise import chain_to_int8, tensor_ranges, to_int8
from dlpo_export.sensitivity import noise_db
from dlpo_serving.voices import find_voice

FRAMES = 40
OUTLIER = 400.0  # one channel so loud that 8 bits leave nothing of the others


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    """Two convolutions in parallel and a third one behind; the second reads an outlier."""
    rng = np.random.default_rng(0)

    def weight(name: str, outputs: int, inputs: int) -> onnx.TensorProto:
        kernel = 0.2 * rng.standard_normal((outputs, inputs, 1))
        return numpy_helper.from_array(kernel.astype(np.float32), name)

    loud = np.ones((1, 8, 1), np.float32)
    loud[0, 0] = OUTLIER
    quiet = numpy_helper.to_array(weight("loud.weight", 8, 8)).copy()
    quiet[:, 0] /= OUTLIER  # the sum is as large as that of the first
    model = onnx.parser.parse_model("""
        <ir_version: 10, opset_import: ["" : 20]>
        toy (float[B, F, 300] source) => (float[B, F, 300] waveform)
        <int64[3] patches = {0, -1, 20}, int64[3] frames = {0, -1, 300}> {
            rows = Reshape(source, patches)
            x = Transpose <perm = [0, 2, 1]> (rows)
            [enter] entered = Conv(x, "enter.weight")
            scaled = Mul(entered, loud)
            [loud] b = Conv(scaled, "loud.weight")
            [calm] a = Conv(entered, "calm.weight")
            sum = Add(a, b)
            [leave] left = Conv(sum, "leave.weight")
            samples = Transpose <perm = [0, 2, 1]> (left)
            waveform = Reshape(samples, frames)
        }
    """)
    model.graph.initializer.extend(
        [
            weight("enter.weight", 8, 20),
            weight("calm.weight", 8, 8),
            weight("leave.weight", 20, 8),
            numpy_helper.from_array(quiet, "loud.weight"),
            numpy_helper.from_array(loud, "loud"),
        ]
    )
    return model


@pytest.fixture(scope="module")
def rollouts() -> list[dict[str, NDArray[Any]]]:
    rng = np.random.default_rng(1)
    made = rng.standard_normal((3, 1, FRAMES, 300)).astype(np.float32)
    return [{"source": source} for source in made]


def quantised_layers(model: onnx.ModelProto) -> set[str]:
    """Layers whose input comes from a DequantizeLinear."""
    made = {output: node.op_type for node in model.graph.node for output in node.output}
    return {
        node.name
        for node in model.graph.node
        if node.op_type == "Conv" and made.get(node.input[0]) == "DequantizeLinear"
    }


def test_sensitive_layer_stays_exact_with_shared_weights(
    model: onnx.ModelProto, rollouts: list[dict[str, NDArray[Any]]]
) -> None:
    sharing = onnx.ModelProto.FromString(model.SerializeToString())
    for node in sharing.graph.node:
        if node.name == "calm":  # as a step that is quantised shares them with one that is not
            node.input[1] = "loud.weight"
    made, measured = to_int8(sharing, rollouts)
    assert measured[0].node == "loud"
    assert quantised_layers(made) == {"enter", "calm", "leave"}
    (exact,) = (node for node in made.graph.node if node.name == "loud")
    values = {t.name: numpy_helper.to_array(t) for t in made.graph.initializer}
    before = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    np.testing.assert_array_equal(values[exact.input[1]], before["loud.weight"])


@pytest.mark.parametrize("symmetric", [False, True])
def test_quantised_graph_is_close_to_the_float_graph(
    model: onnx.ModelProto, rollouts: list[dict[str, NDArray[Any]]], symmetric: bool
) -> None:
    made, measured = to_int8(model, rollouts, symmetric=symmetric)
    inputs = rollouts[0]
    before, after = (
        OpenGraph(m, ["waveform"], fuse=False).run(inputs)["waveform"] for m in (model, made)
    )
    error = noise_db(after, before)
    assert -60 < error < -15
    assert error < measured[0].noise_db  # of the layer that was left out


def test_cpu_activations_unsigned_weights_per_channel(
    model: onnx.ModelProto, rollouts: list[dict[str, NDArray[Any]]]
) -> None:
    made, _ = to_int8(model, rollouts)
    values = {t.name: numpy_helper.to_array(t) for t in made.graph.initializer}
    quantisers = [node for node in made.graph.node if node.op_type == "QuantizeLinear"]
    assert all(values[node.input[2]].dtype == np.uint8 for node in quantisers)
    scales = [values[name] for name in values if name.startswith("calm.weight_scale")]
    assert [scale.shape for scale in scales] == [(8,)]


def test_two_products_fit_16_bits_without_vnni(
    model: onnx.ModelProto, rollouts: list[dict[str, NDArray[Any]]]
) -> None:
    made, _ = to_int8(model, rollouts)
    bundle = find_voice(DEFAULT_VOICE)
    shipped = [onnx.load(path) for path in sorted(bundle.glob("*.int8.onnx"))]
    assert len(shipped) > 2
    largest_input = np.iinfo(np.uint8).max
    for graph in (made.graph, *(quantised.graph for quantised in shipped)):
        tensors = (numpy_helper.to_array(tensor) for tensor in graph.initializer)
        weights = [values for values in tensors if values.dtype == np.int8 and values.any()]
        largest = max(abs(int(end)) for w in weights for end in (w.min(), w.max()))
        assert largest > 32
        assert 2 * largest_input * largest <= np.iinfo(np.int16).max


def test_ranges_span_all_rollouts_and_zero(model: onnx.ModelProto) -> None:
    def rollout(value: float) -> dict[str, NDArray[Any]]:
        return {"source": np.full((1, 1, 300), value, np.float32)}

    ranges = tensor_ranges(model, ["enter"], [rollout(1.0), rollout(3.0)])
    assert ranges["x"] == (0.0, 3.0)
    ranges = tensor_ranges(model, ["enter"], [rollout(-2.0), rollout(3.0)])
    assert ranges["x"] == (-2.0, 3.0)


def test_below_what_a_gelu_tells_from_zero_no_step_is_spent(model: onnx.ModelProto) -> None:
    activated = onnx.ModelProto.FromString(model.SerializeToString())
    for node in activated.graph.node:
        if node.name == "calm":
            node.output[0] = "before"
    activated.graph.node.insert(5, helper.make_node("Gelu", ["before"], ["a"]))
    rollouts = [{"source": np.full((1, 1, 300), value, np.float32)} for value in (-50.0, 50.0)]
    before, after = (tensor_ranges(m, ["calm"], rollouts) for m in (model, activated))
    low, high = before["a"]
    assert low < -10
    assert after["before"] == (-4.0, high)  # GELU(-4) is -0.0001


def test_noise_counts_in_quiet_frames_as_it_is_heard() -> None:
    expected = np.zeros((1, 2, 300), np.float32)
    expected[0, 0] = 0.5
    loud, quiet = expected.copy(), expected.copy()
    loud[0, 0] += 0.01
    quiet[0, 1] += 0.01
    assert noise_db(quiet, expected) > noise_db(loud, expected) + 20


def chain(first: float, second: float) -> onnx.ModelProto:
    """Two steps, each of which adds a share of its layer's output, and a layer of few weights."""
    rng = np.random.default_rng(2)
    model = onnx.parser.parse_model("""
        <ir_version: 10, opset_import: ["" : 20]>
        toy (float[B, F, 300] source) => (float[B, F, 300] waveform)
        <int64[3] patches = {0, -1, 25}, int64[3] frames = {0, -1, 300}> {
            rows = Reshape(source, patches)
            x = Transpose <perm = [0, 2, 1]> (rows)
            u = Neg(x)
            a = Conv(u, "wide")
            b = Mul(a, "first")
            y = Add(x, b)
            v = Neg(y)
            c = Conv(v, "wide")
            d = Mul(c, "second")
            z = Add(y, d)
            e = Conv <group = 25> (z, "thin")
            samples = Transpose <perm = [0, 2, 1]> (e)
            waveform = Reshape(samples, frames)
        }
    """)
    names = {"a": "step.0.conv", "c": "step.1.conv", "e": "step.0.thin"}
    for node in model.graph.node:
        node.name = names.get(node.output[0], "")
    constants = {
        "wide": rng.standard_normal((25, 25, 1)),
        "thin": np.ones((25, 1, 1)),
        "first": np.array(first),
        "second": np.array(second),
    }
    for name, value in constants.items():
        model.graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), name))
    return model


@pytest.mark.parametrize(
    ("first", "second", "steps"), [(1e-3, 1e-3, 2), (1e-3, 0.1, 1), (0.1, 0.1, 0)]
)
def test_steps_are_in_8_bits_until_their_noise_is_heard(
    first: float, second: float, steps: int
) -> None:
    spoken = np.random.default_rng(3).standard_normal((1, FRAMES, 300)).astype(np.float32)
    spoken[:, ::2] *= 0.01  # noise is heard in quiet frames
    made, found = chain_to_int8(chain(first, second), [{"source": spoken}])
    assert found == steps
    assert quantised_layers(made) == {f"step.{step}.conv" for step in range(steps)}
