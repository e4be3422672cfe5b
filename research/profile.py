"""Where a graph's time goes: onnxruntime's own profiler, by layer of the network.

The graph runs on one thread with real inputs, a sentence of the voice; each node counts with its
fastest of several runs, so that other load on the machine hardly shows.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from dlpo.bundle import Bundle, Precision
from dlpo.errors import needs
from dlpo_export.sentence import sentence_inputs

if TYPE_CHECKING:
    import onnx

RUNS = 30  # enough to find a quiet moment for every node, even on a busy machine
_ITEM_BYTES = {1: 4, 2: 1, 3: 1, 7: 8, 10: 2, 11: 8}  # of onnx.TensorProto's data types
_SUFFIX = "_kernel_time"  # of the profiler events for a node's computation


SAMPLER = "(sampler, output)"  # output that no layer reads
_PARAMETER = re.compile(
    r"(?:model\.|denoise\.)?(?P<layer>.+?)"
    r"(?:\.convolution)?\.(?:weight|bias|w|r|b)(?:_[A-Za-z0-9_]+)?"
    r"(?:\.exact(?:\.\w+)?)?"  # what int8 leaves in fp32
)
_ACTIVATION = re.compile(r"Relu|Sigmoid|Tanh|Clip")
_OF_WEIGHTS = (
    "Cast",
    "QuantizeLinear",
    "DequantizeLinear",
)  # operators without a layer of their own
_ADDED = re.compile(r"(?:_nchwc|_token_\d+)$")  # what onnxruntime appends to names
Shape = Sequence[int]


@dataclass(frozen=True, slots=True)
class NodeTime:
    """One node of the optimised graph."""

    name: str
    kind: str
    """Operator, such as `QLinearConv`."""
    layer: str
    ms: float
    """Fastest of all runs."""
    mac: int
    """Multiply-accumulate operations."""
    traffic: int
    """Bytes of inputs, weights and outputs, each counted once."""


@dataclass(frozen=True, slots=True)
class OperatorShare:
    """All nodes of one kind."""

    name: str
    ms: float
    share: float
    """Share of the time of all nodes, 0 to 1."""
    gmac_per_s: float


@dataclass(frozen=True, slots=True)
class Profile:
    """Everything measured on one graph."""

    nodes: tuple[NodeTime, ...]

    @property
    def total_ms(self) -> float:
        """Sum over the nodes."""
        return sum(node.ms for node in self.nodes)

    @property
    def gmac(self) -> float:
        """1e9 multiply-accumulates of all nodes."""
        return sum(node.mac for node in self.nodes) / 1e9

    @property
    def operators(self) -> list[OperatorShare]:
        """The kinds of nodes, in descending order of time."""
        groups: dict[str, list[NodeTime]] = defaultdict(list)
        for node in self.nodes:
            groups[node.kind].append(node)
        shares = []
        for name, members in groups.items():
            ms, busy = (
                sum(n.ms for n in some) for some in (members, [n for n in members if n.mac])
            )
            rate = sum(node.mac for node in members) / busy / 1e6 if busy else 0.0
            shares.append(OperatorShare(name, ms, ms / self.total_ms, rate))
        return sorted(shares, key=lambda share: -share.ms)


def measure(
    bundle: Bundle, graph: str, precision: Precision, runs: int = RUNS, *, frames: int = 100
) -> Profile:
    """Measure one graph.

    Args:
        graph: such as `denoiser_3`.
        runs: timed runs, 1 or more; an additional one warms up.
        frames: length of the window, see `sentence_inputs`.

    Raises:
        BundleError: there is no such graph or precision.
        MissingExtraError: onnx or onnxruntime is not installed.
    """
    with needs("export"):
        import onnx
        import onnxruntime
    path = bundle.graph_path(graph, precision)
    inputs = sentence_inputs(bundle, graph, frames)
    with tempfile.TemporaryDirectory(prefix="dlpo-profile-") as scratch:
        optimised_path = Path(scratch, "optimised.onnx")
        events = _run_profiled(onnxruntime, path, inputs, optimised_path, Path(scratch), runs)
        # Only shapes and names are needed; its weights may stay with the bundle.
        optimised = onnx.load(optimised_path, load_external_data=False)
    original = onnx.load(path, load_external_data=False)
    return Profile(
        _node_times(optimised, layers_of(optimised, original), kernels(original), events)
    )


def _run_profiled(
    onnxruntime: Any,
    path: Path,
    inputs: Mapping[str, NDArray[Any]],
    optimised: Path,
    scratch: Path,
    runs: int,
) -> list[dict[str, Any]]:
    """The profiler's events of all runs but the first.

    `optimised` is where onnxruntime writes the graph it actually runs.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_profiling = True
    options.profile_file_prefix = str(scratch / "events")
    options.optimized_model_filepath = str(optimised)
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    known = {tensor.name for tensor in session.get_inputs()}
    feed = {name: value for name, value in inputs.items() if name in known}
    for _ in range(1 + runs):
        session.run(None, feed)
    events: list[dict[str, Any]] = json.loads(Path(session.end_profiling()).read_text())
    starts = [event["ts"] for event in events if event["name"] == "model_run"]
    return [event for event in events if event["ts"] >= starts[1]]


