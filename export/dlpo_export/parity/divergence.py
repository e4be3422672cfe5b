"""Names the layer at which a graph leaves what it should compute.

Every tensor of the graph is compared with the expected one of the same name: quantization and
float16 keep names, and torch's exporter names a tensor after its node in the exported program. The
layer that loses the most precision between its inputs and its output is the one to look at.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.export.graph_signature import InputKind, TensorArgument

from dlpo_export.lstm import lstm_of_onnx
from dlpo_export.parity.open_graph import OpenGraph
from dlpo_export.parts import Tracer
from dlpo_export.to_onnx import GraphSource

if TYPE_CHECKING:
    import onnx

Tensors = Mapping[str, NDArray[Any]]

BROKEN_DB = 0.0  # an error as large as the tensor: less is not worse
INPUTS_SHOWN = 3  # of a layer, in a message


@dataclass(frozen=True, slots=True)
class Divergence:
    """The layer that loses the most precision."""

    node: str
    op_type: str
    module: str
    """path of the torch module that it comes from, such as `model.timing_blocks.0.widen`, or ''"""
    sqnr_db: float
    """power of its output over the power of the error"""
    inputs: tuple[tuple[str, float], ...]
    """the compared tensors that it reads, directly or through layers without a counterpart, and
    their SQNR in dB"""

    def __str__(self) -> str:
        where = f" of {self.module}" if self.module else ""
        read = ", ".join(f"{name} {db:.0f} dB" for name, db in self.inputs[:INPUTS_SHOWN])
        return (
            f"at {self.node} ({self.op_type}{where}), whose output has {self.sqnr_db:.0f} dB of"
            f" SQNR; it reads {read or 'inputs only'}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """What the tensors of a graph should be."""

    tensors: Tensors
    """by their names in the graph"""
    modules: Mapping[str, str]
    """tensor -> path of the torch module that makes it, where known"""


def find_divergence(
    expected: Expected, model: onnx.ModelProto, inputs: Tensors, usual_db: float
) -> Divergence | None:
    """Run a graph and find the layer that loses the most precision.

    Args:
        model: with its weights loaded, as `onnx.load` does.
        inputs: by name. All intermediate tensors are held at once: for a large model give few
            frames.
        usual_db: SQNR of a healthy tensor in this precision; what an input has above it is not
            lost by the layer that reads it.

    Returns:
        The layer, the first where several are as bad; None where no tensor is below `usual_db`.

    Raises:
        BundleError: onnxruntime can't run the graph.
        MissingExtraError: onnx or onnxruntime is not installed.
    """
    names = [
        name
        for name in varying_tensors(model)
        if name in expected.tensors and expected.tensors[name].dtype.kind == "f"
    ]
    made = run_model(model, inputs, names)
    sqnr = {name: sqnr_db(made[name], expected.tensors[name]) for name in names}
    compared: dict[str, tuple[str, ...]] = {}  # tensor -> itself, or the compared ones behind it
    worst: Divergence | None = None
    most_lost_db = 0.0
    for node in model.graph.node:
        reads = tuple(dict.fromkeys(t for name in node.input for t in compared.get(name, ())))
        before_db = min([usual_db, *(sqnr[name] for name in reads)])
        for name in node.output:
            compared[name] = (name,) if name in sqnr else reads
            if name not in sqnr:
                continue
            lost_db = max(before_db, BROKEN_DB) - max(sqnr[name], BROKEN_DB)
            if lost_db > most_lost_db:
                most_lost_db = lost_db
                read = tuple((tensor, sqnr[tensor]) for tensor in reads)
                module = expected.modules.get(name, "")
                worst = Divergence(node.name, node.op_type, module, sqnr[name], read)
    return worst


def graph_tensors(model: onnx.ModelProto, inputs: Tensors) -> Expected:
    """Every tensor that a graph makes from its inputs.

    Raises:
        BundleError: onnxruntime can't run it.
    """
    return Expected(run_model(model, inputs, varying_tensors(model)), {})


@torch.no_grad()
def torch_tensors(source: GraphSource, inputs: Mapping[str, Tensor]) -> Expected:
    """Trace a module as the export does, run torch's program, and keep every tensor.

    It takes as long as an export.
    """
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
    return Expected(tensors, modules)


def sqnr_db(made: NDArray[Any], expected: NDArray[Any]) -> float:
    """Power of `expected` over the power of the difference, dB; -inf for NaN or another shape."""
    if made.shape != expected.shape or not np.isfinite(made).all():
        return -math.inf
    noise = float(np.sum((made.astype(np.float64) - expected) ** 2))
    signal = float(np.sum(expected.astype(np.float64) ** 2))
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf


def run_model(
    model: onnx.ModelProto, inputs: Tensors, fetch: Collection[str]
) -> dict[str, NDArray[Any]]:
    """Run a graph on one CPU thread and return any of its tensors by name.

    Layers are not fused, so that each computes what it says.

    Raises:
        BundleError: onnxruntime can't load or run it.
        MissingExtraError: onnx or onnxruntime is not installed.
    """
    return OpenGraph(model, fetch, fuse=False).run(inputs) if fetch else {}


def varying_tensors(model: onnx.ModelProto) -> list[str]:
    """What the layers make from the inputs, in order; weights and constants are not among it."""
    constant = {tensor.name for tensor in model.graph.initializer}
    varying = {tensor.name for tensor in model.graph.input} - constant
    found = []
    for node in model.graph.node:
        if varying.intersection(node.input):
            varying.update(node.output)
            found += [output for output in node.output if output]
    return found


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
