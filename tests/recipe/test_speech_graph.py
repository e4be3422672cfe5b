"""The teacher's network in float32: the same function by other means."""

import numpy as np
import onnx
import onnx.reference
import pytest
from onnx import helper, numpy_helper

from recipe.speech.float_graph import to_float


def quantised_product():
    """A product of float32 by 8-bit weights, as onnxruntime's quantiser writes it."""
    weight = np.random.default_rng(0).integers(0, 255, (6, 4)).astype(np.uint8)
    constants = {"w": weight, "z": np.uint8(128), "s": np.float32(0.02)}
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"]),
        helper.make_node("MatMulInteger", ["q", "w", "zero", "z"], ["i"]),
        helper.make_node("Cast", ["i"], ["f"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Mul", ["scale", "s"], ["scales"]),
        helper.make_node("Mul", ["f", "scales"], ["y"]),
    ]
    shapes = (("x", (3, 6)), ("y", (3, 4)))
    given, made = (helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, s) for n, s in shapes)
    graph = helper.make_graph(
        nodes, "g", [given], [made],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), constants


def test_float_graph_multiplies_the_weights_out():
    model, constants = quantised_product()
    found = to_float(model)
    assert [node.op_type for node in found.graph.node] == ["MatMul"]
    (weight,) = (numpy_helper.to_array(i) for i in found.graph.initializer)
    assert np.allclose(weight, (constants["w"].astype(float) - 128) * 0.02)
    x = np.random.default_rng(1).standard_normal((3, 6)).astype(np.float32)
    (y,) = onnx.reference.ReferenceEvaluator(found).run(None, {"x": x})
    assert np.allclose(y, x @ weight, atol=1e-6)


def test_unknown_quantised_pattern_is_reported():
    model, _ = quantised_product()
    model.graph.node[2].op_type = "Identity"
    del model.graph.node[2].attribute[:]
    with pytest.raises(ValueError, match="Cast expected"):
        to_float(model)
