"""A bundle's graph as passed to TensorRT: weights inside, none of them behind a Cast.

Bundles store weights in fewer bits, followed by a Cast and possibly a Mul by a scale, which
runtimes fold on loading. TensorRT treats a kernel that comes out of a Cast as an activation rather
than a weight, so it is folded here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dlpo.errors import BundleError, needs
from dlpo_export.unused import drop_unused

if TYPE_CHECKING:
    import onnx


def load_for_tensorrt(path: Path) -> onnx.ModelProto:
    """The model at `path` with its weights inside, in the form used for computation.

    Raises:
        BundleError: it can't be read.
        MissingExtraError: onnx is not installed.
    """
    with needs("tensorrt"):
        import onnx
    try:
        model = onnx.load(path)
    # protobuf, onnx and the file system each raise their own
    except Exception as error:
        raise BundleError(
            f'{path} can\'t be read ({error}); export again with "dlpo export"'
        ) from (error)
    fold_weights(model)
    _clip_integers_by_min_and_max(model)
    return model


def fold_weights(model: onnx.ModelProto) -> None:
    """Replace, in place, Casts and products of initialisers, and Constants, with initialisers."""
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    outputs = {value.name for value in graph.output}
    kept = []
    for node in graph.node:
        folded: onnx.TensorProto | None = None
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            folded = TensorProto()
            folded.CopyFrom(node.attribute[0].t)
        elif node.op_type == "Cast" and node.input[0] in constants:
            target = next(a.i for a in node.attribute if a.name == "to")
            # numpy lacks bfloat16 and float8
            if target <= TensorProto.DOUBLE and target not in (TensorProto.STRING,):
                values = numpy_helper.to_array(constants[node.input[0]])
                dtype = helper.tensor_dtype_to_np_dtype(target)
                with np.errstate(over="ignore"):
                    folded = numpy_helper.from_array(values.astype(dtype))
        elif node.op_type == "Mul" and all(name in constants for name in node.input):
            a, b = (numpy_helper.to_array(constants[name]) for name in node.input)
            folded = numpy_helper.from_array(a * b)
        if folded is None or node.output[0] in outputs:
            kept.append(node)
            continue
        folded.name = node.output[0]
        constants[folded.name] = folded
        graph.initializer.append(folded)
    del graph.node[:]
    graph.node.extend(kept)
    drop_unused(graph)


def _clip_integers_by_min_and_max(model: onnx.ModelProto) -> None:
    """Replace, in place, Clips of integers with one bound; TensorRT lists floats alone for Clip."""
    import onnx

    integers = (onnx.TensorProto.INT32, onnx.TensorProto.INT64)
    values = onnx.shape_inference.infer_shapes(model).graph.value_info
    whole = {one.name for one in values if one.type.tensor_type.elem_type in integers}
    for node in model.graph.node:
        if node.op_type == "Clip" and node.output[0] in whole:
            value, low, *high = node.input
            if not (low and high):
                node.op_type = "Max" if low else "Min"
                node.input[:] = [value, *([low] if low else high)]
