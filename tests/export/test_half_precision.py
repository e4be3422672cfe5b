"""The float16 graph: network in half precision, chain and normalisations in float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from dlpo.bundle import Bundle
from dlpo_export.half_precision import LARGEST, largest_values, to_half
from dlpo_export.parity.divergence import sqnr_db, varying_tensors
from dlpo_export.parity.open_graph import OpenGraph
from dlpo_export.parity.rounding import rounded_in_float32
from dlpo_export.tensorrt.graph import load_for_tensorrt
from tests.toys import element_types as types

FLOAT = TensorProto.FLOAT
FLOAT16 = TensorProto.FLOAT16
INT64 = TensorProto.INT64


@pytest.fixture(scope="module")
def full(tiny_bundle: Path) -> onnx.ModelProto:
    return onnx.load(Bundle.load(tiny_bundle).graph_path("denoiser_2"))


@pytest.fixture(scope="module")
def half(full: onnx.ModelProto) -> onnx.ModelProto:
    return to_half(full)


def test_convolutions_are_fp16_and_the_chain_fp32(half: onnx.ModelProto) -> None:
    kinds = types(half)
    by_op = {  # without lengths, which are integers
        op: {kinds[node.output[0]] for node in half.graph.node if node.op_type == op} - {INT64}
        for op in ("Conv", "Div", "Sub", "Pad")
    }
    assert by_op["Conv"] == {FLOAT16}
    # of reverse steps, and frames of the spectrum
    assert by_op["Div"] == by_op["Sub"] == by_op["Pad"] == {FLOAT}


def test_stated_types_are_the_inferred_ones(half: onnx.ModelProto) -> None:
    onnx.checker.check_model(half, full_check=True)
    kinds = types(half)
    assert all(
        value.type.tensor_type.elem_type == kinds[value.name] for value in half.graph.value_info
    )


def test_every_tensor_is_within_what_eleven_bits_leave(
    full: onnx.ModelProto, half: onnx.ModelProto, inputs: dict[str, NDArray[np.float32]]
) -> None:
    expected, made = (
        OpenGraph(m, varying_tensors(m), fuse=False).run(inputs) for m in (full, half)
    )
    assert "waveform" in made
    far = {name: sqnr_db(made[name], expected[name]) for name in expected if name in made}
    reciprocals = {o for n in full.graph.node if n.op_type == "Reciprocal" for o in n.output}
    assert not {n: db for n, db in far.items() if db <= 45 and n not in reciprocals}


def small_graph(scale: float) -> onnx.ModelProto:
    """x (1, 2, L) -> Conv, times `scale`, Conv, divided by it again."""
    weight = np.eye(2, dtype=np.float32)[:, :, None]
    constants = {
        "w": weight,
        "up": np.full((2, 2, 1), 0, np.float32) + scale * weight,
        "down": weight / scale,
    }
    model = onnx.parser.parse_model("""
        <ir_version: 10, opset_import: ["" : 20]>
        small (float[1, 2, L] x) => (float[1, 2, L] y) {
            a = Conv(x, w)
            b = Conv(a, up)
            c = LeakyRelu <alpha = 1.0> (b)
            y = Conv(c, down)
        }
    """)
    model.graph.initializer.extend(numpy_helper.from_array(v, n) for n, v in constants.items())
    return onnx.shape_inference.infer_shapes(model)


def test_layers_with_large_values_stay_in_full_precision() -> None:
    x = np.random.default_rng(0).standard_normal((1, 2, 50)).astype(np.float32)
    model = small_graph(2 * LARGEST / 5)
    sample = {"x": 8 * x}
    assert largest_values(model, ["b"], [sample])["b"] > LARGEST
    careless, careful = to_half(model), to_half(model, [sample])
    assert types(careless)["b"] == FLOAT16
    kinds = types(careful)
    assert (kinds["a"], kinds["b"], kinds["c"]) == (FLOAT16, FLOAT, FLOAT)
    made = OpenGraph(careful, ["y"], fuse=False).run(sample)["y"]
    np.testing.assert_allclose(made, sample["x"], rtol=2e-3)


def test_layer_with_a_weight_beyond_fp16_stays_fp32() -> None:
    kinds = types(to_half(small_graph(1e5)))
    assert (kinds["a"], kinds["b"]) == (FLOAT16, FLOAT)


def test_normalisation_and_attention_stay_in_full_precision(tiny_bundle: Path) -> None:
    bundle = Bundle.load(tiny_bundle)
    for name in ("encoder", "frames"):
        full = onnx.shape_inference.infer_shapes(load_for_tensorrt(bundle.graph_path(name)))
        weights = {tensor.name for tensor in full.graph.initializer}
        kept = ("LayerNormalization", "Softmax", "Exp", "CumSum")
        wide = {  # also what multiplies two activations
            node.output[0]
            for node in full.graph.node
            if node.op_type in kept
            or (node.op_type == "MatMul" and not weights.intersection(node.input))
        }
        half = to_half(full)
        kinds = types(half)
        assert {kinds[tensor] for tensor in wide} == {FLOAT}
        assert {kinds[value.name] for value in half.graph.output} == {FLOAT}


def test_bfloat16_loses_what_eight_bits_lose(
    full: onnx.ModelProto, inputs: dict[str, NDArray[np.float32]]
) -> None:
    expected = OpenGraph(full).run(inputs)["waveform"]
    narrow = to_half(full, precision="bf16")
    onnx.checker.check_model(narrow, full_check=True)
    made = OpenGraph(rounded_in_float32(narrow)).run(inputs)["waveform"]
    assert 25 < sqnr_db(made, expected) < 60


def test_rounding_is_that_of_the_type() -> None:
    """Each layer reads, computes with and returns float16; sums are exact."""
    x = np.random.default_rng(0).standard_normal((1, 2, 50)).astype(np.float32)
    half = to_half(small_graph(0.3))
    made = OpenGraph(rounded_in_float32(half)).run({"x": x})["y"]

    def short(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return values.astype(np.float16).astype(np.float32)

    down, up = (np.float32(np.float16(weight)) for weight in (1 / 0.3, 0.3))
    np.testing.assert_array_equal(made, short(down * short(up * short(x))))
