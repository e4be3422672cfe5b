"""The engine on the CPU, with onnxruntime."""

from __future__ import annotations

from dlpo.bundle import Bundle, Precision
from dlpo_serving.engine import Floats
from dlpo_serving.engines.sentence_graphs import SentenceGraphs, check_precision


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
