"""A graph as TensorRT is given it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from dlpo.bundle import DEFAULT_VOICE, Bundle, Precision
from dlpo.errors import BundleError
from dlpo_export.half_precision import to_half
from dlpo_export.tensorrt.graph import load_for_tensorrt
from dlpo_serving.voices import find_voice

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
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    kinds = {
        value.name: value.type.tensor_type.elem_type
        for value in (*graph.input, *graph.value_info, *graph.output)
    }
    kinds |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    found = []
    for node in graph.node:
        data = [node.input[node.op_type == "Where"]]  # the type that the list is about
        if node.op_type == "Cast":
            data.append(node.output[0])
        if not {kinds[name] for name in data} <= OPERATORS.get(node.op_type, set()):
            found.append(f"{node.op_type} of {[kinds[name] for name in data]}: {node.name}")
    return found


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
@pytest.mark.parametrize("bundle", ["tiny_bundle", "voices_bundle"])
def test_tensorrt_lists_every_operator_of_a_denoiser(
    bundle: str, precision: Precision, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(bundle)
    model = load_for_tensorrt(Bundle.load(folder).graph_path("denoiser_1"))
    if precision != "fp32":
        model = to_half(onnx.shape_inference.infer_shapes(model), precision=precision)
    assert not refused(model)


def test_the_embedded_denoisers_in_float32_are_listed() -> None:
    bundle = Bundle.load(EMBEDDED)
    for name in ("denoiser_1", "denoiser_2", "denoiser_3"):
        wrong = refused(load_for_tensorrt(bundle.graph_path(name)))
        assert not wrong, wrong
