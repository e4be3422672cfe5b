"""In which layers of a graph 8 bits would be audible: each is quantised alone and measured.

One graph carries switchable quantisation in all layers, so no separate graphs are needed.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dlpo_export.parity.divergence import Tensors, sqnr_db
from dlpo_export.parity.metrics import f0_error_cents
from dlpo_export.parity.open_graph import OpenGraph
from dlpo_export.progress import counted

if TYPE_CHECKING:
    import onnx

Range = tuple[float, float]  # of a tensor's values, including 0

GATES = "gates"  # the added input: selects the quantised layers
AUDIBLE = 1e-3  # RMS of full scale; noise below it is inaudible even in a pause


@dataclass(frozen=True, slots=True)
class LayerNoise:
    """The effect on a graph's output of quantising one layer alone, with exact weights."""

    node: str
    weight: str
    noise_db: float
    """noise to signal: of a waveform averaged over frames, see `noise_db`; of conditioning; of an
    encoder's hidden sequence"""
    f0_cents: float = 0.0
    """RMS error of F0 where it stays voiced; 0 for a graph without F0"""
    moved_frames: float = 0.0
    """RMS error of the ends of symbols; 0 for a graph without durations"""

    def __str__(self) -> str:
        off = f", F0 {self.f0_cents:.1f} cents off" if self.f0_cents else ""
        off += f", ends moved by {self.moved_frames:.2f} frames" if self.moved_frames else ""
        return f"{self.weight} ({self.noise_db:.0f} dB of noise{off})"


def layer_noise(
    model: onnx.ModelProto,
    layers: Sequence[str],
    ranges: Mapping[str, Range],
    inputs: Mapping[str, NDArray[Any]],
) -> list[LayerNoise]:
    """Quantise the input and output of each layer alone, and measure the effect on the outputs.

    Args:
        model: in float32; makes a waveform (B, F, 300), or conditioning and F0, or an encoder's
            outputs.
        layers: names of nodes.
        ranges: of the layers' input and output tensors; a tensor without one is not rounded.
        inputs: of the graph.

    Returns:
        One entry per layer, in the same order.
    """
    opened = OpenGraph(_gated(model, layers, ranges))

    def outputs(gates: NDArray[np.bool_]) -> Tensors:
        return opened.run({**inputs, GATES: gates})

    expected = outputs(np.zeros(len(layers), bool))
    nodes = {node.name: node for node in model.graph.node}
    found = []
    for k, name in counted(list(enumerate(layers)), "layers measured"):
        made = outputs(np.arange(len(layers)) == k)
        cents, moved = 0.0, 0.0
        if "waveform" in made:
            noise = noise_db(made["waveform"], expected["waveform"])
        elif "hidden" in made:
            noise = -sqnr_db(made["hidden"], expected["hidden"])
            ends = (made["durations"].astype(np.float64) - expected["durations"]).cumsum(1)
            moved = float(np.sqrt(np.square(ends).mean()))
        else:
            noise = -sqnr_db(made["conditioning"], expected["conditioning"])
            cents = f0_error_cents(made["f0"], expected["f0"])
        found.append(LayerNoise(name, nodes[name].input[1], noise, cents, moved))
    return found


def noise_db(made: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Noise to signal in dB, averaged over frames, so that noise in quiet frames counts as audible.

    Args:
        made, expected: waveforms, (B, F, H).
    """
    noise = np.square(made.astype(np.float64) - expected).mean(-1)
    signal = np.square(expected.astype(np.float64)).mean(-1)
    return float(10 * np.log10(np.mean(noise / (signal + AUDIBLE**2)) + 1e-30))


def _gated(
    model: onnx.ModelProto, layers: Sequence[str], ranges: Mapping[str, Range]
) -> onnx.ModelProto:
    """The graph with an input `gates` (layers,) bool that enables each layer's quantisation."""
    from onnx import TensorProto, helper, numpy_helper

    gated = copy.deepcopy(model)
    graph = gated.graph
    del graph.value_info[:]
    graph.input.append(helper.make_tensor_value_info(GATES, TensorProto.BOOL, [len(layers)]))
    nodes = []

    def constant(name: str, value: NDArray[Any]) -> str:
        graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    def rounded(tensor: str, gate: str, out: str, low_high: Range) -> None:
        low, high = low_high
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
        gate = f"gate.{k}"
        source = node.input[0]
        out = node.output[0]
        index = constant(f"gate.{k}.index", np.array(k, np.int64))
        nodes.append(helper.make_node("Gather", [GATES, index], [gate]))
        if source in ranges:
            rounded(source, gate, f"{out}.in", ranges[source])
            node.input[0] = f"{out}.in"
        nodes.append(node)
        if out in ranges:
            node.output[0] = f"{out}.exact"
            rounded(node.output[0], gate, out, ranges[out])
    del graph.node[:]
    graph.node.extend(nodes)
    return gated
