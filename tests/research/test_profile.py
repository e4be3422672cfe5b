"""The profile adds up, and knows layers of optimised graphs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from dlpo.bundle import Bundle, Precision
from dlpo_export.sentence import sentence_inputs
from research.profile import SAMPLER, Profile, kernels, measure


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    return Bundle.load(tiny_bundle)


@pytest.fixture(scope="module", params=["fp32", "int8"])
def precision(request: pytest.FixtureRequest) -> Precision:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def profile(bundle: Bundle, precision: Precision) -> Profile:
    return measure(bundle, "denoiser_2", precision, runs=2)


def multiplications(bundle: Bundle, precision: Precision) -> tuple[int, dict[str, int]]:
    """Of `denoiser_2`, and of each layer of it that is a convolution.

    Counted in the unoptimised graph from shapes that it shows.
    """
    model = onnx.load(bundle.graph_path("denoiser_2", precision))
    products = [n for n in model.graph.node if n.op_type == "Conv" or "MatMul" in n.op_type]
    shown = sorted({name for n in products for name in (*n.input[:2], n.output[0])})
    known = {value.name for value in model.graph.input}
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in shown if name not in known)
    inputs = sentence_inputs(bundle, "denoiser_2", 100)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    arrays = dict(zip(names, session.run(names, inputs), strict=True)) | inputs
    total, by_layer = 0, dict[str, int]()
    for node in products:
        read, weight = (arrays[name] for name in node.input[:2])
        inner = np.prod(weight.shape[1:]) if node.op_type == "Conv" else read.shape[-1]
        found = arrays[node.output[0]].size * int(inner)
        total += found
        if node.op_type == "Conv" and ".weight" in node.input[1]:
            layer = node.input[1].removeprefix("model.").split(".weight")[0]
            by_layer[layer] = by_layer.get(layer, 0) + found
    return total, by_layer


def test_operators_add_up_to_the_whole(profile: Profile) -> None:
    assert sum(one.ms for one in profile.operators) == pytest.approx(profile.total_ms)
    assert sum(one.share for one in profile.operators) == pytest.approx(1)


def test_all_multiplications_are_counted_in_layers(
    bundle: Bundle, profile: Profile, precision: Precision
) -> None:
    total, convolutions = multiplications(bundle, precision)
    layers = Counter[str]()
    for node in profile.nodes:
        layers[node.layer] += node.mac
    assert profile.gmac * 1e9 == pytest.approx(total)
    kept = {"spectrum_conditioning"} if precision == "fp32" else set()  # in int8 it is a product
    assert {"spectrum_blocks.0.depthwise"} | kept <= set(convolutions)
    assert {name: layers[name] for name in convolutions} == convolutions
    assert SAMPLER in layers


def test_traffic_is_weights_once_and_the_rest_by_length(bundle: Bundle) -> None:
    one, two = (measure(bundle, "denoiser_2", "fp32", runs=1, frames=f) for f in (8, 16))
    # By name: onnxruntime orders a graph differently from one session to the next.
    named = {node.name: node for node in two.nodes}
    pairs = [(a, named[a.name]) for a in one.nodes if a.name in named]
    pairs = [(a, b) for a, b in pairs if a.layer.startswith("spectrum_blocks")]
    constant = {a.name: 2 * a.traffic - b.traffic for a, b in pairs}
    turned = [a.name for a, _ in pairs if a.kind == "Transpose"]
    inner = [a for a, _ in pairs if a.kind == "Conv"]

    assert turned
    assert {constant[name] for name in turned} == {0}
    known = kernels(onnx.load(bundle.graph_path("denoiser_2", "fp32")))
    assert inner
    for node in inner:
        assert constant[node.name] >= 4 * int(np.prod(known[node.layer]))
