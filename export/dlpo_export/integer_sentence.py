"""`lite`'s encoder and frames graph on integers: 8 bits where nobody hears them, 16 elsewhere.

Durations and F0 stay what they are in float32 but for a few parts in ten thousand.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dlpo_export.parity.divergence import Tensors
from dlpo_export.products import Bits, as_products, is_grouped
from dlpo_export.quantise import (
    F0_CENTS,
    probe,
    quantisable_layers,
    tensor_ranges,
)
from dlpo_export.sensitivity import layer_noise
from dlpo_export.weights import in_steps

if TYPE_CHECKING:
    import onnx

FEWEST_WEIGHTS = 2048  # of a layer; rounding what a smaller one reads costs what it gains

LIMIT_DB = {"waveform": -30.0, "conditioning": -30.0}
"""Noise to signal of a layer alone, in a graph's first output, above which it reads 16 bits."""

logger = logging.getLogger(__name__)


def to_integers(model: onnx.ModelProto, rollouts: Sequence[Tensors]) -> onnx.ModelProto | None:
    """Make the large layers of a graph products of integers.

    Args:
        model: float32 with convolutions, weights inside; the encoder or the frames graph.
        rollouts: inputs of the graph, speech that covers what will be spoken.

    Returns:
        A new model for onnxruntime alone, or None if all layers have to stay in float32: those
        that need more than 8 bits of what they read, and whose weights 8 bits don't hold exactly.

    Raises:
        BundleError: onnxruntime can't run the model.
        MissingExtraError: onnx or onnxruntime is not installed.
    """
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = {node.name: node for node in model.graph.node}
    layers = [
        name
        for name in quantisable_layers(model)
        if np.prod(weights[nodes[name].input[1]].dims) >= FEWEST_WEIGHTS
        and (
            (nodes[name].op_type == "Conv" and not is_grouped(nodes[name]))
            or (nodes[name].op_type == "MatMul" and _is_stepped(weights[nodes[name].input[1]]))
        )
    ]
    read = {nodes[name].input[0] for name in layers}
    ranges = {k: v for k, v in tensor_ranges(model, layers, rollouts).items() if k in read}
    bits: dict[str, Bits] = dict.fromkeys(layers, 16)
    limit_db = LIMIT_DB.get(model.graph.output[0].name)
    if limit_db is not None:
        for layer in layer_noise(model, layers, ranges, probe(model, rollouts)):
            if layer.noise_db > limit_db or layer.f0_cents > F0_CENTS:
                logger.info("%s reads 16 bits", layer)
            else:
                bits[layer.node] = 8
    for name, several in bits.items():
        if several > 8 and not _is_stepped(weights[nodes[name].input[1]]):
            bits[name] = 32
    if all(several == 32 for several in bits.values()):
        return None
    return as_products(model, bits, ranges)


def _is_stepped(weight: onnx.TensorProto) -> bool:
    """Whether 8 bits and a scale for each output hold it, (O, I, K) or (I, O)."""
    from onnx import numpy_helper

    values = numpy_helper.to_array(weight)
    factors = values.reshape(len(values), -1).T if values.ndim == 3 else values
    steps, scale = in_steps(factors)
    return np.array_equal(steps * scale, factors)
