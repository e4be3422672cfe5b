"""Where a graph leaves the module that it was exported from: every tensor of both is compared.

Torch's own program is traced again and run node by node. It takes as long as an export, so it is
done only when a graph was found to differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.export.graph_signature import InputKind, TensorArgument

from dlpo_export.lstm import lstm_of_onnx
from dlpo_export.parity.divergence import LayerError, compare_layers
from dlpo_export.parts import Tracer
from dlpo_export.to_onnx import GraphSource

if TYPE_CHECKING:
    import onnx

TOLERANCE = 2e-5  # of `local_largest`; rounding in float32 makes 2e-6
INPUTS_SHOWN = 3  # of a layer, in a message


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first layer that computes something else, though its inputs are right."""

    layer: LayerError
    module: str
    """path of the torch module that it belongs to, such as `model.up.0.enter`, or ''"""
    read: tuple[tuple[str, float], ...]
    """the tensors that the layer reads, and the error in dB that they had in the running graph"""

    def __str__(self) -> str:
        layer = self.layer
        where = f" of {self.module}" if self.module else ""
        fine = ", ".join(f"{name} {db:.0f} dB" for name, db in self.read[:INPUTS_SHOWN])
        return (
            f"first at {layer.node} ({layer.op_type}{where}), whose own error is "
            f"{layer.local_largest:.1e} of the RMS ({layer.local_sqnr_db:.0f} dB); "
            f"it reads {fine or 'inputs only'}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class TorchTensors:
    """What a module computes on its way."""

    tensors: Mapping[str, NDArray[Any]]
    """by the name that torch's exporter gives each in the graph"""
    modules: Mapping[str, str]
    """tensor -> path of the module whose forward made it, or ''"""


def first_divergence(
    errors: Sequence[LayerError], tolerance: float, modules: Mapping[str, str] | None = None
) -> Divergence | None:
    """The first layer, in the order of computation, whose own error is above `tolerance`.

    Args:
        tolerance: of `LayerError.local_largest`.
        modules: as in `TorchTensors`.
    """
    by_tensor = {entry.tensor: entry for entry in errors}
    for entry in errors:
        if entry.local_largest > tolerance:
            read = tuple((name, by_tensor[name].sqnr_db) for name in entry.inputs)
            return Divergence(entry, (modules or {}).get(entry.tensor, ""), read)
    return None


def diverged_from_torch(
    source: GraphSource, model: onnx.ModelProto, inputs: Mapping[str, Tensor]
) -> Divergence | None:
    """The first layer of a float32 graph that differs from torch, or None where all agree.

    Args:
        source: what `model` was exported from.
        model: with its weights loaded.
        inputs: by name. All intermediate tensors are held at once: for a large model give few
            frames.

    Raises:
        BundleError: onnxruntime can't run it.
        MissingExtraError: a package of the extra `export` is not installed.
    """
    expected = torch_tensors(source, inputs)
    feed = {name: value.numpy() for name, value in inputs.items()}
    errors = compare_layers(expected.tensors, model, feed)
    return first_divergence(errors, TOLERANCE, expected.modules)


@torch.no_grad()
def torch_tensors(source: GraphSource, inputs: Mapping[str, Tensor]) -> TorchTensors:
    """Trace a module as the export does, and run the trace node by node."""
    known = dict(inputs)
    tensors: dict[str, NDArray[Any]] = {}
    modules: dict[str, str] = {}
    for part in Tracer().parts(source):
        program = part.program.exported_program
        assert program is not None  # the dynamo exporter always keeps it
        given = {name: known[tensor] for name, tensor in part.takes.items()} | dict(part.constants)
        # In the order of the module's arguments, which ONNX keeps.
        user = iter([given[value.name] for value in part.program.model_proto.graph.input])
        state: Mapping[str, Any] = {**program.constants, **program.state_dict}
        arguments = [
            next(user) if spec.kind == InputKind.USER_INPUT else state[str(spec.target)]
            for spec in program.graph_signature.input_specs
        ]
        recorder = _Recorder(program.graph_module)
        recorder.run(*arguments)
        paths = {node.name: _module_path(node) for node in program.graph.nodes}
        # The graph calls its outputs by names of its own.
        outputs = program.graph_signature.output_specs
        for name, spec in zip(part.gives, outputs, strict=True):
            assert isinstance(spec.arg, TensorArgument)
            recorder.found[name] = recorder.found[spec.arg.name]
            paths[name] = paths[spec.arg.name]
            known[part.gives[name]] = torch.from_numpy(recorder.found[name])
        tensors |= {part.tensor_of(name): value for name, value in recorder.found.items()}
        modules |= {part.tensor_of(name): path for name, path in paths.items()}
    return TorchTensors(tensors, modules)


class _Recorder(torch.fx.Interpreter):
    """Keeps every tensor, and computes what export left to ONNX's operators."""

    def __init__(self, module: torch.fx.GraphModule) -> None:
        super().__init__(module)
        self.found: dict[str, NDArray[Any]] = {}

    def run_node(self, n: torch.fx.Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, Tensor):
            self.found[n.name] = value.numpy()
        return value

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if "onnx_symbolic" in str(target):  # made by `OnnxLstm` alone
            return lstm_of_onnx(*args[0])
        return super().call_function(target, args, kwargs)


def _module_path(node: torch.fx.Node) -> str:
    """Of the innermost module whose forward made the node."""
    stack = node.meta.get("nn_module_stack") or {"": ("", "")}
    return str(list(stack.values())[-1][0])
