"""Locates the layer at which a graph departs from what it should compute.

Every tensor of the graph is compared with the one of the same name in the float32 graph, as
quantization and float16 keep names. The layer that loses the most precision between its inputs and
its output is the one to inspect.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dlpo_export.parity.open_graph import OpenGraph

if TYPE_CHECKING:
    import onnx

Tensors = Mapping[str, NDArray[Any]]

BROKEN_DB = 0.0  # an error as large as the tensor: anything lower is no worse
INPUTS_SHOWN = 3  # of a layer, listed in a message


@dataclass(frozen=True, slots=True)
class Divergence:
    """The layer that loses the most precision."""

    node: str
    op_type: str
    sqnr_db: float
    """power of its output over the power of the error"""
    inputs: tuple[tuple[str, float], ...]
    """the compared tensors that it reads, directly or through layers without a counterpart, with
    their SQNR in dB"""

    def __str__(self) -> str:
        read = ", ".join(f"{name} {db:.0f} dB" for name, db in self.inputs[:INPUTS_SHOWN])
        return (
            f"at {self.node} ({self.op_type}), whose output has {self.sqnr_db:.0f} dB of"
            f" SQNR; it reads {read or 'inputs only'}"
        )


def find_divergence(
    expected: Tensors, model: onnx.ModelProto, inputs: Tensors, usual_db: float
) -> Divergence | None:
    """Run a graph and find the layer that loses the most precision.

    Args:
        expected: tensors of the float32 graph, by name.
        model: with its weights loaded, as `onnx.load` does.
        inputs: by name. All intermediate tensors are kept in memory: for a large model use few
            frames.
        usual_db: SQNR of a healthy tensor in this precision; an input's excess over it is not
            counted as lost by the layer that reads it.

    Returns:
        The layer, the first of several equally bad ones; None if no tensor is below `usual_db`.

    Raises:
        BundleError: onnxruntime can't run the graph.
        MissingExtraError: onnx or onnxruntime is not installed.
    """
    names = [
        name
        for name in varying_tensors(model)
        if name in expected and expected[name].dtype.kind == "f"
    ]
    made = OpenGraph(model, names, fuse=False).run(inputs)
    sqnr = {name: sqnr_db(made[name], expected[name]) for name in names}
    compared: dict[str, tuple[str, ...]] = {}  # tensor -> itself, or its compared sources
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
                worst = Divergence(node.name, node.op_type, sqnr[name], read)
    return worst


def sqnr_db(made: NDArray[Any], expected: NDArray[Any]) -> float:
    """Power of `expected` over the power of the difference, dB; -inf for NaN or a wrong shape."""
    if made.shape != expected.shape or not np.isfinite(made).all():
        return -math.inf
    noise = float(np.sum((made.astype(np.float64) - expected) ** 2))
    signal = float(np.sum(expected.astype(np.float64) ** 2))
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf


def varying_tensors(model: onnx.ModelProto) -> list[str]:
    """Tensors computed from the inputs, in order; weights and constants are excluded."""
    constant = {tensor.name for tensor in model.graph.initializer}
    varying = {tensor.name for tensor in model.graph.input} - constant
    found = []
    for node in model.graph.node:
        if varying.intersection(node.input):
            varying.update(node.output)
            found += [output for output in node.output if output]
    return found
