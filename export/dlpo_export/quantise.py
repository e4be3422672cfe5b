"""8-bit graphs: calibrated on real speech, and only where the rounding is inaudible.

Weights get one scale per channel, activations one per tensor: from the lowest and highest value
they take while sentences at both extremes of prosody are spoken, separately for every reverse step.
onnxruntime's quantiser inserts the QuantizeLinear and DequantizeLinear nodes.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dlpo.errors import needs
from dlpo_export.parity.divergence import Tensors
from dlpo_export.parity.open_graph import OpenGraph
from dlpo_export.parts import step_of
from dlpo_export.sensitivity import LayerNoise, Range, layer_noise, noise_db
from dlpo_export.to_onnx import quiet

if TYPE_CHECKING:
    import onnx

LAYERS = ("Conv", "Gemm", "MatMul")
# Noise to signal of a single layer, in the graph's output, above which it would be audible.
NOISE_DB = {"waveform": -15.0, "conditioning": -30.0}
F0_CENTS = 0.1  # the same for F0: whatever F0 depends on stays exact, and so does the source
PROBE_FRAMES = 80  # of the rollout, for measuring layers one by one
CHAIN_WEIGHTS = 512  # of a layer of a chain; for smaller ones rounding costs what it saves
GELU_FLOOR = -4.0  # below this a GELU outputs at most 1.3e-4; steps are better spent above

logger = logging.getLogger(__name__)


def to_int8(
    model: onnx.ModelProto, rollouts: Sequence[Tensors], *, symmetric: bool = False
) -> tuple[onnx.ModelProto, list[LayerNoise]]:
    """Quantise those layers of a graph whose rounding is inaudible.

    Args:
        model: float32, weights inside; a denoiser, or a graph that makes conditioning and F0.
        rollouts: inputs of the graph; speech representative of what will be spoken.
        symmetric: signed activations with zero at 0, for TensorRT; otherwise unsigned, for CPUs,
            which is finer.

    Returns:
        The graph with Q/DQ nodes, and the measurements of each layer, the noisiest first; those
        above `NOISE_DB` or `F0_CENTS` stay in float32.

    Raises:
        BundleError: onnxruntime can't run the model.
        MissingExtraError: onnx or onnxruntime is not installed.
    """
    layers = quantisable_layers(model)
    ranges = tensor_ranges(model, layers, rollouts)
    if symmetric:
        ranges = _symmetric(ranges)
    measured = layer_noise(model, layers, ranges, probe(model, rollouts))
    measured.sort(key=lambda layer: layer.noise_db, reverse=True)
    limit_db = NOISE_DB[model.graph.output[0].name]
    kept = [layer for layer in measured if layer.noise_db > limit_db or layer.f0_cents > F0_CENTS]
    for layer in kept:
        logger.info("%s stays in float32", layer)
    exact = {layer.node for layer in kept}
    return _insert(model, [n for n in layers if n not in exact], ranges, symmetric), measured


def chain_to_int8(
    model: onnx.ModelProto, rollouts: Sequence[Tensors], *, symmetric: bool = False
) -> tuple[onnx.ModelProto, int]:
    """Quantise the first steps of a chain, as many as leave the noise of all together inaudible.

    A step removes much of what 8 bits added before it, but nothing removes what they add in the
    last one.

    Args:
        model: a denoiser in float32, weights inside, of one step or more.
        rollouts, symmetric: as of `to_int8`.

    Returns:
        The graph with Q/DQ nodes in all layers of at least `CHAIN_WEIGHTS` weights of the first
        steps, and how many steps these are.

    Raises:
        BundleError, MissingExtraError: see `to_int8`.
    """
    layers = {name: step_of(name) for name in quantisable_layers(model, CHAIN_WEIGHTS)}
    ranges = tensor_ranges(model, list(layers), rollouts)
    if symmetric:
        ranges = _symmetric(ranges)
    heard = probe(model, rollouts)
    expected = OpenGraph(model).run(heard)["waveform"]
    for steps in range(1 + max(layers.values()), 0, -1):
        chosen = [name for name, step in layers.items() if step < steps]
        made = _insert(model, chosen, ranges, symmetric)
        noise = noise_db(OpenGraph(made).run(heard)["waveform"], expected)
        logger.info("%d steps in 8 bits: %.0f dB of noise", steps, noise)
        if noise <= NOISE_DB["waveform"]:
            return made, steps
    return copy.deepcopy(model), 0


def quantisable_layers(model: onnx.ModelProto, fewest_weights: int = 0) -> list[str]:
    """Names of the nodes that multiply by weights, at least so many of them."""
    weights = {tensor.name: np.prod(tensor.dims) for tensor in model.graph.initializer}
    return [
        node.name
        for node in model.graph.node
        if node.op_type in LAYERS
        and len(node.input) > 1
        and weights.get(node.input[1], -1) >= fewest_weights
    ]


def tensor_ranges(
    model: onnx.ModelProto, layers: Sequence[str], rollouts: Sequence[Tensors]
) -> Mapping[str, Range]:
    """Lowest and highest value of the layers' inputs and outputs, always including 0.

    The range of tensors read only by a GELU starts at `GELU_FLOOR`.
    """
    from onnx import helper

    chosen = set(layers)
    tensors = {
        name: None
        for node in model.graph.node
        if node.name in chosen
        for name in (node.input[0], node.output[0])
    }
    watched = copy.deepcopy(model)
    for name in tensors:
        for end in ("Min", "Max"):
            watched.graph.node.append(
                helper.make_node(f"Reduce{end}", [name], [f"{name}.{end}"], keepdims=0)
            )
    found = dict.fromkeys(tensors, (0.0, 0.0))
    ends = [f"{name}.{end}" for name in tensors for end in ("Min", "Max")]
    opened = OpenGraph(watched, ends, fuse=False)
    for inputs in rollouts:
        values = opened.run(inputs)
        for name, (low, high) in found.items():
            found[name] = (
                min(low, float(values[f"{name}.Min"])),
                max(high, float(values[f"{name}.Max"])),
            )
    for name, (low, high) in found.items():
        readers = {node.op_type for node in model.graph.node if name in node.input}
        if readers == {"Gelu"}:
            found[name] = (max(low, GELU_FLOOR), high)
    return found


def _symmetric(ranges: Mapping[str, Range]) -> Mapping[str, Range]:
    return {name: (-max(-low, high), max(-low, high)) for name, (low, high) in ranges.items()}


def probe(model: onnx.ModelProto, rollouts: Sequence[Tensors]) -> Tensors:
    """The middle of the longest rollout, or all of it if no input has frames; spoken by all voices
    in one batch, so that a layer unused by some of them is still measured."""
    axes = {  # the frame axis of each input that has one
        value.name: axis
        for value in model.graph.input
        for axis, dimension in enumerate(value.type.tensor_type.shape.dim)
        if dimension.dim_param == "F"
    }
    longest = max(rollouts, key=lambda inputs: sum(value.size for value in inputs.values()))
    probed = dict(longest)
    for name, axis in axes.items():
        start = max(0, (longest[name].shape[axis] - PROBE_FRAMES) // 2)
        probed[name] = longest[name][(slice(None),) * axis + (slice(start, start + PROBE_FRAMES),)]
    if "voice" in probed:
        probed["voice"] = np.full_like(probed["voice"], 1 / probed["voice"].size)
    return probed


def _insert(
    model: onnx.ModelProto, layers: Sequence[str], ranges: Mapping[str, Range], symmetric: bool
) -> onnx.ModelProto:
    with needs("export"):
        from onnx import shape_inference
        from onnxruntime.quantization import CalibrationMethod, QuantType
        from onnxruntime.quantization.calibrate import TensorsData
        from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
    values = {
        name: (np.array(low, np.float32), np.array(high, np.float32))
        for name, (low, high) in ranges.items()
    }
    with quiet():  # the quantiser advises preparing the model, which has been done
        quantizer = QDQQuantizer(
            shape_inference.infer_shapes(_with_own_weights(model, set(layers))),
            per_channel=True,
            reduce_range=True,  # weights up to 64: `dlpo_export.weights.LARGEST`
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QInt8 if symmetric else QuantType.QUInt8,
            tensors_range=TensorsData(CalibrationMethod.MinMax, values),
            nodes_to_quantize=list(layers),
            nodes_to_exclude=[],
            op_types_to_quantize=list(LAYERS),
            extra_options={
                "ActivationSymmetric": symmetric,
                "WeightSymmetric": True,
                # TensorRT adds biases in float and leaves outputs to the next layer.
                "QuantizeBias": not symmetric,
                "OpTypesToExcludeOutputQuantization": list(LAYERS) if symmetric else [],
            },
        )
        quantizer.quantize_model()
        quantizer.model.topological_sort()  # onnxruntime sorts on its own, others don't
    quantised: onnx.ModelProto = quantizer.model.model
    del quantised.graph.value_info[:]
    return quantised


def _with_own_weights(model: onnx.ModelProto, quantised: set[str]) -> onnx.ModelProto:
    """Give layers that stay exact in one step, but are quantised in others, weights of their own.

    Otherwise they would read those layers' 8-bit weights through a DequantizeLinear on every run.
    """
    separate = copy.deepcopy(model)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    shared = {name for node in model.graph.node if node.name in quantised for name in node.input}
    copied = set()
    for node in separate.graph.node:
        if node.op_type not in LAYERS or node.name in quantised:
            continue
        for place, name in enumerate(node.input):
            if name in weights and name in shared:
                node.input[place] = f"{name}.exact"
                copied.add(name)
    for name in copied:
        exact = separate.graph.initializer.add()
        exact.CopyFrom(weights[name])
        exact.name = f"{name}.exact"
    return separate
