"""A graph as TensorRT is given it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from dlpo.bundle import DEFAULT_VOICE, Bundle, Precision
from dlpo.errors import BundleError
from dlpo.model.build import CONFIGS, build_model
from dlpo.noise_schedule import named_schedule
from dlpo_export.graphs import DenoiserGraph, EncoderGraph, FramesGraph
from dlpo_export.half_precision import HalfPrecision, to_half
from dlpo_export.parts import Tracer
from dlpo_export.pipeline import graph_sources
from dlpo_export.tensorrt.graph import load_for_tensorrt
from dlpo_export.tensorrt.options import GPU_PRECISIONS
from dlpo_export.weights import fold_batch_norms, weights_by_type
from dlpo_serving.voices import find_voice
from tests.toys import element_types

EMBEDDED = find_voice(DEFAULT_VOICE)

F32 = TensorProto.FLOAT
TYPES = {"FP32": F32, "FP16": TensorProto.FLOAT16, "BF16": TensorProto.BFLOAT16}
OPERATORS = {
    name: {TYPES.get(kind) or TensorProto.DataType.Value(kind) for kind in kinds.split()}
    for name, kinds in (
        line.split("\t")
        for line in Path(__file__).with_name("tensorrt_operators.tsv").read_text().splitlines()
        if not line.startswith("#")
    )
}


def test_folded_graph_needs_no_weight_casts() -> None:
    path = Bundle.load(EMBEDDED).graph_path("denoiser_2")
    generator = np.random.default_rng(0)
    original = onnxruntime.InferenceSession(path)
    shapes = {i.name: [{"B": 2, "F": 9}.get(d, d) for d in i.shape] for i in original.get_inputs()}
    feed = {n: generator.standard_normal(s, np.float32) for n, s in shapes.items()}

    folded = load_for_tensorrt(path)

    constants = {tensor.name for tensor in folded.graph.initializer}
    casts = [node for node in folded.graph.node if node.op_type == "Cast"]
    assert not [node for node in casts if node.input[0] in constants]
    assert len(casts) < sum(node.op_type == "Cast" for node in onnx.load(path).graph.node)
    made = onnxruntime.InferenceSession(folded.SerializeToString()).run(None, feed)[0]
    np.testing.assert_allclose(made, original.run(None, feed)[0], atol=1e-4)


def test_constants_become_weights_and_unused_ones_go(tmp_path: Path) -> None:
    half = np.array([1.5], np.float16)
    nodes = [
        helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(half)),
        helper.make_node("Cast", ["c"], ["w"], to=F32),
        helper.make_node("Mul", ["x", "w"], ["y"]),
    ]
    x, y = (helper.make_tensor_value_info(name, F32, ("B", 4, "F")) for name in "xy")
    onnx.save(helper.make_model(helper.make_graph(nodes, "test", [x], [y])), tmp_path / "m.onnx")

    folded = load_for_tensorrt(tmp_path / "m.onnx")

    assert [node.op_type for node in folded.graph.node] == ["Mul"]
    assert [(t.name, t.data_type) for t in folded.graph.initializer] == [("w", F32)]


@pytest.mark.parametrize("content", [None, b"not a graph"])
def test_a_graph_that_cant_be_read_is_a_bundle_error(tmp_path: Path, content: bytes | None) -> None:
    if content:
        (tmp_path / "g.onnx").write_bytes(content)

    with pytest.raises(BundleError, match=r"g\.onnx can't be read .* export again"):
        load_for_tensorrt(tmp_path / "g.onnx")


def refused(model: onnx.ModelProto) -> list[str]:
    """The nodes whose operator or type isn't on TensorRT's published list."""
    kinds = element_types(model)
    found = []
    for node in model.graph.node:
        data = [node.input[node.op_type == "Where"]]  # the type that the list is about
        if node.op_type == "Cast":
            data.append(node.output[0])
        if not {kinds[name] for name in data} <= OPERATORS.get(node.op_type, set()):
            found.append(f"{node.op_type} of {[kinds[name] for name in data]}: {node.name}")
    return found


@pytest.fixture(scope="module")
def for_gpus(
    tiny_checkpoint: Path, export_toy: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    out = tmp_path_factory.mktemp("for-gpus") / "voice"
    options = {"steps": (2,), "default_steps": 2, "precisions": GPU_PRECISIONS}
    return Bundle.load(export_toy(tiny_checkpoint, out, **options))


@pytest.mark.parametrize("precision", GPU_PRECISIONS)
def test_graphs_for_gpus_follow_the_rules_of_tensorrt(
    for_gpus: Bundle, precision: Precision
) -> None:
    """Strongly typed: one kind of float an operator; 8 bits with a sign and their zero at 0."""
    loaded = load_for_tensorrt(for_gpus.graph_path("denoiser_2", precision))
    assert not refused(loaded)
    kinds = element_types(loaded)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in loaded.graph.initializer}
    weights = set(constants)
    for node in loaded.graph.node:
        assert node.domain in ("", "ai.onnx"), node.op_type  # others need a plugin
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            data, scale, zero = node.input
            assert constants[zero].dtype == np.int8
            assert not constants[zero].any()
            assert (constants[scale] > 0).all()
            assert constants[scale].size == 1 or data in weights
            assert node.op_type[0] == "Q" or kinds.get(data, TensorProto.INT8) == TensorProto.INT8
            weights |= set(node.output) if data in weights else set()
        elif node.op_type not in ("Cast", "Resize"):  # a Resize's scales are float32 always
            floats = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16}
            assert len({kinds[name] for name in node.input if name} & floats) <= 1, node.name


@pytest.fixture(
    scope="module",
    params=[
        "denoiser_1",
        "denoiser_3",
        *(pytest.param(name, marks=pytest.mark.full) for name in ("mini", "base")),
    ],
)
def denoiser(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> onnx.ModelProto:
    """In float32, as TensorRT is given it: an embedded one, or WaveGrad 2 with random weights."""
    if request.param.startswith("denoiser"):
        path = Bundle.load(EMBEDDED).graph_path(request.param)
    else:
        model = fold_batch_norms(build_model(CONFIGS[request.param]).eval())
        chain = {"denoiser_1": DenoiserGraph(model, named_schedule("logarithmic", 1, 0.25))}
        sources = graph_sources(EncoderGraph(model), FramesGraph(model), chain)
        path = tmp_path_factory.mktemp(request.param) / "denoiser.onnx"
        onnx.save(Tracer().to_onnx(sources["denoiser_1"]), path)
    return onnx.shape_inference.infer_shapes(load_for_tensorrt(path))


def test_tensorrt_lists_every_operator(denoiser: onnx.ModelProto) -> None:
    assert not refused(denoiser)


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_nine_of_ten_weights_are_halved(
    denoiser: onnx.ModelProto, precision: HalfPrecision
) -> None:
    half = to_half(denoiser, precision=precision)
    assert not refused(half)
    sizes = weights_by_type(half)
    assert sizes.pop("float32") <= 0.1 * sum(sizes.values())
