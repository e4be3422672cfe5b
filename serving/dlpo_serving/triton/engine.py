"""The engine inside a Triton server: every graph is a model of Triton's, called from within (BLS).

Triton runs the graphs on its own devices and batches the windows of all streams; what is left for
Python is text, noise and the harmonic source.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from dlpo.bundle import Manifest, Precision
from dlpo.errors import EngineError
from dlpo_serving.engine import EncoderOutput, Floats, FrameFeatures, Ids
from dlpo_serving.engines.buckets import Buckets, PaddedInputs, Piece, denoise_in_buckets
from dlpo_serving.engines.onnx_engine import voice_shares

Values = Mapping[str, Floats | Ids]


class TritonEngine:
    """See `Engine` for the methods; safe to share by threads."""

    max_batch = 1  # of the utterance that asks: Triton batches those of all

    def __init__(
        self,
        manifest: Manifest,
        prefix: str,
        triton: Any,
        precision: Precision = "fp32",
        unused: Collection[str] = (),
        buckets: Mapping[str, Buckets] | None = None,
    ) -> None:
        """An engine that calls the models `{prefix}_{graph}`.

        Args:
            manifest: of the bundle that the models were written from.
            triton: the module `triton_python_backend_utils`, which exists only inside the server.
            precision: of the denoiser models.
            unused: inputs that the voice's graphs do not have, such as `frames.pitch`.
            buckets: denoisers that are TensorRT plans, by graph, and the shapes that they take;
                their noise is (K, B, F, hop_length), that of the others (B, K, F, hop_length).
        """
        self.manifest = manifest
        self.graphs = object()
        self._prefix = prefix
        self._triton = triton
        self._precision = precision
        self._unused = frozenset(unused)
        self._buckets = buckets or {}

    def speaking(self, voice: str) -> TritonEngine:
        other = copy.copy(self)
        other.manifest = self.manifest.with_voice(voice)
        return other

    def context_frames(self, steps: int) -> int:
        return self.manifest.context_frames(steps, self._precision)

    def encode(self, phonemes: Ids, noise: Floats | None = None) -> EncoderOutput:
        shares = voice_shares(self.manifest)
        inputs: dict[str, Floats | Ids] = {"phonemes": phonemes, **shares}
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
            **voice_shares(self.manifest),
        }
        return FrameFeatures(*self._run("frames", inputs))

    def denoise(self, steps: int, conditioning: Floats, source: Floats, noise: Floats) -> Floats:
        graph = f"denoiser_{steps}"
        if graph in self._buckets:
            return self._denoise_in_buckets(graph, steps, conditioning, source, noise)
        batch_first = noise.swapaxes(0, 1)  # Triton batches along the first axis of every input
        inputs = {"conditioning": conditioning, "source": source, "noise": batch_first}
        (waveform,) = self._run(graph, inputs)
        return waveform

    def _denoise_in_buckets(
        self, graph: str, steps: int, conditioning: Floats, source: Floats, noise: Floats
    ) -> Floats:
        def run(piece: Piece) -> Floats:
            shape = conditioning.shape[1], len(noise), noise.shape[3]
            padded = PaddedInputs.zeros(piece.bucket, *shape)
            padded.fill(piece, conditioning, source, noise)
            (made,) = self._run(graph, padded._asdict())
            return made

        margin = self.context_frames(steps)
        return denoise_in_buckets(run, self._buckets[graph], margin, source.shape)

    def _run(self, graph: str, inputs: Values) -> list[Floats]:
        triton = self._triton
        outputs = [tensor.name for tensor in self.manifest.graphs[graph].outputs]
        request = triton.InferenceRequest(
            model_name=f"{self._prefix}_{graph}",
            requested_output_names=outputs,
            inputs=[
                triton.Tensor(name, np.ascontiguousarray(value))
                for name, value in inputs.items()
                if f"{graph}.{name}" not in self._unused
            ],
            # The front computes with numpy: results on a GPU come back to host memory.
            preferred_memory=triton.PreferredMemory(triton.TRITONSERVER_MEMORY_CPU, 0),
        )
        response = request.exec()
        if response.has_error():
            shapes = {name: value.shape for name, value in inputs.items()}
            raise EngineError(
                f"{self._prefix}_{graph}: Triton failed on {shapes}: {response.error().message()}"
            )
        found = (triton.get_output_tensor_by_name(response, name) for name in outputs)
        # Copies: Triton's memory goes with the response.
        return [np.array(tensor.as_numpy()) for tensor in found]
