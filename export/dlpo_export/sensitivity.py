"""In which layers of a graph 8 bits would be heard: each is quantised alone and measured.

All layers carry switchable quantisation in one graph, so that no graph is made for each of them.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dlpo.audio import HOP_LENGTH
from dlpo_export.parity.open_graph import OpenGraph

if TYPE_CHECKING:
    import onnx

Range = tuple[float, float]  # of a tensor's values, 0 included

GATES = "gates"  # the added input: which layers are quantised
AUDIBLE = 1e-3  # RMS of full scale; noise below it is not heard even in a pause


@dataclass(frozen=True, slots=True)
class LayerNoise:
    """What quantising one layer does to the waveform."""

    node: str
    op_type: str
    weight: str
    noise_db: float
    """noise to signal, averaged over frames; alone, without its weights' rounding"""


def layer_noise(
    model: onnx.ModelProto,
    layers: Sequence[str],
    ranges: Mapping[str, Range],
    inputs: Mapping[str, NDArray[Any]],
) -> list[LayerNoise]:
    """Quantise input and output of each layer alone, and measure the noise in the graph's output.

    Args:
        model: in float32, with one output (B, F, 300).
        layers: names of nodes.
        ranges: of the layers' input and output tensors.
        inputs: of the graph.

    Returns:
        One entry for each layer, in their order.
    """
    opened = OpenGraph(_gated(model, layers, ranges))

    def waveform(gates: NDArray[np.bool_]) -> NDArray[np.float32]:
        (made,) = opened.run({**inputs, GATES: gates}).values()
        return made

    expected = waveform(np.zeros(len(layers), bool))
    nodes = {node.name: node for node in model.graph.node}
    return [
        LayerNoise(
            name,
            nodes[name].op_type,
            nodes[name].input[1],
            noise_db(waveform(np.arange(len(layers)) == k), expected),
        )
        for k, name in enumerate(layers)
    ]


def noise_db(made: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Noise to signal in dB, averaged over frames, so that noise in quiet ones counts as heard.

    Args:
        made, expected: waveforms, (B, F, 300).
    """
    noise = np.square(made.astype(np.float64) - expected).reshape(-1, HOP_LENGTH).mean(1)
    signal = np.square(expected.astype(np.float64)).reshape(-1, HOP_LENGTH).mean(1)
    return float(10 * np.log10(np.mean(noise / (signal + AUDIBLE**2)) + 1e-30))


def _gated(
    model: onnx.ModelProto, layers: Sequence[str], ranges: Mapping[str, Range]
) -> onnx.ModelProto:
    """The graph with an input `gates` (layers,) bool that switches each layer's quantisation."""
    from onnx import TensorProto, helper, numpy_helper

    gated = copy.deepcopy(model)
    graph = gated.graph
    del graph.value_info[:]
    graph.input.append(helper.make_tensor_value_info(GATES, TensorProto.BOOL, [len(layers)]))
    nodes = []

    def constant(name: str, value: NDArray[Any]) -> str:
        graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    def rounded(tensor: str, gate: str, out: str) -> None:
        low, high = ranges[tensor]
        scale = max((high - low) / 255, 1e-12)
        by = constant(f"{out}.scale", np.array(scale, np.float32))
        zero = constant(f"{out}.zero", np.array(round(-low / scale), np.uint8))
        nodes.append(helper.make_node("QuantizeLinear", [tensor, by, zero], [f"{out}.q"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"{out}.q", by, zero], [f"{out}.dq"]))
        nodes.append(helper.make_node("Where", [gate, f"{out}.dq", tensor], [out]))

    number = {name: k for k, name in enumerate(layers)}
    for node in graph.node:
        k = number.get(node.name)
        if k is None:
            nodes.append(node)
            continue
        gate, source, out = f"gate.{k}", node.input[0], node.output[0]
        index = constant(f"gate.{k}.index", np.array(k, np.int64))
        nodes.append(helper.make_node("Gather", [GATES, index], [gate]))
        rounded(source, gate, f"{out}.in")
        ranged = f"{out}.exact"
        node.input[0], node.output[0] = f"{out}.in", ranged
        nodes.append(node)
        low_high = ranges[out]
        ranges = {**ranges, ranged: low_high}
        rounded(ranged, gate, out)
    del graph.node[:]
    graph.node.extend(nodes)
    return gated
