"""Engines on onnxruntime: encoder and frames, which every engine computes on the CPU; all graphs.

The encoder runs once a sentence and the frames graph once in 3.5 s of audio: a GPU would gain less
on them than the copies cost.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Self

import numpy as np

from dlpo.bundle import Bundle, Manifest, Precision
from dlpo_serving.engine import EncoderOutput, Floats, FrameFeatures, Ids
from dlpo_serving.engines.onnx_session import open_session, run_session

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

INTEGER_PRODUCT = b"MatMulIntegerToFloat"
"""The operator of 8-bit layers that need no optimisation; see `dlpo_export.products`."""


class SentenceGraphs:
    """The part of an engine that comes before the denoiser; see `Engine` for the methods."""

    def __init__(self, bundle: Bundle, precision: Precision | None = None) -> None:
        """Load encoder and frames.

        Args:
            precision: None is the manifest's. A graph that has no such file is computed in fp32.

        Raises:
            EngineError: onnxruntime can't load a graph.
            MissingExtraError: onnxruntime is not installed.
        """
        self._bundle = bundle
        self.graphs = object()
        self.manifest = bundle.manifest
        self._shares = voice_shares(self.manifest)
        self._precision = precision or bundle.manifest.precision
        self._sessions: dict[str, InferenceSession] = {}
        for graph in ("encoder", "frames"):
            self._session(graph)

    def speaking(self, voice: str) -> Self:
        other = copy.copy(self)  # graphs stay common to both
        other.manifest = self.manifest.with_voice(voice)
        other._shares = voice_shares(other.manifest)
        return other

    @property
    def max_batch(self) -> int:
        return 1  # one core gains nothing from a batch

    def context_frames(self, steps: int) -> int:
        return self.manifest.context_frames(steps, self._precision_of(f"denoiser_{steps}"))

    def encode(self, phonemes: Ids, noise: Floats | None = None) -> EncoderOutput:
        inputs: dict[str, Floats | Ids] = {"phonemes": phonemes, **self._shares}
        if noise is not None:
            inputs["noise"] = noise
        hidden, durations, ranges = self._run("encoder", inputs)
        return EncoderOutput(hidden, durations, ranges)

    def frames(
        self, encoding: EncoderOutput, counts: Ids, start: int, stop: int, pitch_semitones: float
    ) -> FrameFeatures:
        conditioning, f0 = self._run(
            "frames",
            {
                "hidden": encoding.hidden,
                "durations": counts[None].astype(np.float32),
                "ranges": encoding.ranges,
                "positions": np.arange(start, stop, dtype=np.float32) + np.float32(0.5),
                "pitch": np.array([pitch_semitones], np.float32),
                **self._shares,
            },
        )
        return FrameFeatures(conditioning, f0)

    def _run(self, graph: str, inputs: Mapping[str, Floats | Ids]) -> list[Floats]:
        outputs = map(attrgetter("name"), self.manifest.graphs[graph].outputs)
        return run_session(self._session(graph), graph, list(outputs), inputs)

    def _session(self, graph: str) -> InferenceSession:
        if graph not in self._sessions:
            precision = self._precision_of(graph)
            path = self._bundle.graph_path(graph, precision)
            # Optimising these two takes onnxruntime longer than the rest of their load, and they
            # are exported as it runs them best; but for 8-bit layers between Q/DQ nodes, as older
            # bundles have them.
            optimise = graph.startswith("denoiser") or (
                precision != "fp32" and INTEGER_PRODUCT not in path.read_bytes()
            )
            self._sessions[graph] = open_session(path, optimise=optimise)
        return self._sessions[graph]

    def _precision_of(self, graph: str) -> Precision:
        known = self.manifest.graphs.get(graph)
        has_it = known is None or self._precision in known.files
        return self._precision if has_it else "fp32"


def voice_shares(manifest: Manifest) -> dict[str, Floats]:
    """The input `voice` of the encoder and frames graphs; none of a bundle with one voice."""
    if not manifest.voices:
        return {}
    return {"voice": np.array([manifest.shares(manifest.voice)], np.float32)}


def check_precision(bundle: Bundle, precision: Precision) -> None:
    """Raise BundleError unless every denoiser of the bundle is there in `precision`."""
    for steps in bundle.manifest.available_steps:
        bundle.graph_path(f"denoiser_{steps}", precision)


class OnnxEngine(SentenceGraphs):
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
        self._session(f"denoiser_{bundle.manifest.steps}")

    def denoise(self, steps: int, conditioning: Floats, source: Floats, noise: Floats) -> Floats:
        inputs = {"conditioning": conditioning, "source": source, "noise": noise}
        (waveform,) = self._run(f"denoiser_{steps}", inputs)
        return waveform
