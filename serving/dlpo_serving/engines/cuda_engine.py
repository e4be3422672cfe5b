"""The denoiser on an NVIDIA GPU with onnxruntime's CUDA provider.

What was and what was not run: this code was written where there is no GPU. Binding, buckets and
every refusal are tested on the CPU provider and with the real GPU package; the speed of a GPU, the
capture of CUDA graphs and fp16 on a GPU are for the tests marked `gpu`.
"""

from __future__ import annotations

import logging
import time
from typing import Literal

from dlpo.bundle import Bundle
from dlpo.errors import EngineError
from dlpo_serving.engine import Floats
from dlpo_serving.engines.bound_denoiser import BoundDenoiser, Device
from dlpo_serving.engines.buckets import Buckets
from dlpo_serving.engines.cuda_machine import CudaDevice, check_cuda
from dlpo_serving.engines.onnx_engine import SentenceGraphs, check_precision
from dlpo_serving.engines.onnx_session import CPU, Provider, open_session

CUDA = "CUDAExecutionProvider"
GpuPrecision = Literal["fp32", "fp16"]

_log = logging.getLogger(__name__)


class CudaEngine(SentenceGraphs):
    """Denoisers on the GPU in fixed shapes; encoder and frames on the CPU.

    The default denoiser is loaded and all its buckets are warmed at once; another number of steps
    when it is first asked for. Load it on the thread that will call it, see `BoundDenoiser`. See
    `Engine` for the methods.
    """

    def __init__(
        self,
        bundle: Bundle,
        precision: GpuPrecision = "fp32",
        buckets: Buckets | None = None,
    ) -> None:
        """Load the graphs.

        Args:
            precision: of the denoiser.
            buckets: the shapes to prepare; None is `Buckets()`.

        Raises:
            BundleError: a denoiser is not there in this precision.
            EngineError: there is no GPU, a library is missing, or onnxruntime fails. It never
                falls back to the CPU.
            MissingExtraError: a package is not installed.
        """
        check_precision(bundle, precision)
        self._gpu = check_cuda(CUDA)
        super().__init__(bundle, precision)
        self._denoiser_precision: GpuPrecision = precision
        self._buckets = buckets or Buckets()
        self._device = self._open_device()
        self._denoisers: dict[int, BoundDenoiser] = {}
        self._denoiser(bundle.manifest.steps)

    @property
    def max_batch(self) -> int:
        return self._buckets.batch[-1]

    def context_frames(self, steps: int) -> int:
        return self.manifest.context_frames(steps, self._denoiser_precision)

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
        path = self._bundle.graph_path(graph, self._denoiser_precision)
        providers = self._providers()
        session = open_session(path, providers)
        wanted, used = providers[0][0], session.get_providers()
        if used[0] != wanted:
            raise EngineError(
                f"{graph}: onnxruntime would compute on {used[0]}, not on {wanted}, and says why"
                " above; fix that, or use --engine cpu"
            )
        denoiser = BoundDenoiser(session, graph, info, self._buckets, self._device)
        _log.info(
            "warm graph=%s provider=%s gpu=%r precision=%s buckets=%d seconds=%.2f",
            *(graph, wanted, self._gpu.name, self._denoiser_precision, len(self._buckets.all)),
            time.perf_counter() - start,
        )
        return denoiser

    def _open_device(self) -> Device:
        return CudaDevice()

    def _providers(self) -> list[Provider]:
        return [cuda_provider(), (CPU, {})]


def cuda_provider() -> Provider:
    """onnxruntime's CUDA provider with its options."""
    options = {
        "device_id": "0",
        # An exhaustive search would time every convolution in every bucket at load.
        "cudnn_conv_algo_search": "HEURISTIC",
        "enable_cuda_graph": "1",
        "use_tf32": "0",  # keep fp32 exact; use fp16 for speed
    }
    return CUDA, options
