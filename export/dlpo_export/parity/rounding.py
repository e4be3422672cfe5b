"""Graphs of 16 bits on a CPU, for comparing them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx


def rounded_in_float32(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph in float32, with each value of 16 bits rounded to them where it is made.

    onnxruntime's CPU has no products in bfloat16, and computes chains of float16 layers without
    rounding in between (80 dB where rounding leaves 68). Sums are in float32.

    Args:
        model: from `dlpo_export.half_precision.to_half`, with its weights inside.
    """
    from onnx import TensorProto, helper, numpy_helper, shape_inference

    narrow_types = (TensorProto.FLOAT16, TensorProto.BFLOAT16)
    rounded = copy.deepcopy(model)
    graph = rounded.graph
    for tensor in graph.initializer:
        if tensor.data_type in narrow_types:
            values = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    narrow = {
        value.name: value.type.tensor_type.elem_type
        for value in shape_inference.infer_shapes(model).graph.value_info
        if value.type.tensor_type.elem_type in narrow_types
    }
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        to = next((setting for setting in node.attribute if setting.name == "to"), None)
        if to is not None and to.i in narrow_types:
            narrow[node.output[0]] = to.i
            to.i = TensorProto.FLOAT
        nodes.append(node)
        for place, name in enumerate(node.output):
            if name in narrow:
                exact, short = f"{name}.exact", f"{name}.short"
                node.output[place] = exact
                casts = ((exact, short, narrow[name]), (short, name, TensorProto.FLOAT))
                for source, out, kind in casts:
                    nodes.append(helper.make_node("Cast", [source], [out], f"to_{out}", to=kind))
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    return rounded
