"""Builds a graph from traced parts: what a chain repeats N times is traced once and copied N times.

Tracing takes most of an export's time, and all steps of all chains call the same network.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from dlpo_export.graphs import DenoiserGraph, PredictionGraph, StartGraph, UpdateGraph
from dlpo_export.to_onnx import GraphSource, slim_graph, trace

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One use of a traced module in a graph."""

    kind: str
    """prefix of the weights and constants in all uses of the module, or ''"""
    use: str
    """prefix of the tensors and nodes in this use, or ''"""
    program: torch.onnx.ONNXProgram
    takes: Mapping[str, str]
    """input of the module -> tensor of the graph"""
    gives: Mapping[str, str]
    """output of the module -> tensor of the graph"""
    constants: Mapping[str, Tensor] = field(default_factory=dict)
    """input of the module -> its constant value in this use"""

    def tensor_of(self, name: str) -> str:
        """The name in the graph of a tensor of the module."""
        return {**self.takes, **self.gives}.get(name) or f"{self.use}{name}"


def step_of(node: str) -> int:
    """The reverse step, 0 first, of a node of a chain's graph, by its name; 0 outside the steps."""
    found = re.match(r"step\.(\d+)\.", node)
    return int(found[1]) if found else 0


class Tracer:
    """Traces modules, each only once."""

    def __init__(self) -> None:
        self._traced: dict[Hashable, torch.onnx.ONNXProgram] = {}

    def to_onnx(self, source: GraphSource) -> onnx.ModelProto:
        """Export one module to a slimmed ONNX model with named, dynamic dimensions.

        Raises:
            BundleError: the exporter fixed a length that must vary.
            MissingExtraError: onnx, onnxscript or onnxslim is not installed.
        """
        parts = self.parts(source)
        return slim_graph(parts[0].program.model_proto if len(parts) == 1 else _join(parts, source))

    def parts(self, source: GraphSource) -> list[Part]:
        """The traced parts of a graph, in execution order."""
        if isinstance(source.module, DenoiserGraph):
            return self._chain(source, source.module)
        takes = {name: name for name in source.inputs}
        gives = {name: name for name in source.outputs}
        return [Part("", "", trace(source), takes, gives)]

    def _chain(self, source: GraphSource, denoiser: DenoiserGraph) -> list[Part]:
        schedule, noise = denoiser.schedule, {"noise": source.inputs["noise"]}
        _, shape = waveform = source.inputs["source"]
        start = GraphSource(StartGraph(), noise, {"x": shape})
        parts = [self._part("start", "start.", start, {"noise": "noise"}, {"x": "x.0"})]
        network = GraphSource(
            PredictionGraph(denoiser),
            {
                "noisy": waveform,
                "noise_level": (torch.tensor([0.5]), (1,)),
                "conditioning": source.inputs["conditioning"],
                "source": waveform,
            },
            {"prediction": shape},
        )
        for step, level in enumerate(schedule.noise_levels[:-1]):
            last = step == schedule.steps - 1
            given = {"noisy": f"x.{step}", "prediction": f"prediction.{step}"}
            parts.append(
                Part(
                    kind="",
                    use=f"step.{step}.",
                    program=self._program(denoiser.model, network),
                    takes={
                        "noisy": f"x.{step}", "conditioning": "conditioning", "source": "source",
                    },
                    gives={"prediction": f"prediction.{step}"},
                    constants={"noise_level": torch.tensor([level], dtype=torch.float32)},
                )
            )  # fmt: skip
            update = GraphSource(
                UpdateGraph(denoiser.model, schedule, step),
                {"noisy": waveform, "prediction": waveform, **noise},
                {"updated": shape},
            )
            parts.append(
                self._part(
                    (denoiser.model, schedule.name, schedule.eta, schedule.steps, step),
                    f"update.{step}.",
                    update,
                    {**given, "noise": "noise"},
                    {"updated": "waveform" if last else f"x.{step + 1}"},
                )
            )
        return parts

    def _part(
        self,
        key: Hashable,
        use: str,
        source: GraphSource,
        takes: Mapping[str, str],
        gives: Mapping[str, str],
    ) -> Part:
        planes = source.inputs["noise"][0].shape[0]
        return Part(use, use, self._program((key, planes), source), takes, gives)

    def _program(self, key: Hashable, source: GraphSource) -> torch.onnx.ONNXProgram:
        if key not in self._traced:
            self._traced[key] = trace(source)
        return self._traced[key]


def _join(parts: list[Part], source: GraphSource) -> onnx.ModelProto:
    """Join all parts into one graph; weights are stored once."""
    from onnx import TensorProto, helper, numpy_helper

    first = parts[0].program.model_proto
    nodes: list[onnx.NodeProto] = []
    weights: dict[str, onnx.TensorProto] = {}
    for part in parts:
        graph = part.program.model_proto.graph
        names = {name: part.tensor_of(name) for node in graph.node for name in node.output}
        names |= dict(part.takes)
        for tensor in graph.initializer:
            names[tensor.name] = f"{part.kind}{tensor.name}"
            weights[names[tensor.name]] = tensor
        for name, value in part.constants.items():
            names[name] = part.tensor_of(name)
            constant = numpy_helper.from_array(np.asarray(value), names[name])
            weights[names[name]] = constant
        for node in graph.node:
            renamed = copy.deepcopy(node)
            renamed.name = f"{part.use}{node.name}"
            renamed.input[:] = [names.get(name, name) for name in node.input]
            renamed.output[:] = [names.get(name, name) for name in node.output]
            nodes.append(renamed)
    initializers = []
    for name, tensor in weights.items():
        initializers.append(copy.deepcopy(tensor))
        initializers[-1].name = name
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, (_, shape) in source.inputs.items()
    ]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in source.outputs.items()
    ]
    graph = helper.make_graph(nodes, first.graph.name, inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=first.opset_import, ir_version=first.ir_version)
