"""onnxruntime engines: encoder and frames, which every engine runs on the CPU, and all graphs.

The encoder runs once per sentence and the frames graph once per 3.2 s of audio: a GPU would gain
less on them than the copies cost.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from dlpo.bundle import Bundle, Precision
from dlpo.commit import PACKAGE
from dlpo.errors import EngineError
from dlpo_serving.engine import EncoderOutput, Floats, FrameFeatures, Ids

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

CPU = "CPUExecutionProvider"

Provider = tuple[str, dict[str, str]]
"""Name and options of an execution provider."""
_Loaded = tuple["InferenceSession", list[str], list[str]]
"""A graph, with the names of its inputs and outputs in order."""
TO_OPTIMISE = b"dlpo.optimise"
"""In a graph that says so itself; see `dlpo_export.products`."""
INTEGER_PRODUCT = b"MatMulIntegerToFloat"
"""Operator of 8-bit layers that need no optimisation; see `dlpo_export.products`."""


def import_onnxruntime() -> ModuleType:
    """The package `onnxruntime`, from either the CPU or the GPU distribution."""
    # Since 1.29 its Linux wheels report each session to Microsoft unless this is set beforehand.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    module: ModuleType = onnxruntime
    return module


def open_session(
    path: Path, providers: Sequence[Provider] = ((CPU, {}),), *, optimise: bool = True
) -> InferenceSession:
    """Load a graph.

    Args:
        path: its ONNX file.
        providers: execution providers, in order of preference for nodes.
        optimise: let onnxruntime rewrite the graph. A quantised graph is slow without it.

    Raises:
        EngineError: it can't load the graph, or the graph may run without end.
    """
    onnxruntime = import_onnxruntime()
    if not path.resolve().is_relative_to(PACKAGE):
        from dlpo_serving.engines.graph_operators import check_operators  # late: loads protobuf

        check_operators(_read(path), str(path))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Otherwise a memory plan is kept for each shape ever seen, and almost every sentence has its
    # own length. Without plans, resident memory stays constant, and speed is the same.
    options.enable_mem_pattern = False
    # Otherwise it plans which tensor reuses whose memory by comparing the shapes of all pairs: half
    # the load time of a long graph. The arena reuses memory regardless: peaks are the same.
    options.enable_mem_reuse = False
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3  # errors; warnings about unused initialisers are just noise
    try:
        # No fallback: otherwise it would switch to the CPU, with only a note on standard output.
        return onnxruntime.InferenceSession(
            path, options, providers=list(providers), enable_fallback=0
        )
    # onnxruntime raises its own classes as well as plain ValueError and RuntimeError.
    except Exception as error:
        first = providers[0][0]
        advice = (
            'export again with "dlpo export"'
            if first == CPU
            else f"where {first} can't be fixed, use --engine cpu"
        )
        raise EngineError(f"{path}: onnxruntime can't load it ({error}); {advice}") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"{path}: can't be read ({error.strerror}); copy the bundle again"
        raise EngineError(message) from error


def failed_run(
    graph: str, runtime: str, inputs: Mapping[str, NDArray[Any]], error: Exception
) -> EngineError:
    """The error for a graph that `runtime` could not compute."""
    shapes = {name: value.shape for name, value in inputs.items()}
    return EngineError(f"{graph}: {runtime} failed on {shapes}: {error}")


class OnnxSentenceGraphs:
    """Encoder and frames on onnxruntime's CPU provider, for any engine; methods as in `Engine`."""

    def __init__(self, bundle: Bundle, precision: Precision | None = None) -> None:
        """Load encoder and frames.

        Args:
            precision: None means the manifest's. A graph without such a file is computed in fp32.

        Raises:
            EngineError: onnxruntime can't load a graph.
        """
        self.manifest = bundle.manifest
        self.graphs = object()
        self._shares = self.manifest.voice_input()
        self._bundle = bundle
        self._precision = precision or bundle.manifest.precision
        self._contexts = {
            steps: self.manifest.context_frames(steps, self._precision_of(f"denoiser_{steps}"))
            for steps in self.manifest.available_steps
        }
        self._loaded: dict[str, _Loaded] = {}
        for graph in ("encoder", "frames"):
            self._load_graph(graph)

    @property
    def max_batch(self) -> int:
        return 1  # one core gains nothing from a batch

    def context_frames(self, steps: int) -> int:
        return self._contexts[steps]

    def speaking(self, voice: str) -> Self:
        other = copy.copy(self)  # both share the graphs
        other.manifest = self.manifest.with_voice(voice)
        other._shares = other.manifest.voice_input()
        return other

    def encode(self, phonemes: Ids, noise: Floats | None = None) -> EncoderOutput:
        inputs: dict[str, Floats | Ids] = {"phonemes": phonemes, **self._shares}
        if noise is not None:
            inputs["noise"] = noise
        return EncoderOutput(*self._run("encoder", inputs))

    def frames(
        self, encoding: EncoderOutput, counts: Ids, start: int, stop: int, pitch_semitones: float
    ) -> FrameFeatures:
        inputs = {
            "hidden": encoding.hidden,
            "durations": counts[None].astype(np.float32),
            "ranges": encoding.ranges,
            "positions": np.arange(start, stop, dtype=np.float32) + np.float32(0.5),
            "pitch": np.array([pitch_semitones], np.float32),
            **self._shares,
        }
        return FrameFeatures(*self._run("frames", inputs))

    def _run(self, graph: str, inputs: Mapping[str, Floats | Ids]) -> list[Floats]:
        """Compute a graph; omits inputs it does not have, such as pitch for a voice without F0."""
        session, names, outputs = self._loaded.get(graph) or self._load_graph(graph)
        feed = inputs if len(names) == len(inputs) else {name: inputs[name] for name in names}
        try:
            values: list[Floats] = session.run(outputs, feed)
        except Exception as error:  # see `open_session`
            raise failed_run(graph, "onnxruntime", inputs, error) from error
        return values

    def _load_graph(self, graph: str) -> _Loaded:
        precision = self._precision_of(graph)
        path = self._bundle.graph_path(graph, precision)
        # Optimising a graph takes onnxruntime longer than the rest of the load, and most graphs are
        # exported in their fastest form. Exceptions: those with grouped convolutions, which it lays
        # out in blocks; 8-bit layers between Q/DQ nodes, as in older bundles; and the fp32
        # denoiser, whose convolutions it fuses.
        content = path.read_bytes()
        optimise = TO_OPTIMISE in content or (
            INTEGER_PRODUCT not in content and (precision != "fp32" or graph.startswith("denoiser"))
        )
        outputs = [tensor.name for tensor in self.manifest.graphs[graph].outputs]
        session = open_session(path, optimise=optimise)
        names = [tensor.name for tensor in session.get_inputs()]
        loaded = self._loaded[graph] = session, names, outputs
        return loaded

    def _precision_of(self, graph: str) -> Precision:
        known = self.manifest.graphs.get(graph)
        has_it = known is None or self._precision in known.files
        return self._precision if has_it else "fp32"


def check_precision(bundle: Bundle, precision: Precision) -> None:
    """Raise BundleError unless the bundle has every denoiser in `precision`."""
    for steps in bundle.manifest.available_steps:
        bundle.graph_path(f"denoiser_{steps}", precision)


class OnnxEngine(OnnxSentenceGraphs):
    """All graphs of a bundle on one core.

    Encoder, frames and the default denoiser are loaded up front; denoisers for other numbers of
    steps on first use. See `Engine` for the methods.
    """

    def __init__(self, bundle: Bundle, precision: Precision | None = None) -> None:
        """Load the graphs.

        Args:
            precision: None means the manifest's, or fp32 for a graph that does not have it.

        Raises:
            BundleError: a denoiser is missing in the requested precision.
            EngineError: onnxruntime can't load a graph.
        """
        if precision is not None:
            check_precision(bundle, precision)
        super().__init__(bundle, precision)
        self._load_graph(f"denoiser_{bundle.manifest.steps}")

    def denoise(self, steps: int, conditioning: Floats, source: Floats, noise: Floats) -> Floats:
        inputs = {"conditioning": conditioning, "source": source, "noise": noise}
        (waveform,) = self._run(f"denoiser_{steps}", inputs)
        return waveform
