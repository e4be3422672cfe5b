"""Kokoro's 8-bit ONNX graph -> the same network in float32.

The published export holds 8-bit weights and quantises every activation as it runs. Here the weights
are multiplied out and the activations stay float32, which is nearer to the network that was
trained and needs no integer instructions.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

PRODUCTS = {"ConvInteger": "Conv", "MatMulInteger": "MatMul"}


def to_float(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with every quantised product and recurrence replaced, in place.

    Raises:
        ValueError: a product isn't followed by what onnxruntime's quantiser writes after one.
    """
    _Rewriting(model.graph).run()
    return model


class _Rewriting:
    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph
        self.constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
        self.users = defaultdict[str, list[onnx.NodeProto]](list)
        self.maker = dict[str, onnx.NodeProto]()
        for node in graph.node:
            for name in node.input:
                self.users[name].append(node)
            for name in node.output:
                self.maker[name] = node
        self.instead = dict[str, onnx.NodeProto]()  # by first output of the node replaced
        self.weights = dict[str, NDArray[np.float32]]()

    def run(self) -> None:
        for node in self.graph.node:
            if node.op_type in PRODUCTS:
                self._product(node)
            elif node.op_type == "DynamicQuantizeLSTM":
                self._lstm(node)
        nodes = [self.instead.get(node.output[0], node) for node in self.graph.node]
        for name, value in self.weights.items():
            self.graph.initializer.append(numpy_helper.from_array(value, name))
        keep_used(self.graph, nodes)

    def _product(self, node: onnx.NodeProto) -> None:
        """x -> quantised -> integer product (+ rounded bias) -> Cast -> Mul by both scales."""
        following, bias = self._only_user(node), None
        if following.op_type == "Add":
            bias = self._float_bias(next(i for i in following.input if i != node.output[0]))
            following = self._only_user(following)
        if following.op_type != "Cast":
            raise ValueError(f"{node.name}: Cast expected after it, found {following.op_type}")
        result = self._only_user(following)
        scales = self.maker[next(i for i in result.input if i != following.output[0])]
        (scale,) = (self.constants[i] for i in scales.input if i in self.constants)
        zero = self.constants[node.input[3]].astype(np.float32)
        weight = (self.constants[node.input[1]].astype(np.float32) - zero) * scale
        name = f"{node.input[1]}_float"
        self.weights[name] = weight.astype(np.float32)
        inputs = [self.maker[node.input[0]].input[0], name, *([bias] if bias else [])]
        self.instead[result.output[0]] = helper.make_node(
            PRODUCTS[node.op_type], inputs, list(result.output), name=node.name, **_attributes(node)
        )

    def _only_user(self, node: onnx.NodeProto) -> onnx.NodeProto:
        users = self.users[node.output[0]]
        if len(users) != 1:
            raise ValueError(f"{node.name}: {len(users)} nodes use it, expected one")
        return users[0]

    def _float_bias(self, name: str) -> str:
        """Reshape(Cast(Floor(Div(bias, scales)))) -> bias."""
        while (node := self.maker[name]).op_type != "Div":
            name = node.input[0]
        return str(node.input[0])

    def _lstm(self, node: onnx.NodeProto) -> None:
        """The quantiser transposes both matrices: (directions, inputs, gates)."""
        names = []
        for matrix, scale, zero in ((1, 8, 9), (2, 10, 11)):
            whole = self.constants[node.input[matrix]].astype(np.float32)
            per_direction = [
                self.constants[node.input[i]].astype(np.float32).reshape(len(whole), 1, -1)
                for i in (scale, zero)
            ]
            names.append(f"{node.input[matrix]}_float")
            value = (whole - per_direction[1]) * per_direction[0]
            self.weights[names[-1]] = np.ascontiguousarray(value.transpose(0, 2, 1))
        inputs = [node.input[0], *names, *node.input[3:8]]
        kept = {k: v for k, v in _attributes(node).items() if k != "input_forget"}
        self.instead[node.output[0]] = helper.make_node(
            "LSTM", inputs, list(node.output), name=node.name, **kept
        )


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def keep_used(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    """Nodes and constants that the outputs depend on, in their order."""
    needed, kept = {o.name for o in graph.output}, list[onnx.NodeProto]()
    for node in reversed(nodes):
        if needed & set(node.output):
            kept.append(node)
            needed |= set(node.input)
    constants = [i for i in graph.initializer if i.name in needed]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(reversed(kept))
    graph.initializer.extend(constants)
