"""Joins ONNX graphs end to end: what one gives, a later one takes by the same name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx


def rename(model: onnx.ModelProto, names: Mapping[str, str]) -> onnx.ModelProto:
    """Give tensors of a graph other names, in place."""
    graph = model.graph
    for value in (*graph.input, *graph.output):
        value.name = names.get(value.name, value.name)
    for tensor in graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    return model


def scripted(
    function: Any, outputs: Iterable[str], constants: Mapping[str, np.ndarray[Any, Any]], of: str
) -> onnx.ModelProto:
    """A function of onnxscript as a graph of plain operators.

    Args:
        outputs: names of what it returns.
        constants: values of some of its inputs.
        of: prefix of everything inside, so that it can be joined with other graphs.
    """
    from onnx import inliner, numpy_helper

    model = inliner.inline_local_functions(function.to_model_proto(ir_version=10))
    graph = model.graph
    for name, value in constants.items():
        graph.initializer.append(numpy_helper.from_array(value, name))
    inputs = [value for value in graph.input if value.name not in constants]
    del graph.input[:]
    graph.input.extend(inputs)
    inside = {name for node in graph.node for name in (*node.input, *node.output) if name}
    names = {name: f"{of}.{name}" for name in (inside | set(constants)) - {i.name for i in inputs}}
    names |= dict(zip([value.name for value in graph.output], outputs, strict=True))
    for node in graph.node:
        node.name = f"{of}.{node.name}"
    return rename(model, names)


def end_to_end(models: Sequence[onnx.ModelProto], outputs: Sequence[str]) -> onnx.ModelProto:
    """The models as one graph that gives `outputs`; it takes what none of them makes."""
    from onnx import helper

    made = {name for model in models for node in model.graph.node for name in node.output}
    inputs: dict[str, onnx.ValueInfoProto] = {}
    given: dict[str, onnx.ValueInfoProto] = {}
    weights: dict[str, onnx.TensorProto] = {}
    nodes: list[onnx.NodeProto] = []
    for model in models:
        graph = model.graph
        inputs |= {value.name: value for value in graph.input if value.name not in made}
        given |= {value.name: value for value in graph.output}
        weights |= {tensor.name: tensor for tensor in graph.initializer}
        nodes += graph.node
    domains = {domain.domain: domain for model in models for domain in model.opset_import}
    graph = helper.make_graph(
        nodes, "dlpo", list(inputs.values()), [given[name] for name in outputs],
        list(weights.values()),
    )  # fmt: skip
    return helper.make_model(
        graph, opset_imports=list(domains.values()), ir_version=models[0].ir_version
    )
