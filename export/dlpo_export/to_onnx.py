"""From torch modules to ONNX graphs that share one file of weights."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from dlpo.bundle import GraphInfo, TensorInfo
from dlpo.errors import BundleError, MissingExtraError
from dlpo_export.lstm import OPSET, with_onnx_lstms

if TYPE_CHECKING:
    import onnx

WEIGHTS_FILE = "weights.bin"
SHARED_BYTES = 1024  # smaller constants stay in their graph
ALIGNMENT = 64  # bytes; of every tensor in the file of weights

logger = logging.getLogger(__name__)

Shape = tuple[int | str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class GraphSource:
    """A module and what its inputs and outputs are called."""

    module: nn.Module
    inputs: Mapping[str, tuple[Tensor, Shape]]
    """name -> example and shape; a letter in a shape is a length that varies"""
    outputs: Mapping[str, Shape]


def to_onnx(source: GraphSource) -> onnx.ModelProto:
    """Export one module to a slimmed ONNX model with named, dynamic dimensions.

    Raises:
        BundleError: the exporter fixed a length that has to vary.
        MissingExtraError: onnx, onnxscript or onnxslim is not installed.
    """
    program = torch_program(source)
    import onnxslim

    with _quiet():
        slim: onnx.ModelProto = onnxslim.slim(program.model_proto)
    _forget_where_it_came_from(slim)
    _check_shapes(slim, source)
    return slim


def torch_program(source: GraphSource) -> torch.onnx.ONNXProgram:
    """What torch's exporter makes of a module: an ONNX model, and torch's own program beside it.

    Raises:
        MissingExtraError: onnxscript or onnxslim is not installed.
    """
    try:
        import onnxscript  # noqa: F401  the exporter needs it
        import onnxslim  # noqa: F401  refused before minutes of work
    except ImportError as error:
        raise MissingExtraError(error.name or "onnx", "export") from error
    lengths = {
        letter: torch.export.Dim(letter, min=1)
        for _, shape in source.inputs.values()
        for letter in shape
        if isinstance(letter, str)
    }
    dynamic_shapes = tuple(
        {axis: lengths[d] for axis, d in enumerate(shape) if isinstance(d, str)}
        for _, shape in source.inputs.values()
    )
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            with_onnx_lstms(source.module.eval()),
            tuple(example for example, _ in source.inputs.values()),
            input_names=list(source.inputs),
            output_names=list(source.outputs),
            dynamic_shapes=dynamic_shapes,
            opset_version=OPSET,
            dynamo=True,
            optimize=True,
            verbose=False,
        )
    assert program is not None  # None only when written to a file at once
    return program


def write_graphs(models: Mapping[str, onnx.ModelProto], folder: Path, *, half: bool) -> None:
    """Write `{name}.onnx` for every model, and the weights of all of them once.

    A tensor that occurs in several graphs (or steps) is stored once.

    Args:
        half: store as float16 what float16 holds exactly, with a Cast that the run-time folds
            when it loads; for models whose weights were rounded before the export.
    """
    offsets: dict[str, int] = {}
    with (folder / WEIGHTS_FILE).open("wb") as weights:
        for name, model in models.items():
            for tensor in list(model.graph.initializer):
                if half:
                    _halve(model, tensor)
                _share(tensor, weights, offsets)
            (folder / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
            logger.info("%s.onnx: %d nodes", name, len(model.graph.node))


def graph_info(name: str, source: GraphSource) -> GraphInfo:
    """What the manifest says of a graph."""
    inputs = (
        TensorInfo(tensor, str(example.dtype).removeprefix("torch."), shape)
        for tensor, (example, shape) in source.inputs.items()
    )
    outputs = (TensorInfo(tensor, "float32", shape) for tensor, shape in source.outputs.items())
    return GraphInfo({"fp32": f"{name}.onnx"}, tuple(inputs), tuple(outputs))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks about its own internals, hundreds of them, from the reader."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    # With any listener on this logger, as pytest puts on all, torch formats every symbol it meets.
    trace = logging.getLogger("torch.__trace")
    listeners, trace.handlers = trace.handlers, []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        trace.handlers = listeners
        logging.disable(before)


def _share(tensor: onnx.TensorProto, weights: Any, offsets: dict[str, int]) -> None:
    """Move a tensor's bytes to the file of weights, unless they are there already."""
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


def _halve(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    """Replace a float32 weight that float16 holds exactly by its float16 and a Cast."""
    from onnx import TensorProto, helper, numpy_helper

    if tensor.data_type != TensorProto.FLOAT:
        return
    values = numpy_helper.to_array(tensor)
    with np.errstate(over="ignore"):
        halves = values.astype(np.float16)
    if values.nbytes < SHARED_BYTES or not np.array_equal(halves.astype(np.float32), values):
        return
    name = tensor.name
    tensor.CopyFrom(numpy_helper.from_array(halves, f"{name}.half"))
    model.graph.node.insert(
        0, helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT)
    )


def _check_shapes(model: onnx.ModelProto, source: GraphSource) -> None:
    """The exporter falls back to fixed lengths without a word; refuse that."""
    wanted = {name: shape for name, (_, shape) in source.inputs.items()} | dict(source.outputs)
    for value in (*model.graph.input, *model.graph.output):
        found = tuple(d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim)
        if found != tuple(wanted[value.name]):
            raise BundleError(
                f"{value.name} was exported with shape {found}, expected {wanted[value.name]}; "
                "a module works with one length only"
            )


def _forget_where_it_came_from(model: onnx.ModelProto) -> None:
    """Drop stack traces and paths of the exporting machine, so that equal models are equal."""
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        value.ClearField("metadata_props")
        value.ClearField("doc_string")
    model.graph.ClearField("metadata_props")
    model.ClearField("metadata_props")
