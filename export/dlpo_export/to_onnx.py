"""From torch modules to ONNX graphs that share one file of weights."""

from __future__ import annotations

import contextlib
import copy
import functools
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from dlpo.bundle import GraphInfo, Precision, TensorInfo
from dlpo.errors import BundleError, needs
from dlpo_export.lstm import with_onnx_lstms
from dlpo_export.options import OPSET

if TYPE_CHECKING:
    import onnx

logger = logging.getLogger(__name__)

Shape = tuple[int | str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class GraphSource:
    """A module with the names of its inputs and outputs."""

    module: nn.Module
    inputs: Mapping[str, tuple[Tensor, Shape]]
    """name -> example and shape; a letter in a shape is a variable length"""
    outputs: Mapping[str, Shape]


def trace(source: GraphSource) -> torch.onnx.ONNXProgram:
    """Export a module with torch: an ONNX model, and torch's own program beside it.

    Raises:
        BundleError: the exporter fixed a length that must vary.
        MissingExtraError: onnxscript or onnxslim is not installed.
    """
    with needs("export"):
        import onnxscript  # noqa: F401  the exporter needs it
        import onnxslim  # noqa: F401  refused before minutes of work
    lengths = {
        letter: torch.export.Dim(letter, min=1)
        for _, shape in source.inputs.values()
        for letter in shape
        if isinstance(letter, str)
    }
    dynamic_shapes = {
        name: {axis: lengths[d] for axis, d in enumerate(shape) if isinstance(d, str)}
        for name, (_, shape) in source.inputs.items()
    }
    _build_operator_table_once()
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            with_onnx_lstms(source.module.eval()),
            # Cloned: the exporter merges inputs that are the same tensor.
            kwargs={name: example.clone() for name, (example, _) in source.inputs.items()},
            input_names=list(source.inputs),
            output_names=list(source.outputs),
            dynamic_shapes=dynamic_shapes,
            opset_version=OPSET,
            dynamo=True,
            optimize=True,
            verbose=False,
        )
    assert program is not None  # it is None only when written straight to a file
    _check_shapes(program.model_proto, source)
    return program


def slim_graph(model: onnx.ModelProto) -> onnx.ModelProto:
    """Fold constants, merge duplicate computations, and drop export metadata."""
    import onnxslim

    with quiet():
        slim: onnx.ModelProto = onnxslim.slim(model)
    _forget_where_it_came_from(slim)
    return slim


def graph_info(source: GraphSource, files: dict[Precision, str]) -> GraphInfo:
    """The manifest's entry for a graph."""
    inputs = (
        TensorInfo(tensor, str(example.dtype).removeprefix("torch."), shape)
        for tensor, (example, shape) in source.inputs.items()
    )
    outputs = (TensorInfo(tensor, "float32", shape) for tensor, shape in source.outputs.items())
    return GraphInfo(files, tuple(inputs), tuple(outputs))


@functools.cache
def _build_operator_table_once() -> None:
    """Let torch build its operator table once per process; by default every export does (0.8 s).

    The table is private to torch: if it has moved, exports merely take longer.
    """
    try:
        from torch.onnx._internal.exporter._registration import ONNXRegistry

        build = functools.cache(ONNXRegistry.from_torchlib)
    except (ImportError, AttributeError):
        return

    def copy_of_table(*args: object, **kwargs: object) -> ONNXRegistry:
        registry = copy.copy(build(*args, **kwargs))
        registry.functions = {name: [*found] for name, found in registry.functions.items()}
        return registry

    ONNXRegistry.from_torchlib = staticmethod(copy_of_table)  # type: ignore[method-assign]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress the exporter's hundreds of remarks about its own internals."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    # If this logger has any handler, as under pytest, torch formats every symbol it encounters.
    trace = logging.getLogger("torch.__trace")
    listeners, trace.handlers = trace.handlers, []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        trace.handlers = listeners
        logging.disable(before)


def _check_shapes(model: onnx.ModelProto, source: GraphSource) -> None:
    """Refuse graphs in which the exporter has silently fixed a length."""
    wanted = {name: shape for name, (_, shape) in source.inputs.items()} | dict(source.outputs)
    for value in (*model.graph.input, *model.graph.output):
        found = tuple(d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim)
        if found != tuple(wanted[value.name]):
            raise BundleError(
                f"{value.name} was exported with shape {found}, expected {wanted[value.name]}; "
                "a module works with one length only"
            )


def _forget_where_it_came_from(model: onnx.ModelProto) -> None:
    """Drop stack traces and paths of the exporting machine, so that equal models stay equal."""
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        value.ClearField("metadata_props")
        value.ClearField("doc_string")
    model.graph.ClearField("metadata_props")
    model.ClearField("metadata_props")
