"""The denoiser on an NVIDIA GPU with onnxruntime's CUDA provider.

Binding, buckets and every refusal are tested on the CPU provider and with the real GPU package;
speed, capture of CUDA graphs and fp16 on a GPU only by the tests marked `gpu`, which have not run.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from dlpo.bundle import Bundle, GraphInfo
from dlpo.errors import EngineError
from dlpo_serving.engine import Floats
from dlpo_serving.engines.buckets import Bucket, Buckets, PaddedInputs, Piece, denoise_in_buckets
from dlpo_serving.engines.cuda_machine import CUDA, CudaDevice, check_cuda
from dlpo_serving.engines.onnx_engine import (
    CPU,
    OnnxSentenceGraphs,
    Provider,
    check_precision,
    failed_run,
    import_onnxruntime,
    open_session,
)

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, IOBinding, OrtValue, RunOptions

_log = logging.getLogger(__name__)


# IO binding, one set per bucket. A CUDA graph replays work on the addresses it was captured with,
# so every bucket has host arrays and device tensors that live as long as the session. A run is:
# fill, copy to the device, compute, copy back.


@dataclass(frozen=True, slots=True, eq=False)
class _Binding:
    """The memory of one bucket."""

    host: PaddedInputs
    host_output: Floats
    """(B, F, hop_length)"""
    inputs: dict[str, OrtValue]
    """on the device, by name"""
    output: OrtValue
    """on the device"""
    io: IOBinding
    options: RunOptions


class BoundDenoiser:
    """One denoiser graph in fixed shapes. Call it from one thread.

    onnxruntime keeps captured CUDA graphs per thread: a call from any thread but the one that
    warmed up gives correct results, but captures again.
    """

    def __init__(
        self,
        session: InferenceSession,
        name: str,
        graph: GraphInfo,
        buckets: Buckets,
        device: CudaDevice,
    ) -> None:
        """Allocate all memory, then compute every bucket twice: the second run is warm.

        Args:
            session: the graph's session.
            name: the graph's name, for errors.
            device: where the session computes.

        Raises:
            EngineError: there is not enough memory, or the run-time fails.
        """
        self._session = session
        self._name = name
        self._buckets = buckets
        self._device = device
        shapes = {tensor.name: tensor.shape for tensor in graph.inputs}
        self._channels = int(shapes["conditioning"][1])
        self._planes = int(shapes["noise"][0])
        self._hop_length = int(shapes["noise"][3])
        self._names = [tensor.name for tensor in session.get_inputs()]
        try:
            self._bindings = {
                bucket: self._bind(number, bucket)
                for number, bucket in enumerate(buckets.all, start=1)  # 0 is onnxruntime's own
            }
        except EngineError:
            raise
        except Exception as error:  # onnxruntime raises its own classes and RuntimeError
            raise EngineError(
                f"{name}: no memory on {device.name} for {len(buckets.all)} buckets ({error}); free"
                " some or use fewer and smaller buckets"
            ) from error
        for _ in range(2):
            for binding in self._bindings.values():
                self._compute(binding)

    def denoise(self, margin: int, conditioning: Floats, source: Floats, noise: Floats) -> Floats:
        """The denoised window; `margin` is `manifest.context_frames`, the rest as in `Engine`.

        Raises:
            EngineError: the arrays do not fit this graph, or the run-time fails.
        """

        def run(piece: Piece) -> Floats:
            binding = self._bindings[piece.bucket]
            try:
                binding.host.fill(piece, conditioning, source, noise)
            except ValueError as error:  # from numpy, if shapes do not fit
                given = {"conditioning": conditioning, "source": source, "noise": noise}
                raise failed_run(self._name, "the padding", given, error) from error
            return self._compute(binding)

        return denoise_in_buckets(run, self._buckets, margin, source.shape)

    def _compute(self, binding: _Binding) -> Floats:
        host = binding.host._asdict()
        try:
            for name, value in binding.inputs.items():
                self._device.send(host[name], value)
            self._session.run_with_iobinding(binding.io, binding.options)
            binding.io.synchronize_outputs()
            self._device.fetch(binding.output, binding.host_output)
        except Exception as error:  # onnxruntime raises its own classes and RuntimeError
            raise failed_run(self._name, "onnxruntime", host, error) from error
        return binding.host_output

    def _bind(self, number: int, bucket: Bucket) -> _Binding:
        onnxruntime = import_onnxruntime()
        new = onnxruntime.OrtValue.ortvalue_from_shape_and_type
        host = PaddedInputs.zeros(bucket, self._channels, self._planes, self._hop_length)
        host_output = np.zeros_like(host.source)
        for array in (*host, host_output):
            self._device.pin(array)
        given = host._asdict()
        inputs = {
            name: new(given[name].shape, np.float32, self._device.name) for name in self._names
        }
        output = new(host_output.shape, np.float32, self._device.name)
        io = self._session.io_binding()
        for name, value in inputs.items():
            io.bind_ortvalue_input(name, value)
        io.bind_ortvalue_output("waveform", output)
        options = onnxruntime.RunOptions()
        options.add_run_config_entry("gpu_graph_id", str(number))
        return _Binding(host, host_output, inputs, output, io, options)


class CudaEngine(OnnxSentenceGraphs):
    """Denoisers on the GPU in fixed shapes; encoder and frames on the CPU.

    The default denoiser is loaded, and all its buckets warmed, up front; those for other numbers of
    steps on first use. Load it on the thread that will call it; see `BoundDenoiser`. See `Engine`
    for the methods.
    """

    _providers: Sequence[Provider] = (
        (
            CUDA,
            {
                "device_id": "0",
                # An exhaustive search would time every convolution in every bucket at load.
                "cudnn_conv_algo_search": "HEURISTIC",
                "enable_cuda_graph": "1",
                "use_tf32": "0",  # keep fp32 exact; use fp16 for speed
            },
        ),
        (CPU, {}),
    )

    def __init__(
        self,
        bundle: Bundle,
        precision: Literal["fp32", "fp16"] = "fp32",
        buckets: Buckets | None = None,
    ) -> None:
        """Load the graphs.

        Args:
            precision: of the denoiser.
            buckets: the shapes to prepare; None means `Buckets()`.

        Raises:
            BundleError: a denoiser is missing in this precision.
            EngineError: there is no GPU, a library is missing, or onnxruntime fails. It never
                falls back to the CPU.
            MissingExtraError: a package is not installed.
        """
        check_precision(bundle, precision)
        self._gpu = check_cuda()
        super().__init__(bundle, precision)
        self._buckets = buckets or Buckets()
        self._device = CudaDevice()
        self._denoisers: dict[int, BoundDenoiser] = {}
        self._denoiser(bundle.manifest.steps)

    @property
    def max_batch(self) -> int:
        return self._buckets.batch[-1]

    def denoise(self, steps: int, conditioning: Floats, source: Floats, noise: Floats) -> Floats:
        margin = self.context_frames(steps)
        return self._denoiser(steps).denoise(margin, conditioning, source, noise)

    def _denoiser(self, steps: int) -> BoundDenoiser:
        if steps not in self._denoisers:
            self._denoisers[steps] = self._load(f"denoiser_{steps}")
        return self._denoisers[steps]

    def _load(self, graph: str) -> BoundDenoiser:
        start = time.perf_counter()
        info = self.manifest.graphs[graph]
        path = self._bundle.graph_path(graph, self._precision)
        session = open_session(path, self._providers)
        wanted, used = self._providers[0][0], session.get_providers()
        if used[0] != wanted:
            raise EngineError(
                f"{graph}: onnxruntime would compute on {used[0]}, not on {wanted}, and says why"
                " above; fix that, or use --engine cpu"
            )
        denoiser = BoundDenoiser(session, graph, info, self._buckets, self._device)
        _log.info(
            "warm graph=%s provider=%s gpu=%r precision=%s buckets=%d seconds=%.2f",
            *(graph, wanted, self._gpu.name, self._precision, len(self._buckets.all)),
            time.perf_counter() - start,
        )
        return denoiser
