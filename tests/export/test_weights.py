"""Weights lose nothing in the file: what they are rounded to is what is stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from dlpo_export.parity.open_graph import OpenGraph
from dlpo_export.weights import LARGEST, fold_batch_norms, round_weights, write_graphs


def product(weight: torch.Tensor) -> onnx.ModelProto:
    """x -> x @ weight."""
    matrix = weight.detach().numpy()
    rows, columns = matrix.shape
    model = onnx.parser.parse_model(f"""
        <ir_version: 10, opset_import: ["" : 20]>
        product (float[1, {rows}] x) => (float[1, {columns}] y) {{ y = MatMul(x, w) }}
    """)
    model.graph.initializer.append(numpy_helper.from_array(matrix, "w"))
    return model


def rounded(bits: int) -> nn.Linear:
    torch.manual_seed(0)
    layer = nn.Linear(64, 48)
    with torch.no_grad():
        layer.weight *= torch.logspace(-3, 1, 48)[:, None]  # channels of very different size
    round_weights(layer, bits)
    return layer


@pytest.mark.parametrize(("bits", "stored"), [(8, np.int8), (16, np.float16), (32, np.float32)])
@pytest.mark.parametrize("transposed", [False, True])
def test_rounded_weights_are_stored_in_as_many_bits_and_exactly(
    bits: int, stored: type, transposed: bool, tmp_path: Path
) -> None:
    layer = rounded(bits)
    weight = layer.weight.mT if transposed else layer.weight

    write_graphs({"product.onnx": product(weight.contiguous())}, tmp_path)

    kept = onnx.load(tmp_path / "product.onnx").graph.initializer
    largest = max((numpy_helper.to_array(tensor) for tensor in kept), key=np.size)
    assert largest.dtype == stored
    unit = np.eye(weight.shape[0], dtype=np.float32)
    made = np.concatenate(
        [OpenGraph(tmp_path / "product.onnx").run({"x": row[None]})["y"] for row in unit]
    )
    np.testing.assert_array_equal(made, weight.detach().numpy())


def test_rounding_error_is_at_most_half_a_channel_step() -> None:
    torch.manual_seed(0)
    layer = nn.Conv1d(8, 6, 3)
    before = layer.weight.detach().clone()
    round_weights(layer, 8)
    error = (layer.weight - before).abs().flatten(1).amax(1)
    assert 2 * 255 * LARGEST < 2**15  # two products, as processors without VNNI add them
    step = before.abs().flatten(1).amax(1) / LARGEST
    assert bool((error <= 0.501 * step).all())
    assert bool((error > 0).all())


def test_channel_of_zeros_stays_zero() -> None:
    layer = nn.Linear(4, 2)
    nn.init.zeros_(layer.weight)
    round_weights(layer, 8)
    assert bool((layer.weight == 0).all())


def test_vectors_stay_float32_for_a_scale_must_be_a_constant(tmp_path: Path) -> None:
    weight = rounded(16).weight.mT.contiguous()
    model = product(weight)
    vector = np.arange(512, dtype=np.float32)  # float16 would hold it
    model.graph.initializer.append(numpy_helper.from_array(vector, "scale"))

    write_graphs({"a.onnx": model}, tmp_path)

    kept = {tensor.name: tensor for tensor in onnx.load(tmp_path / "a.onnx").graph.initializer}
    np.testing.assert_array_equal(numpy_helper.to_array(kept["scale"]), vector)


def test_folded_model_computes_the_same_without_batch_norms() -> None:
    torch.manual_seed(0)
    model = nn.ModuleDict(
        {"a": nn.Sequential(nn.Conv1d(4, 6, 3), nn.BatchNorm1d(6), nn.ReLU(), nn.Conv1d(6, 2, 1))}
    )
    norm = model.get_submodule("a.1")
    assert isinstance(norm, nn.BatchNorm1d)
    for statistic in (norm.running_mean, norm.running_var, norm.weight, norm.bias):
        assert statistic is not None
        nn.init.uniform_(statistic, 0.5, 2.0)
    model.eval()
    folded = fold_batch_norms(model)
    x = torch.randn(2, 4, 9)
    with torch.no_grad():
        torch.testing.assert_close(folded["a"](x), model["a"](x))
    assert not any(isinstance(child, nn.BatchNorm1d) for child in folded.modules())
    assert any(isinstance(child, nn.BatchNorm1d) for child in model.modules())
