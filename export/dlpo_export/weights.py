"""The weights file shared by all graphs of a bundle, each weight in as few bytes as possible.

A weight that is held exactly by 8 bits and a scale per channel, or by float16, is stored that way
and converted back to float32 by nodes that a runtime folds when it loads the graph. `round_weights`
rounds a model so that this holds.
"""

from __future__ import annotations

import copy
import hashlib
import logging
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

if TYPE_CHECKING:
    import onnx

WEIGHTS_FILE = "weights.bin"
SHARED_BYTES = 1024  # smaller constants stay in their graph
ALIGNMENT = 64  # bytes; of every tensor in the weights file
# Of an 8-bit weight. Processors without VNNI add two byte products in signed 16 bits and saturate:
# 2 * 255 * 64 fits, 2 * 255 * 127 would not.
LARGEST = 64

logger = logging.getLogger(__name__)

M = TypeVar("M", bound=nn.Module)


@torch.no_grad()
def round_weights(model: nn.Module, bits: int) -> None:
    """Round the weights of a model in place to what the given bits can hold.

    Args:
        bits: 8 rounds matrices and kernels to `LARGEST` steps in each direction of a scale for each
            entry of their first dimension, and the rest to float16; 16 rounds all to float16; 32
            changes nothing.
    """
    for parameter in model.parameters():
        if bits == 8 and parameter.ndim > 1:
            scale = _scale(parameter.flatten(1).abs().amax(1))
            scale = scale.view(-1, *[1] * (parameter.ndim - 1))
            parameter.copy_((parameter / scale).round() * scale)
        elif bits < 32:
            parameter.copy_(parameter.half())


def in_steps(factors: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """(I, O) -> the nearest (I, O) int8 with (O,) scales to multiply it by.

    Exact if `round_weights` rounded the input to 8 bits.
    """
    scale = _scale(torch.from_numpy(np.abs(factors).max(axis=0))).numpy()
    return np.rint(factors / scale).astype(np.int8), scale


def write_graphs(models: Mapping[str, onnx.ModelProto], folder: Path) -> None:
    """Write every model to the file of its name, and the weights of all of them once.

    A tensor that occurs in several graphs, precisions or steps is stored once.

    Args:
        models: by file name; modified in place.
    """
    offsets: dict[str, int] = {}
    with (folder / WEIGHTS_FILE).open("wb") as weights:
        for name, model in models.items():
            kinds = weights_by_type(model)
            for tensor in list(model.graph.initializer):
                _store_small(model, tensor)
            for tensor in model.graph.initializer:
                _share(tensor, weights, offsets)
            (folder / name).write_bytes(model.SerializeToString(deterministic=True))
            shares = ", ".join(
                f"{size / sum(kinds.values()):.1%} {kind}" for kind, size in kinds.items()
            )
            logger.info("%s: %d nodes; of its weights %s", name, len(model.graph.node), shares)


def weights_by_type(model: onnx.ModelProto) -> dict[str, int]:
    """How many weights (of matrices and kernels) a graph has, by the type it computes with.

    Args:
        model: with its weights inside, before `write_graphs` stores them in fewer bytes.

    Returns:
        Such as `{"float32": 121028, "float16": 1831680}`.
    """
    from onnx import helper

    found: Counter[str] = Counter()
    for tensor in model.graph.initializer:
        if len(tensor.dims) > 1:
            kind = helper.tensor_dtype_to_np_dtype(tensor.data_type)
            found[str(kind)] += int(np.prod(tensor.dims))
    return dict(found)


def _scale(largest: Tensor) -> Tensor:
    """The scale that maps the largest weight to `LARGEST`; exact, since that is a power of two."""
    return largest.clamp(min=1e-20) / LARGEST


def _store_small(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    """Replace a float32 weight by a smaller exact representation, if there is one."""
    from onnx import TensorProto, helper, numpy_helper

    if tensor.data_type != TensorProto.FLOAT:
        return
    values = numpy_helper.to_array(tensor)
    if values.nbytes < SHARED_BYTES or values.ndim < 2:
        return  # a vector saves less than the node costs, and a scale should be a constant
    name = tensor.name
    if (in_bytes := _as_bytes(values)) is not None:
        steps, scale = in_bytes
        tensor.CopyFrom(numpy_helper.from_array(steps, f"{name}.steps"))
        model.graph.initializer.append(numpy_helper.from_array(scale, f"{name}.scale"))
        nodes = [
            helper.make_node("Cast", [f"{name}.steps"], [f"{name}.float"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{name}.float", f"{name}.scale"], [name]),
        ]
    else:
        with np.errstate(over="ignore"):
            halves = values.astype(np.float16)
        if not np.array_equal(halves.astype(np.float32), values):
            return
        tensor.CopyFrom(numpy_helper.from_array(halves, f"{name}.half"))
        nodes = [helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT)]
    for place, node in enumerate(nodes):
        model.graph.node.insert(place, node)


def _as_bytes(values: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]] | None:
    """int8 and each channel's scale, along either of the first two axes; None if not exact."""
    for axis in range(min(2, values.ndim)) if values.ndim > 1 else ():
        others = tuple(k for k in range(values.ndim) if k != axis)
        largest = torch.from_numpy(np.abs(values).max(axis=others, keepdims=True))
        scale = _scale(largest).numpy()
        steps = np.rint(values / scale)
        if np.abs(steps).max() <= LARGEST and np.array_equal(
            steps.astype(np.float32) * scale, values
        ):
            return steps.astype(np.int8), scale
    return None


def _share(tensor: onnx.TensorProto, weights: Any, offsets: dict[str, int]) -> None:
    """Move a tensor's bytes to the weights file, unless it already holds them."""
    from onnx import TensorProto, numpy_helper

    content = np.ascontiguousarray(numpy_helper.to_array(tensor)).tobytes()
    if len(content) < SHARED_BYTES:
        return
    digest = hashlib.sha256(content).hexdigest()
    if digest not in offsets:
        weights.write(bytes(-weights.tell() % ALIGNMENT))
        offsets[digest] = weights.tell()
        weights.write(content)
    for field in ("raw_data", "float_data", "int32_data", "int64_data", "double_data"):
        tensor.ClearField(field)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (
        ("location", WEIGHTS_FILE),
        ("offset", str(offsets[digest])),
        ("length", str(len(content))),
    ):
        tensor.external_data.add(key=key, value=value)


def fold_batch_norms(module: M) -> M:
    """A copy in eval mode without the batch norms that follow a convolution in an `nn.Sequential`.

    `module` itself if it has none.
    """
    chains = [
        (name, place)
        for name, child in module.named_modules()
        if isinstance(child, nn.Sequential)
        for place in range(len(child) - 1)
        if isinstance(child[place], nn.Conv1d) and isinstance(child[place + 1], nn.BatchNorm1d)
    ]
    if not chains:
        return module
    folded = copy.deepcopy(module).eval()
    for name, place in chains:
        chain = folded.get_submodule(name)
        assert isinstance(chain, nn.Sequential)
        convolution, norm = chain[place], chain[place + 1]
        assert isinstance(convolution, nn.Conv1d)
        assert isinstance(norm, nn.BatchNorm1d)
        chain[place] = fuse_conv_bn_eval(convolution, norm)
        chain[place + 1] = nn.Identity()
    return folded
