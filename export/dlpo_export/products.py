"""Convolutions as channels-last matrix products, in float32 or, as other products are, on integers.

    x (B, F, I) -> taps (B, F, k I), the inputs of all k taps side by side -> y (B, F, O)

onnxruntime's integer product reads 8 bits and outputs float32, so only a layer's input is rounded,
at the speed of its 8-bit convolution. The graph needs no rewriting when it is loaded.
"""

from __future__ import annotations

import copy
import logging
import tempfile
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlpo.errors import needs
from dlpo_export.parity.divergence import Tensors
from dlpo_export.parity.open_graph import OpenGraph
from dlpo_export.quantise import (
    F0_CENTS,
    probe,
    quantisable_layers,
    tensor_ranges,
)
from dlpo_export.sensitivity import Range, layer_noise
from dlpo_export.unused import drop_unused
from dlpo_export.weights import in_steps

if TYPE_CHECKING:
    import onnx

INT8_STEPS = 255  # of a range in 8 bits
TO_OPTIMISE = "dlpo.optimise"  # a graph that onnxruntime should rewrite when it loads it
MICROSOFT = "com.microsoft"  # the domain of onnxruntime's own operators
CHANNELS_LAST = [0, 2, 1]  # the permutation between channels first and channels last
FEWEST_WEIGHTS = 2048  # of a layer; for smaller ones, rounding the input costs what it saves
LIMIT_DB = -38.0  # noise to signal of a layer alone, above which it stays in float32
MOVED_FRAMES = 0.25  # the same limit for how far it moves the ends of symbols, RMS

logger = logging.getLogger(__name__)


def as_products(
    model: onnx.ModelProto, rounded: Collection[str] = (), ranges: Mapping[str, Range] | None = None
) -> onnx.ModelProto:
    """Replace every convolution by a product, or by one over two axes if it is grouped.

    Args:
        model: float32, weights inside; convolutions over one axis without strides.
        rounded: names of the nodes that read 8 bits.
        ranges: lowest and highest value of each tensor that they read.

    Returns:
        A new model.
    """
    made = _Rewriting(model, rounded, ranges or {}).model
    with needs("export"):
        import onnx
    with tempfile.TemporaryDirectory(prefix="dlpo-export-") as folder:
        path = Path(folder) / "graph.onnx"
        OpenGraph(made, fuse=False, save=path)  # drops transpositions that undo one another
        return onnx.load(path)


class _Taps(NamedTuple):
    """The part of its input that a convolution sees, along the axis."""

    kernel: int = 1
    dilation: int = 1
    before: int = 0
    """zeros padded in front"""
    after: int = 0