def _node_times(
    optimised: Any,
    layers: Iterable[str],
    kernel_of: Mapping[str, Sequence[int]],
    events: Iterable[Mapping[str, Any]],
) -> tuple[NodeTime, ...]:
    timed: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for event in events:
        if event["name"].endswith(_SUFFIX):
            timed[event["name"].removesuffix(_SUFFIX)].append(event)
    weights = {tensor.name: tuple(tensor.dims) for tensor in optimised.graph.initializer}
    # Counted here: the profiler omits weights that onnxruntime has packed for itself.
    size_of = {
        tensor.name: prod(tensor.dims) * _ITEM_BYTES.get(tensor.data_type, 4)
        for tensor in optimised.graph.initializer
    }
    found = []
    for node, layer in zip(optimised.graph.node, layers, strict=True):
        if node.name not in timed:
            continue  # folded when the session was created
        arguments = timed[node.name][0]["args"]
        shapes = [next(iter(shape.values())) for shape in arguments["input_type_shape"]]
        (out, *_) = (next(iter(s.values())) for s in arguments["output_type_shape"])
        ms = min(float(event["dur"]) for event in timed.pop(node.name)) / 1e3
        mac = macs(node, weights, shapes, out, kernel_of.get(layer))
        traffic = int(arguments["activation_size"]) + int(arguments["output_size"])
        traffic += sum(size_of.get(name, 0) for name in node.input)
        found.append(NodeTime(node.name, node.op_type, layer, ms, mac, traffic))
    for name, left in timed.items():  # the profiler reports a node missing from the file
        ms = min(float(event["dur"]) for event in left) / 1e3
        arguments = left[0]["args"]
        traffic = int(arguments["activation_size"]) + int(arguments["output_size"])
        found.append(NodeTime(name, arguments["op_name"], SAMPLER, ms, 0, traffic))
    return tuple(found)


def layers_of(optimised: onnx.ModelProto, original: onnx.ModelProto) -> list[str]:
    """The layer of every node of `optimised`, in its order: a module path such as `up.1.enter`.

    onnxruntime fuses, renames and adds nodes. Weights keep the name of their module, so nodes with
    weights identify themselves. A node without (an activation, a transpose) is attributed to the
    layer whose input it prepares; output that no layer reads is `SAMPLER`.

    Args:
        original: the graph before optimisation, whose names help where weights were renamed.
    """
    nodes = optimised.graph.node
    by_name = _layers_by_name(original)
    producer = {output: index for index, node in enumerate(nodes) for output in node.output}
    found, fed = [SAMPLER] * len(nodes), dict[int, str]()
    for index in reversed(range(len(nodes))):  # a graph is in topological order
        node = nodes[index]
        found[index] = _layer_of(node, by_name) or fed.get(index, SAMPLER)
        for name in node.input:
            if name in producer:
                fed[producer[name]] = found[index]  # the first of its readers wins
    return found


def kernels(original: onnx.ModelProto) -> dict[str, Shape]:
    """Layer -> shape of its weights, if a layer has only one kernel."""
    shapes = {tensor.name: tuple(tensor.dims) for tensor in original.graph.initializer}
    for node in original.graph.node:  # weights are stored in fewer bytes than they are used in
        if node.op_type in _OF_WEIGHTS and node.input[0] in shapes:
            shapes[node.output[0]] = shapes[node.input[0]]
    found: dict[str, set[Shape]] = {}
    for node in original.graph.node:
        layer = _layer_of(node, {})
        if layer and _multiplies(node) and len(node.input) > 1 and node.input[1] in shapes:
            found.setdefault(layer, set()).add(shapes[node.input[1]])
    return {layer: next(iter(known)) for layer, known in found.items() if len(known) == 1}


def macs(
    node: onnx.NodeProto,
    weights: Mapping[str, Shape],
    inputs: Sequence[Shape],
    out: Shape,
    kernel: Shape | None = None,
) -> int:
    """Multiply-accumulates of a node, 0 except for convolutions, matrix products and LSTMs.

    Args:
        weights: shape of every initialiser, by name.
        inputs: shapes of the inputs, empty if unknown.
        out: shape of the first output.
        kernel: shape before onnxruntime padded the convolution's channels to whole vectors.
    """
    shapes = [weights.get(name, shape) for name, shape in zip(node.input, inputs, strict=False)]
    known = [weights[name] for name in node.input if len(weights.get(name, ())) >= 2]
    if node.op_type in ("Conv", "FusedConv", "QLinearConv") and known:
        positions = prod(out) // known[0][0]
        return positions * prod(kernel or known[0])
    if node.op_type == "LSTM":
        return shapes[0][0] * shapes[0][1] * sum(prod(matrix) for matrix in known[:2])
    if _multiplies(node):
        return prod(out) * (shapes[0][-1] if shapes[0] else 0)
    return 0


def _multiplies(node: onnx.NodeProto) -> bool:
    return any(kind in node.op_type for kind in ("Conv", "MatMul", "Gemm"))


def _layers_by_name(model: onnx.ModelProto) -> dict[str, str]:
    """Name of a node, of its output, or of the activation after it -> its layer."""
    found: dict[str, str] = {}
    for node in model.graph.node:
        layer = _layer_of(node, {})
        if not layer and len(node.input) == 1 and node.op_type not in _OF_WEIGHTS:
            layer = found.get(node.input[0])  # onnxruntime names a fused node after its last part
            if layer and not _ACTIVATION.search(node.op_type):
                layer = None
        if layer:
            found |= dict.fromkeys((node.name, *node.output), layer)
    return found


def _layer_of(node: onnx.NodeProto, by_name: Mapping[str, str]) -> str | None:
    if node.op_type in _OF_WEIGHTS:
        return None
    for name in node.input[1:] if len(node.input) > 1 else ():
        if match := _PARAMETER.fullmatch(name):
            return match["layer"]
    if "Gather" in node.op_type and node.input and (match := _PARAMETER.fullmatch(node.input[0])):
        return match["layer"]  # an embedding
    if not _multiplies(node):
        return None
    name = node.name
    while name not in by_name and (shorter := _ADDED.sub("", name)) != name:
        name = shorter
    return by_name.get(name)
