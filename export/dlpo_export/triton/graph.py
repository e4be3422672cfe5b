"""A graph of a bundle as a model of its own: with its weights, and the batch as the first axis."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dlpo.bundle import TensorInfo

if TYPE_CHECKING:
    import onnx

WEIGHTS = "weights.bin"
ALIGNMENT = 64  # bytes; of every tensor in a file of weights


def batch_first(model: onnx.ModelProto, name: str) -> None:
    """Let the graph take its input `name` as (B, K, F, 300) in place of (K, B, F, 300)."""
    from onnx import helper

    (value,) = (value for value in model.graph.input if value.name == name)
    k, b = value.type.tensor_type.shape.dim[:2]
    k_copy = type(k).FromString(k.SerializeToString())
    k.CopyFrom(b)
    b.CopyFrom(k_copy)
    for node in model.graph.node:
        for place, read in enumerate(node.input):
            if read == name:
                node.input[place] = f"{name}.planes_first"
    transpose = helper.make_node("Transpose", [name], [f"{name}.planes_first"], perm=[1, 0, 2, 3])
    model.graph.node.insert(0, transpose)


def own_weights(model: onnx.ModelProto, folder: Path) -> bytes:
    """The bytes of the model's external tensors, which then say where in these they are."""
    from onnx.external_data_helper import ExternalDataInfo, uses_external_data

    external = [
        (info.location, int(info.offset or 0), int(info.length or 0), tensor)
        for tensor in model.graph.initializer
        if uses_external_data(tensor)
        for info in (ExternalDataInfo(tensor),)
    ]
    content = bytearray()
    places: dict[tuple[str, int, int], int] = {}
    for location, offset, length, tensor in sorted(external, key=lambda entry: entry[:3]):
        if (location, offset, length) not in places:
            content += bytes(-len(content) % ALIGNMENT)
            places[location, offset, length] = len(content)
            with (folder / location).open("rb") as file:
                file.seek(offset)
                content += file.read(length)
        del tensor.external_data[:]
        for key, value in (
            ("location", WEIGHTS),
            ("offset", str(places[location, offset, length])),
            ("length", str(length)),
        ):
            tensor.external_data.add(key=key, value=value)
    return bytes(content)


def tensors(values: Sequence[onnx.ValueInfoProto]) -> list[TensorInfo]:
    """Inputs or outputs of a graph as the ONNX file has them."""
    from onnx import helper

    return [
        TensorInfo(
            value.name,
            np.dtype(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)).name,
            tuple(d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim),
        )
        for value in values
    ]
