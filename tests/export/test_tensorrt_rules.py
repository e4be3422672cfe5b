"""TensorRT's rules: our graphs keep them, and a graph that breaks one is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import dlpo
from dlpo.bundle import Bundle
from dlpo.errors import BundleError
from dlpo_export.tensorrt.graph import load_for_tensorrt
from dlpo_export.tensorrt.rules import check_graph, refuse_violations

EMBEDDED = Path(dlpo.__file__).parent / "voices" / "lj"

OPSETS = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
F32, F16, U8 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8


def model(
    *nodes: onnx.NodeProto,
    inputs: dict[str, int] | None = None,
    shape: tuple[int | str | None, ...] = ("B", 4, "F"),
    constants: dict[str, np.ndarray] | None = None,
    out: int = F32,
    out_shape: tuple[int | str, ...] | None = None,
) -> onnx.ModelProto:
    """A graph from `x` (and more inputs) to `y`."""
    given = [helper.make_tensor_value_info(n, t, shape) for n, t in (inputs or {"x": F32}).items()]
    graph = helper.make_graph(
        list(nodes),
        "test",
        given,
        [helper.make_tensor_value_info("y", out, out_shape or shape)],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    return helper.make_model(graph, opset_imports=OPSETS)


def reasons(broken: onnx.ModelProto) -> str:
    return "\n".join(map(str, check_graph(broken)))


def test_folded_graph_computes_the_same_without_a_cast_of_weights() -> None:
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


@pytest.mark.parametrize("content", [None, b"not a graph"])
def test_a_graph_that_cant_be_read_is_a_bundle_error(tmp_path: Path, content: bytes | None) -> None:
    if content:
        (tmp_path / "g.onnx").write_bytes(content)

    with pytest.raises(BundleError, match=r"g\.onnx can't be read .* export again"):
        load_for_tensorrt(tmp_path / "g.onnx")


SCALE = np.array(0.1, np.float32)
REFUSED = {
    "Scale): operators of the domain com.microsoft need a plugin": model(
        helper.make_node("Scale", ["x"], ["y"], domain="com.microsoft")
    ),
    "p (Pow): its inputs are of several types: x is float, h is float16": model(
        helper.make_node("Pow", ["x", "h"], ["y"], name="p"), inputs={"x": F32, "h": F16}
    ),
    "bias (DequantizeLinear): b is int32; expected int8": model(
        helper.make_node("DequantizeLinear", ["b", "s"], ["y"], name="bias", axis=0),
        constants={"b": np.zeros(4, np.int32), "s": np.full(4, 0.1, np.float32)},
        out_shape=(4,),
    ),
    "has no zero point, so it gives uint8": model(
        helper.make_node("QuantizeLinear", ["x", "s"], ["y"]), constants={"s": SCALE}, out=U8
    ),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_tensorrt_would_refuse_is_refused_with_the_reason(reason: str) -> None:
    assert reason in reasons(REFUSED[reason])


def test_graph_that_is_no_valid_onnx_is_refused() -> None:
    with pytest.raises(BundleError, match="test: not a valid ONNX graph"):
        check_graph(model(helper.make_node("Add", ["x"], ["y"])))


def quantized(zero_point: np.ndarray, scale: np.ndarray, data: str = "x") -> onnx.ModelProto:
    weights = np.zeros((4, 4, 1), np.float32)
    return model(
        helper.make_node("QuantizeLinear", [data, "s", "z"], ["q"], name="quantize", axis=1),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"], name="dequantize", axis=1),
        constants={"s": scale, "z": zero_point, "w": weights},
        out_shape=("B", 4, "F") if data == "x" else (4, 4, 1),
    )


def test_symmetric_int8_with_one_scale_is_taken() -> None:
    assert check_graph(quantized(np.array(0, np.int8), np.array(0.1, np.float32))) == []


@pytest.mark.parametrize(
    ("zero_point", "scale", "reason"),
    [
        (np.array(3, np.int8), np.array(0.1, np.float32), "zero point is not 0"),
        (np.array(0, np.uint8), np.array(0.1, np.float32), "zero point is uint8; expected int8"),
        (np.array(0, np.int8), np.array(0.0, np.float32), "has values of 0 or less"),
        (np.zeros(4, np.int8), np.full(4, 0.1, np.float32), "x has 4 scales; expected one"),
    ],
)
def test_quantisation_that_tensorrt_lacks_is_refused(
    zero_point: np.ndarray, scale: np.ndarray, reason: str
) -> None:
    assert reason in reasons(quantized(zero_point, scale))


def test_all_violations_of_a_graph_are_told_at_once() -> None:
    broken = quantized(np.array(3, np.uint8), np.array(0.0, np.float32))

    with pytest.raises(BundleError, match=r"denoiser_3: TensorRT would refuse \d+ things") as error:
        refuse_violations("denoiser_3", broken)

    assert str(error.value).count("\n") >= 4