class _Rewriting:
    def __init__(
        self, model: onnx.ModelProto, rounded: Collection[str], ranges: Mapping[str, Range]
    ) -> None:
        from onnx import numpy_helper

        self.model = copy.deepcopy(model)
        self._reads_integers = rounded
        self._ranges = ranges
        graph = self.model.graph
        self._weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self._makers = {output: node for node in graph.node for output in node.output}
        self._readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in graph.node:
            for name in node.input:
                self._readers[name].append(node)
        self._absorbed: set[str] = set()  # names of nodes merged into a preceding one
        self._rounded: dict[tuple[str, float, int], tuple[str, str, str]] = {}
        self._tapped: dict[tuple[str, _Taps], str] = {}
        self._constants: dict[str, onnx.TensorProto] = {}
        self._made: list[onnx.NodeProto] = []
        for node in list(graph.node):
            if node.name in self._absorbed:
                continue
            if node.op_type == "MatMul" and node.name in rounded:
                weights = numpy_helper.to_array(self._weights[node.input[1]])
                (bias, gain), out = self._absorb(node.output[0], ("Add", "Mul"), weights.shape[1])
                self._multiplied(node, node.input[0], weights, out, _Taps(), bias, gain)
            elif node.op_type == "LayerNormalization":
                self._normalised(node)
            elif node.op_type == "Conv" and not is_grouped(node):
                self._node("Transpose", [self._product(node)], node.output[0], perm=CHANNELS_LAST)
            elif node.op_type == "Conv" and len(self._weights[node.input[1]].dims) == 3:
                self._over_two_axes(node)
            else:
                self._made.append(node)
        del graph.node[:], graph.value_info[:]
        graph.node.extend(self._made)
        graph.initializer.extend(self._constants.values())
        drop_unused(graph)
        if any(node.domain == MICROSOFT for node in graph.node):
            self.model.opset_import.add(domain=MICROSOFT, version=1)
        if any(node.op_type == "Conv" for node in graph.node):
            self.model.metadata_props.add(key=TO_OPTIMISE, value="grouped convolutions")

    def _product(self, node: onnx.NodeProto) -> str:
        """Add the nodes that compute a convolution; returns its output's name, channels last."""
        from onnx import helper, numpy_helper

        settings = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        assert list(settings.get("strides", [1])) == [1], node.name
        weight = numpy_helper.to_array(self._weights[node.input[1]])
        outputs, _, kernel = weight.shape
        (dilation,) = settings.get("dilations", [1])
        seen = _Taps(kernel, dilation, *settings.get("pads", [0, 0]))
        factors = weight.transpose(2, 1, 0).reshape(-1, outputs)  # (k I, O)
        bias = [numpy_helper.to_array(self._weights[name]) for name in node.input[2:]]
        out = f"{node.name}.last"
        turned = self._node("Transpose", [node.input[0]], f"{node.name}.turned", perm=CHANNELS_LAST)
        return self._multiplied(node, turned, factors, out, seen, *bias)

    def _multiplied(
        self,
        node: onnx.NodeProto,
        source: str,
        factors: NDArray[np.float32],
        out: str,
        seen: _Taps,
        bias: NDArray[np.float32] | None = None,
        gain: NDArray[np.float32] | None = None,
    ) -> str:
        """Add the nodes of gain * (taps of `source` times `factors` (k I, O) + bias); returns the
        name of their output, `out`."""
        name = node.input[1]
        if node.name not in self._reads_integers:
            assert gain is None  # only integer products absorb it
            taps = self._taps(source, "", seen, node.name)
            product = out if bias is None else f"{node.name}.product"
            self._node("MatMul", [taps, self._constant(name, factors)], product)
            if bias is None:
                return out
            return self._node("Add", [product, self._constant(f"{node.name}.bias", bias)], out)
        steps, scale = in_steps(factors)
        if gain is not None:
            scale, bias = scale * gain, None if bias is None else bias * gain
        stepped = [
            self._constant(f"{name}.steps", steps),
            self._constant(f"{node.name}.scale", scale),
        ]
        added = [] if bias is None else [self._constant(f"{node.name}.bias", bias)]
        low, high = self._ranges[node.input[0]]
        size = max((high - low) / INT8_STEPS, 1e-12)
        tensor, by, zero = self._integers(source, size, round(-low / size))
        taps = self._taps(tensor, zero, seen, out)
        return self._node(
            "MatMulIntegerToFloat",
            [taps, stepped[0], by, stepped[1], zero, "", *added],
            out,
            domain=MICROSOFT,
        )

    def _over_two_axes(self, node: onnx.NodeProto) -> None:
        """Add a grouped convolution whose first axis is one long, read and made channels last:
        onnxruntime's blocked kernels, which take a third of the time, are for two axes."""
        from onnx import helper, numpy_helper

        settings = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        before, after = settings.pop("pads", [0, 0])
        kernel, *bias = node.input[1:]
        widened = numpy_helper.to_array(self._weights[kernel])[:, :, None]
        settings |= {"pads": [0, before, 0, after], "kernel_shape": widened.shape[2:]}
        settings |= {k: [1, *settings[k]] for k in {"dilations", "strides"} & settings.keys()}
        axis = self._constant("axis.1", np.array([1]))
        last = self._node("Transpose", [node.input[0]], f"{node.name}.turned", perm=CHANNELS_LAST)
        row = self._node("Unsqueeze", [last, axis], f"{node.name}.row")  # (B, 1, F, C)
        first = self._node("Transpose", [row], f"{node.name}.first", perm=[0, 3, 1, 2])
        kernels = self._constant(f"{kernel}.row", widened)
        made = self._node("Conv", [first, kernels, *bias], node.name, **settings)
        row = self._node("Transpose", [made], f"{node.name}.made", perm=[0, 2, 3, 1])
        last = self._node("Squeeze", [row, axis], f"{node.name}.last")
        self._node("Transpose", [last], node.output[0], perm=CHANNELS_LAST)

    def _normalised(self, node: onnx.NodeProto) -> None:
        """Add a layer norm whose scale and shift are those of the constants after it."""
        from onnx import numpy_helper

        scale, shift = (numpy_helper.to_array(self._weights[name]) for name in node.input[1:])
        (factor, added), out = self._absorb(node.output[0], ("Mul", "Add"), len(scale))
        if factor is not None:
            scale, shift = scale * factor, shift * factor
        if added is not None:
            shift = shift + added
        self._made.append(copy.deepcopy(node))
        if out != node.output[0]:
            constants = {"scale": scale, "shift": shift}
            names = [self._constant(f"{node.name}.{k}", v) for k, v in constants.items()]
            self._made[-1].input[1:] = names
            self._made[-1].output[0] = out

    def _absorb(
        self, tensor: str, kinds: Sequence[str], channels: int
    ) -> tuple[list[NDArray[np.float32] | None], str]:
        """Remove the addition to and multiplication of a tensor, in the order of `kinds`, by
        constants (channels,); returns these constants and the name of the result."""
        from onnx import numpy_helper

        vectors: list[NDArray[np.float32] | None] = []
        for kind in kinds:
            vectors.append(None)
            readers = self._readers[tensor]
            if len(readers) != 1 or readers[0].op_type != kind:
                continue
            for beside in self._weights.keys() & set(readers[0].input):
                values = numpy_helper.to_array(self._weights[beside])
                if values.shape[-1:] == (values.size,) == (channels,):
                    vectors[-1] = values.ravel()
            if vectors[-1] is not None:
                self._absorbed.add(readers[0].name)
                tensor = readers[0].output[0]
        return vectors, tensor

    def _integers(self, tensor: str, size: float, zero: int) -> tuple[str, str, str]:
        """Round a tensor to 8 bits, once for all its readers; returns its name, and those of its
        scale and zero."""
        key = tensor, size, zero
        if key not in self._rounded:
            name = f"{tensor}.{len(self._rounded)}"
            by = self._constant(f"{name}.scale", np.array(size, np.float32))
            at = self._constant(f"{name}.zero", np.array(zero, np.uint8))
            out, maker = f"{name}.integers", self._makers.get(tensor)
            if maker is not None and maker.op_type == "Concat":  # joining bytes is faster
                parts = [
                    self._node("QuantizeLinear", [part, by, at], f"{out}.{k}")
                    for k, part in enumerate(maker.input)
                ]
                self._node("Concat", parts, out, axis=maker.attribute[0].i)
            else:
                self._node("QuantizeLinear", [tensor, by, at], out)
            self._rounded[key] = out, by, at
        return self._rounded[key]

    def _taps(self, tensor: str, zero: str, seen: _Taps, name: str) -> str:
        kernel, dilation, before, after = seen
        if kernel == 1 or (tensor, seen) in self._tapped:
            return self._tapped.get((tensor, seen), tensor)
        padded = tensor
        if before or after:
            pads = self._constant(f"pads.{before}.{after}", np.array([0, before, 0, 0, after, 0]))
            padded = self._node("Pad", [tensor, pads, *([zero] if zero else [])], f"{name}.padded")
        parts = []
        for tap in range(kernel):
            first, end = dilation * tap, dilation * (tap + 1 - kernel) or np.iinfo(np.int64).max
            limits = [self._constant(f"at.{k}", np.array([k])) for k in (first, end, 1)]
            parts.append(self._node("Slice", [padded, *limits], f"{name}.tap.{tap}"))
        self._tapped[tensor, seen] = self._node("Concat", parts, f"{name}.taps", axis=2)
        return self._tapped[tensor, seen]

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        from onnx import numpy_helper

        if value.dtype.kind == "i" and value.dtype != np.int8:
            value = value.astype(np.int64)
        # Renamed if a weight of the model has this name.
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
    """Whether it is a grouped convolution."""
    return any(attribute.name == "group" and attribute.i > 1 for attribute in node.attribute)


