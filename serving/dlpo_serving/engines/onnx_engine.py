"""Engines on onnxruntime: encoder and frames, which every engine computes on the CPU; all graphs.

The encoder runs once a sentence and the frames graph once in 3.5 s of audio: a GPU would gain less
on them than the copies cost.
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
from dlpo.errors import EngineError, needs
from dlpo_serving.engine import EncoderOutput, Floats, FrameFeatures, Ids

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

CPU = "CPUExecutionProvider"

Provider = tuple[str, dict[str, str]]
"""Name and options of an execution provider."""
_Loaded = tuple["InferenceSession", list[str], list[str]]
"""A graph, and the names of its inputs and of its outputs in order."""


def import_onnxruntime() -> ModuleType:
    """The package `onnxruntime`, be it of the CPU or of the GPU distribution.

    Raises:
        MissingExtraError: neither is installed.
    """
    # From 1.29 on its Linux wheels report each session to Microsoft, unless this is set before.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    with needs("serve"):
        import onnxruntime
    module: ModuleType = onnxruntime
    return module


def open_session(
    path: Path, providers: Sequence[Provider] = ((CPU, {}),), *, optimise: bool = True
) -> InferenceSession:
    """Load a graph.

    Args:
        path: its ONNX file.
        providers: in the order in which they may take nodes.
        optimise: let onnxruntime rewrite the graph. A quantised one is slow without.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        EngineError: it can't load the graph.
    """
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Else a plan of memory is kept for each shape that was ever seen, and there are as many lengths
    # of sentences as there are texts. Without, resident memory stays where it is, at equal speed.
    options.enable_mem_pattern = False
    # Else a plan of which tensor takes whose memory, whose making compares the shapes of all pairs:
    # half of the load of a long graph. The arena uses memory again all the same: equal peaks.
    options.enable_mem_reuse = False
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3  # errors; warnings about unused initialisers help nobody here
    try:
        # Without fallback: else it would say on standard output that it takes the CPU, and take it.
        return onnxruntime.InferenceSession(
            path, options, providers=list(providers), enable_fallback=0
        )
    # onnxruntime raises its own classes and plain ValueError or RuntimeError besides.
    except Exception as error:
        first = providers[0][0]
        advice = (
            'export again with "dlpo export"'
            if first == CPU
            else f"where {first} can't be fixed, use --engine cpu"
        )
        raise EngineError(f"{path}: onnxruntime can't load it ({error}); {advice}") from error


def failed_run(
    graph: str, runtime: str, inputs: Mapping[str, NDArray[Any]], error: Exception
) -> EngineError:
    """The error of a graph that `runtime` could not compute."""
    shapes = {name: value.shape for name, value in inputs.items()}
    return EngineError(f"{graph}: {runtime} failed on {shapes}: {error}")


INTEGER_PRODUCT = b"MatMulIntegerToFloat"
"""The operator of 8-bit layers that need no optimisation; see `dlpo_export.products`."""


class OnnxSentenceGraphs:
    """Encoder and frames by onnxruntime on the CPU, for any engine; methods as of `Engine`."""

    def __init__(self, bundle: Bundle, precision: Precision | None = None) -> None:
        """Load encoder and frames.

        Args:
            precision: None is the manifest's. A graph that has no such file is computed in fp32.

        Raises:
            EngineError: onnxruntime can't load a graph.
            MissingExtraError: onnxruntime is not installed.
        """
        self.manifest = bundle.manifest
        self.graphs = object()
        self._shares = self.manifest.voice_input()
        self._bundle = bundle
        self._precision = precision or bundle.manifest.precision
        self._loaded: dict[str, _Loaded] = {}
        for graph in ("encoder", "frames"):
            self._load_graph(graph)

    @property
    def max_batch(self) -> int:
        return 1  # one core gains nothing from a batch

    def context_frames(self, steps: int) -> int:
        return self.manifest.context_frames(steps, self._precision_of(f"denoiser_{steps}"))

    def speaking(self, voice: str) -> Self:
        other = copy.copy(self)  # graphs stay common to both
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
        """Compute a graph; an input that it does not have, such as the pitch of a voice without F0,
        is left out.
        """
        session, names, outputs = self._loaded.get(graph) or self._load_graph(graph)
        feed = {name: inputs[name] for name in names}
        try:
            values: list[Floats] = session.run(outputs, feed)
        except Exception as error:  # see `open_session`
            raise failed_run(graph, "onnxruntime", inputs, error) from error
        return values

    def _load_graph(self, graph: str) -> _Loaded:
        precision = self._precision_of(graph)
        path = self._bundle.graph_path(graph, precision)
        # Optimising a graph takes onnxruntime longer than the rest of its load, and graphs are
        # exported as it runs them best; but for 8-bit layers between Q/DQ nodes, as older bundles
        # have them, and for the denoiser in fp32, whose convolutions it fuses.
        optimise = INTEGER_PRODUCT not in path.read_bytes() and (
            precision != "fp32" or graph.startswith("denoiser")
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
    """Raise BundleError unless every denoiser of the bundle is there in `precision`."""
    for steps in bundle.manifest.available_steps:
        bundle.graph_path(f"denoiser_{steps}", precision)


class OnnxEngine(OnnxSentenceGraphs):
    """All graphs of a bundle on one core.

    Encoder, frames and the default denoiser are loaded at once; another number of steps when it is
    first asked for. See `Engine` for the methods.
    """

    def __init__(self, bundle: Bundle, precision: Precision | None = None) -> None:
        """Load the graphs.

        Args:
            precision: None is the manifest's, or fp32 for a graph that is not there in it.

        Raises:
            BundleError: a denoiser is not there in the precision that was asked for.
            EngineError: onnxruntime can't load a graph.
            MissingExtraError: onnxruntime is not installed.
        """
        if precision is not None:
            check_precision(bundle, precision)
        super().__init__(bundle, precision)
        self._load_graph(f"denoiser_{bundle.manifest.steps}")

    def denoise(self, steps: int, conditioning: Floats, source: Floats, noise: Floats) -> Floats:
        inputs = {"conditioning": conditioning, "source": source, "noise": noise}
        (waveform,) = self._run(f"denoiser_{steps}", inputs)
        return waveform
