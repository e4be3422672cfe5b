"""Checks whether onnxruntime can compute on a GPU here, and what is missing if it can't.

If onnxruntime can't load a requested provider, it prints a warning and computes on the CPU. So
everything that a provider needs is checked beforehand.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import logging
import weakref
from types import ModuleType
from typing import TYPE_CHECKING

from dlpo.errors import EngineError
from dlpo.nvidia import Gpu, call, cuda_version, find_gpu, install_gpu, load_cuda
from dlpo_serving.engine import Floats
from dlpo_serving.engines.onnx_engine import import_onnxruntime

if TYPE_CHECKING:
    from onnxruntime import OrtValue

CUDA = "CUDAExecutionProvider"
# Needed by libonnxruntime_providers_cuda.so, including what it loads later (cuDNN, cuFFT).
CUDA_LIBRARIES = {
    13: ("cudart.so.13", "cublas.so.13", "cublasLt.so.13", "curand.so.10", "cufft.so.12"),
    12: ("cudart.so.12", "cublas.so.12", "cublasLt.so.12", "curand.so.10", "cufft.so.11"),
}
CUDNN = "cudnn.so.9"

_log = logging.getLogger(__name__)


def check_cuda() -> Gpu:
    """Check that onnxruntime can compute on the GPU, and return it.

    Raises:
        EngineError: onnxruntime is the CPU build, there is no GPU or driver, or a library is
            missing.
        MissingExtraError: a package is not installed.
    """
    onnxruntime = import_onnxruntime()
    if CUDA not in onnxruntime.get_available_providers():
        raise EngineError(
            f"onnxruntime {onnxruntime.__version__} is the build for CPUs, it has no {CUDA};"
            f" in an environment of its own run: {install_gpu(13)}, or use --engine cpu"
        )
    gpu = find_gpu()
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it can't find
        onnxruntime.preload_dlls()  # from the nvidia packages, if installed
    missing = []
    version = cuda_version()
    for name in (*CUDA_LIBRARIES[version], CUDNN):
        try:
            ctypes.CDLL(f"lib{name}")
        except OSError:
            missing.append(f"lib{name}")
    if missing:
        raise EngineError(
            f"{gpu.name} is there, but not {', '.join(missing)}; onnxruntime"
            f" {onnxruntime.__version__} wants CUDA {version} and cuDNN 9:"
            f" {install_gpu(version)} brings them,"
            " or put them on LD_LIBRARY_PATH, or use --engine cpu"
        )
    return gpu


class CudaDevice:
    """The GPU, as `BoundDenoiser` uses it; arrays stay pinned as long as this object lives."""

    name = "cuda"
    """onnxruntime's name for it"""

    def __init__(self) -> None:
        """Raises MissingExtraError if cuda-bindings is not installed."""
        self._cuda = load_cuda()

    def pin(self, array: Floats) -> None:
        """Page-lock the memory of an array, so that the GPU can access it directly.

        If that fails, copies are slower but still correct, so it only logs a warning.
        """
        cuda = self._cuda
        try:
            call(cuda, cuda.cudaHostRegister, array.ctypes.data, array.nbytes, 0)
        except EngineError as error:
            _log.warning("not pinned bytes=%d reason=%s", array.nbytes, error)
            return
        weakref.finalize(self, _release, cuda, array)  # keeps the array alive until then

    def send(self, array: Floats, value: OrtValue) -> None:
        """Copy an array to the GPU; blocks until done."""
        cuda = self._cuda
        kind = cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        call(cuda, cuda.cudaMemcpy, value.data_ptr(), array.ctypes.data, array.nbytes, kind)

    def fetch(self, value: OrtValue, array: Floats) -> None:
        """Copy from the GPU into an array; blocks until done."""
        cuda = self._cuda
        kind = cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        call(cuda, cuda.cudaMemcpy, array.ctypes.data, value.data_ptr(), array.nbytes, kind)


def _release(cuda: ModuleType, array: Floats) -> None:
    cuda.cudaHostUnregister(array.ctypes.data)