def to_integers(model: onnx.ModelProto, rollouts: Sequence[Tensors]) -> onnx.ModelProto | None:
    """Turn the large layers of a graph whose rounding is inaudible into products of 8 bits.

    Args:
        model: float32 with convolutions or products, weights inside; an encoder, a frames graph
            or the denoiser of a `spectral`.
        rollouts: inputs of the graph; speech representative of what will be spoken.

    Returns:
        A new model for onnxruntime alone, or None if all layers must stay in float32.

    Raises:
        BundleError: onnxruntime can't run the model.
        MissingExtraError: onnx or onnxruntime is not installed.
    """
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = {node.name: node for node in model.graph.node}
    layers = [
        name
        for name in quantisable_layers(model, FEWEST_WEIGHTS)
        if (nodes[name].op_type == "Conv" and not is_grouped(nodes[name]))
        or (nodes[name].op_type == "MatMul" and _is_stepped(weights[nodes[name].input[1]]))
    ]
    read = {nodes[name].input[0] for name in layers}
    ranges = {k: v for k, v in tensor_ranges(model, layers, rollouts).items() if k in read}
    rounded = set()
    for layer in layer_noise(model, layers, ranges, probe(model, rollouts)):
        is_exact = layer.f0_cents <= F0_CENTS and layer.moved_frames <= MOVED_FRAMES
        if layer.noise_db <= LIMIT_DB and is_exact:
            rounded.add(layer.node)
        else:
            logger.info("%s stays in float32", layer)
    return as_products(model, rounded, ranges) if rounded else None


def _is_stepped(weight: onnx.TensorProto) -> bool:
    """Whether 8 bits and one scale per output hold it exactly, (O, I, K) or (I, O)."""
    from onnx import numpy_helper

    values = numpy_helper.to_array(weight)
    factors = values.reshape(len(values), -1).T if values.ndim == 3 else values
    steps, scale = in_steps(factors)
    return np.array_equal(steps * scale, factors)
