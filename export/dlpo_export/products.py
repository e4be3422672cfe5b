"""Convolutions as matrix products on channels last, in float32 or, as other products, on integers.

    x (B, F, I) -> taps (B, F, k I), what each of the k taps sees, side by side -> y (B, F, O)

onnxruntime's integer product reads 8 bits and makes float32, so that only what a layer reads is
rounded, at the speed of its 8-bit convolution. It needs nothing rewritten when a graph is loaded.

A layer that 8 bits would spoil reads two tensors of 8 bits: x rounded, and what that left over.
The two products take half the time of one in float32, and round like 16 bits.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from dlpo_export.parity.divergence import Tensors
from dlpo_export.quantise import (
    F0_CENTS,
    probe,
    quantisable_layers,
    tensor_ranges,
)
from dlpo_export.sensitivity import Range, layer_noise
from dlpo_export.to_onnx import drop_unused
from dlpo_export.weights import in_steps

if TYPE_CHECKING:
    import onnx

Bits = Literal[8, 16, 32]

STEPS = 255  # of a range in 8 bits
MIDDLE = 128  # zero of the rest, which has both signs
MARGIN = 1.5  # of a range in 16 bits, which have some to spare: nothing is clipped
MICROSOFT = "com.microsoft"  # the domain of onnxruntime's own operators
LAST = [0, 2, 1]  # the permutation between channels first and last
FEWEST_WEIGHTS = 2048  # of a layer; rounding what a smaller one reads costs what it gains
LIMIT_DB = -30.0  # noise to signal of a layer alone, above which it reads 16 bits

logger = logging.getLogger(__name__)


def as_products(
    model: onnx.ModelProto, bits: Mapping[str, Bits], ranges: Mapping[str, Range]
) -> onnx.ModelProto:
    """Replace every convolution over one axis by a product.

    Args:
        model: float32, weights inside; convolutions (B, I, F) -> (B, O, F) without groups or
            strides. Transpositions to and from channels last about them vanish.
        bits: node -> of what it reads; 32 where it is not there.
        ranges: lowest and highest value of what each node with fewer bits reads.

    Returns:
        A new model.
    """
    return _Rewriting(model, bits, ranges).model


class _Rewriting:
    def __init__(
        self, model: onnx.ModelProto, bits: Mapping[str, Bits], ranges: Mapping[str, Range]
    ) -> None:
        from onnx import numpy_helper

        self.model = copy.deepcopy(model)
        self._bits, self._ranges = bits, ranges
        graph = self.model.graph
        self._weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self._makers = {output: node for node in graph.node for output in node.output}
        self._constants: dict[str, onnx.TensorProto] = {}
        self._made: list[onnx.NodeProto] = []
        nodes, renamed = list(graph.node), dict[str, str]()
        for node in nodes:
            node.input[:] = [renamed.get(name, name) for name in node.input]
            if node.op_type == "MatMul" and node.name in bits:
                factors = numpy_helper.to_array(self._weights[node.input[1]])
                self._multiplied(node, node.input[0], factors, node.output[0])
            elif node.op_type == "Conv" and not is_grouped(node):
                last = self._product(node)
                self._node("Transpose", [last], node.output[0], perm=LAST)
                for reader in nodes:
                    if node.output[0] in reader.input and _turns(reader):
                        renamed[reader.output[0]] = last
            else:
                self._made.append(node)
        del graph.node[:], graph.value_info[:]
        graph.node.extend(self._made)
        graph.initializer.extend(self._constants.values())
        drop_unused(graph)
        if any(node.domain == MICROSOFT for node in graph.node):
            self.model.opset_import.add(domain=MICROSOFT, version=1)

    def _product(self, node: onnx.NodeProto) -> str:
        """Add the nodes that compute a convolution; the name of its output, channels last."""
        from onnx import helper, numpy_helper

        settings = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        weight = numpy_helper.to_array(self._weights[node.input[1]])
        outputs, _, kernel = weight.shape
        (dilation,) = settings.get("dilations", [1])
        reach = dilation * (kernel - 1) // 2
        assert list(settings.get("strides", [1])) == [1], node.name
        assert list(settings.get("pads", [0, 0])) == [reach, reach], node.name
        factors = weight.transpose(2, 1, 0).reshape(-1, outputs)  # (k I, O)
        source = self._channels_last(node)
        return self._multiplied(
            node, source, factors, f"{node.name}.last", node.input[2:], kernel, dilation
        )

    def _multiplied(
        self,
        node: onnx.NodeProto,
        source: str,
        factors: NDArray[np.float32],
        out: str,
        bias: Sequence[str] = (),
        kernel: int = 1,
        dilation: int = 1,
    ) -> str:
        """Add the nodes of a product of taps of `source` and `factors`, (k I, O); returns `out`."""
        name, bits = node.input[1], self._bits.get(node.name, 32)
        if bits == 32:
            taps = self._taps(source, "", kernel, dilation, node.name)
            product = f"{node.name}.product" if bias else out
            self._node("MatMul", [taps, self._constant(name, factors)], product)
            return self._node("Add", [product, *bias], out) if bias else out
        steps, scale = in_steps(factors)
        stepped = [self._constant(f"{name}.steps", steps), self._constant(f"{name}.scale", scale)]
        low, high = self._ranges[node.input[0]]
        if bits == 16:
            low, high = MARGIN * low, MARGIN * high
        size = max((high - low) / STEPS, 1e-12)
        coarse = self._integers(source, f"{node.name}.high", size, round(-low / size))

        def multiplied(integers: tuple[str, str, str], out: str, *add: str) -> str:
            tensor, by, zero = integers
            taps = self._taps(tensor, zero, kernel, dilation, out)
            return self._node(
                "MatMulIntegerToFloat",
                [taps, stepped[0], by, stepped[1], zero, "", *add],
                out,
                domain=MICROSOFT,
            )

        if bits == 8:
            return multiplied(coarse, out, *bias)
        heard = self._node("DequantizeLinear", coarse, f"{node.name}.heard")
        rest = self._node("Sub", [source, heard], f"{node.name}.rest")
        fine = self._integers(rest, f"{node.name}.low", size / STEPS, MIDDLE)
        parts = [
            multiplied(coarse, f"{node.name}.coarse", *bias),
            multiplied(fine, f"{node.name}.fine"),
        ]
        return self._node("Add", parts, out)

    def _channels_last(self, node: onnx.NodeProto) -> str:
        maker = self._makers.get(node.input[0])
        if maker is not None and _turns(maker):
            return str(maker.input[0])
        return self._node("Transpose", [node.input[0]], f"{node.name}.turned", perm=LAST)

    def _integers(self, tensor: str, name: str, size: float, zero: int) -> tuple[str, str, str]:
        """Round a tensor to 8 bits; its name, and those of its scale and zero."""
        by = self._constant(f"{name}.scale", np.array(size, np.float32))
        at = self._constant(f"{name}.zero", np.array(zero, np.uint8))
        return self._node("QuantizeLinear", [tensor, by, at], f"{name}.integers"), by, at

    def _taps(self, tensor: str, zero: str, kernel: int, dilation: int, name: str) -> str:
        if kernel == 1:
            return tensor
        reach = dilation * (kernel - 1) // 2
        pads = np.array([0, reach, 0, 0, reach, 0])
        inputs = [tensor, self._constant(f"pads.{reach}", pads), *([zero] if zero else [])]
        padded = self._node("Pad", inputs, f"{name}.padded")
        seen = []
        for tap in range(kernel):
            first, end = dilation * tap, dilation * (tap + 1 - kernel) or np.iinfo(np.int64).max
            limits = [self._constant(f"at.{k}", np.array([k])) for k in (first, end, 1)]
            seen.append(self._node("Slice", [padded, *limits], f"{name}.tap.{tap}"))
        return self._node("Concat", seen, f"{name}.taps", axis=2)

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        from onnx import numpy_helper

        if value.dtype.kind == "i" and value.dtype != np.int8:
            value = value.astype(np.int64)
        # A name of its own, where a weight of the model has it.
        name = f"{name}.last" if name in self._weights else name
        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def _node(
        self, kind: str, inputs: Iterable[str], out: str, domain: str = "", **settings: Any
    ) -> str:
        from onnx import helper

        self._made.append(
            helper.make_node(kind, list(inputs), [out], name=out, domain=domain, **settings)
        )
        return out


def is_grouped(node: onnx.NodeProto) -> bool:
    """Whether it is a convolution of channels that don't mix."""
    return any(attribute.name == "group" and attribute.i > 1 for attribute in node.attribute)


def _turns(node: onnx.NodeProto) -> bool:
    """Whether it transposes between channels first and last."""
    return node.op_type == "Transpose" and list(node.attribute[0].ints) == LAST


def to_integers(model: onnx.ModelProto, rollouts: Sequence[Tensors]) -> onnx.ModelProto | None:
    """Make the large layers of a graph products of integers: of 8 bits where a layer's rounding is
    not heard, of 16 elsewhere, so that durations and F0 stay within parts in ten thousand.

    Args:
        model: float32 with convolutions or products, weights inside; an encoder, a frames graph
            or the denoiser of a `spectral`. All layers of an encoder read 16 bits.
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
    if model.graph.output[0].name in ("waveform", "conditioning"):
        for layer in layer_noise(model, layers, ranges, probe(model, rollouts)):
            if layer.noise_db > LIMIT_DB or layer.f0_cents > F0_CENTS:
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
