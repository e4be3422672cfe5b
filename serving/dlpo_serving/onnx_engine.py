"""The engine on onnxruntime: one thread a session, so that many streams share a machine fairly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from dlpo.bundle import Bundle, Manifest
from dlpo.errors import EngineError, MissingExtraError
from dlpo_serving.engine import Encoding, Floats, Frames, Ids

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


class OnnxEngine:
    """The graphs of a bundle on the CPU.

    Encoder, frames and the default denoiser are loaded at once; another number of steps when it is
    first asked for. See `Engine` for the methods.
    """

    def __init__(self, bundle: Bundle) -> None:
        """Raises EngineError where a graph can't be loaded."""
        self._bundle = bundle
        self._sessions: dict[str, InferenceSession] = {}
        for graph in ("encoder", "frames", f"denoiser_{bundle.manifest.steps}"):
            self._session(graph)

    @property
    def manifest(self) -> Manifest:
        return self._bundle.manifest

    def encode(self, phonemes: Ids) -> Encoding:
        hidden, durations, ranges = self._run("encoder", {"phonemes": phonemes})
        return Encoding(hidden, durations, ranges)

    def frames(
        self, encoding: Encoding, counts: Ids, start: int, stop: int, pitch_semitones: float
    ) -> Frames:
        conditioning, f0 = self._run(
            "frames",
            {
                "hidden": encoding.hidden,
                "durations": counts[None].astype(np.float32),
                "ranges": encoding.ranges,
                "positions": np.arange(start, stop, dtype=np.float32) + np.float32(0.5),
                "pitch": np.array([pitch_semitones], np.float32),
            },
        )
        return Frames(conditioning, f0)

    def denoise(self, steps: int, conditioning: Floats, source: Floats, noise: Floats) -> Floats:
        inputs = {"conditioning": conditioning, "source": source, "noise": noise}
        (waveform,) = self._run(f"denoiser_{steps}", inputs)
        return waveform

    def _run(self, graph: str, inputs: Mapping[str, Floats | Ids]) -> list[Floats]:
        session = self._session(graph)
        outputs = [tensor.name for tensor in self.manifest.graphs[graph].outputs]
        # What a graph does not use, such as the pitch of a voice without F0, is no input of it.
        feed = {tensor.name: inputs[tensor.name] for tensor in session.get_inputs()}
        try:
            values: list[Floats] = session.run(outputs, feed)
        # onnxruntime raises its own classes and plain ValueError or RuntimeError besides.
        except Exception as error:
            shapes = {name: value.shape for name, value in inputs.items()}
            raise EngineError(f"{graph}: onnxruntime failed on {shapes}: {error}") from error
        return values

    def _session(self, graph: str) -> InferenceSession:
        if graph not in self._sessions:
            self._sessions[graph] = _load(self._bundle, graph)
        return self._sessions[graph]


def _load(bundle: Bundle, graph: str) -> InferenceSession:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "serve") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors; warnings about unused initialisers help nobody here
    path = bundle.graph_path(graph)
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # see `_run`
        raise EngineError(
            f'{path}: onnxruntime can\'t load it ({error}); export again with "dlpo export"'
        ) from error
