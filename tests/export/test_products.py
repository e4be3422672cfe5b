"""Convolutions as products: the same in float32, and as near as 8 bits on integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from dlpo_export.parity.divergence import sqnr_db
from dlpo_export.parity.open_graph import OpenGraph
from dlpo_export.products import TO_OPTIMISE, as_products
from dlpo_export.weights import LARGEST

CHANNELS, OUTPUTS = 24, 16
LOW, HIGH = -3.0, 5.0  # of what is read


def graph(
    kernel: int, dilation: int, *, channels_last: bool, padded: bool = True
) -> onnx.ModelProto:
    """A convolution whose weights are whole steps, between transpositions or without them."""
    rng = np.random.default_rng(0)
    steps = rng.integers(-LARGEST, LARGEST + 1, (OUTPUTS, CHANNELS, kernel))
    steps[:, 0, 0] = LARGEST
    weights = {
        "layer.weight": (steps * 2.0**-8).astype(np.float32),
        "layer.bias": rng.standard_normal(OUTPUTS).astype(np.float32),
    }
    reach = dilation * (kernel - 1) // 2 if padded else 0
    conv = f"Conv <pads = [{reach}, {reach}], dilations = [{dilation}]>"
    x = f"B, {CHANNELS}, F"
    y = f"B, {OUTPUTS}, G"
    nodes = f"[layer] y = {conv} (x, W, b)"
    if channels_last:
        x, y = f"B, F, {CHANNELS}", f"B, G, {OUTPUTS}"
        nodes = f"""
            turned = Transpose <perm = [0, 2, 1]> (x)
            [layer] unturned = {conv} (turned, W, b)
            made = Transpose <perm = [0, 2, 1]> (unturned)
            y = Relu(made)
        """
    nodes = nodes.replace("W, b", '"layer.weight", "layer.bias"')
    head = '<ir_version: 10, opset_import: ["" : 20]>'
    model = onnx.parser.parse_model(f"{head} toy (float[{x}] x) => (float[{y}] y) {{ {nodes} }}")
    model.graph.initializer.extend(numpy_helper.from_array(v, n) for n, v in weights.items())
    return model


def run(model: onnx.ModelProto, x: NDArray[np.float32]) -> NDArray[Any]:
    return OpenGraph(model).run({"x": x})["y"]


def spoken(*, channels_last: bool) -> NDArray[np.float32]:
    values = np.random.default_rng(1).uniform(LOW, HIGH, (2, CHANNELS, 11)).astype(np.float32)
    return values.transpose(0, 2, 1).copy() if channels_last else values


@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (3, 1), (4, 1), (5, 1), (3, 4)])
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(("rounded", "least_db"), [((), 110), (("layer",), 35)])
def test_a_product_is_the_convolution(
    kernel: int, dilation: int, channels_last: bool, rounded: tuple[str, ...], least_db: float
) -> None:
    padded = kernel % 2 == 1
    model = graph(kernel, dilation, channels_last=channels_last, padded=padded)
    read = "turned" if channels_last else "x"
    made = as_products(model, rounded, {read: (LOW, HIGH)})
    x = spoken(channels_last=channels_last)
    assert "Conv" not in {node.op_type for node in made.graph.node}
    assert least_db < sqnr_db(run(made, x), run(model, x))


def test_transpositions_about_a_convolution_vanish() -> None:
    made = as_products(graph(3, 1, channels_last=True))
    kinds = [node.op_type for node in made.graph.node]
    assert kinds == ["Pad", "Slice", "Slice", "Slice", "Concat", "MatMul", "Add", "Relu"]


@pytest.mark.parametrize("settings", ["", ", dilations = [2]", ", strides = [2]"])
def test_a_grouped_convolution_gets_a_second_axis(settings: str) -> None:
    head = f'<ir_version: 10, opset_import: ["" : 20]> toy (float[B, {CHANNELS}, F] x) => '
    conv = f"Conv <pads = [3, 2], kernel_shape = [5], group = {CHANNELS}{settings}>"
    body = f"(float[B, {CHANNELS}, G] y) {{ [layer] y = {conv} (x, w, b) }}"
    model = onnx.parser.parse_model(head + body)
    rng = np.random.default_rng(0)
    for name, shape in {"w": (CHANNELS, 1, 5), "b": (CHANNELS,)}.items():
        values = rng.standard_normal(shape, np.float32)
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    made, x = as_products(model), spoken(channels_last=False)
    np.testing.assert_allclose(run(made, x), run(model, x), atol=1e-5)
    assert any(entry.key == TO_OPTIMISE for entry in made.metadata_props)
    assert as_products(made).graph == made.graph


def test_values_beyond_the_range_are_clipped() -> None:
    model = graph(1, 1, channels_last=True)
    x = spoken(channels_last=True)
    made = as_products(model, ["layer"], {"turned": (LOW / 2, HIGH / 2)})
    assert sqnr_db(run(made, x), run(model, x.clip(LOW / 2, HIGH / 2))) > 35


def test_constants_that_follow_are_taken_along() -> None:
    head = f'<ir_version: 10, opset_import: ["" : 20]> toy (float[B, F, {CHANNELS}] x) => '
    model = onnx.parser.parse_model(
        head
        + f"""(float[B, F, {OUTPUTS}] y) {{
            [norm] normed = LayerNormalization (x, n, n)
            [scaled] a = Mul (normed, t)
            [shifted] read = Add (a, t)
            [layer] b = MatMul (read, w)
            [biased] c = Add (b, v)
            [gained] made = Mul (v, c)
            y = Relu (made)
        }}"""
    )
    rng = np.random.default_rng(0)
    steps = rng.integers(-LARGEST, LARGEST + 1, (CHANNELS, OUTPUTS))
    steps[0] = LARGEST
    values = {
        "n": rng.uniform(0.5, 1.5, CHANNELS),
        "t": rng.uniform(0.5, 1.5, (1, 1, CHANNELS)),
        "w": steps * 2.0**-8,
        "v": rng.uniform(0.5, 1.5, OUTPUTS),
    }
    tensors = (numpy_helper.from_array(v.astype(np.float32), n) for n, v in values.items())
    model.graph.initializer.extend(tensors)
    made = as_products(model, ["layer"], {"read": (-8.0, 12.0)})
    assert not {"scaled", "shifted", "biased", "gained"} & {node.name for node in made.graph.node}
    x = spoken(channels_last=True)
    assert sqnr_db(run(made, x), run(model, x)) > 35
