"""Whether onnxruntime can compute on a GPU here, and what is missing where it can't.

Asked for a provider that it can't load, onnxruntime prints a warning and computes on the CPU. So
everything that a provider needs is looked for before.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import logging
import weakref
from types import ModuleType
from typing import TYPE_CHECKING

from dlpo.errors import EngineError, pip_install
from dlpo.nvidia import Gpu, call, find_gpu, load_cuda
from dlpo_serving.engine import Floats
from dlpo_serving.engines.onnx_engine import import_onnxruntime

if TYPE_CHECKING:
    from onnxruntime import OrtValue

CUDA = "CUDAExecutionProvider"
# What libonnxruntime_providers_cuda.so 1.31 asks for, with what it loads later (cuDNN, cuFFT).
CUDA_LIBRARIES = (
    "libcudart.so.13",
    "libcublas.so.13",
    "libcublasLt.so.13",
    "libcurand.so.10",
    "libcufft.so.12",
    "libcudnn.so.9",
)

_log = logging.getLogger(__name__)


def check_cuda() -> Gpu:
    """The GPU on which onnxruntime can compute.

    Raises:
        EngineError: onnxruntime is the build for CPUs, or there is no GPU, no driver, or a library
            is missing.
        MissingExtraError: a package is not installed.
    """
    onnxruntime = import_onnxruntime()
    if CUDA not in onnxruntime.get_available_providers():
        raise EngineError(
            f"onnxruntime {onnxruntime.__version__} is the build for CPUs, it has no {CUDA};"
            f" in an environment of its own run: {pip_install('gpu')}, which brings"
            f" onnxruntime-gpu, or use --engine cpu"
        )
    gpu = find_gpu()
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it can't find
        onnxruntime.preload_dlls()  # of the nvidia packages, where they are installed
    missing = []
    for name in CUDA_LIBRARIES:
        try:
            ctypes.CDLL(name)
        except OSError:
            missing.append(name)
    if missing:
        raise EngineError(
            f"{gpu.name} is there, but not {', '.join(missing)}; onnxruntime"
            f" {onnxruntime.__version__} wants CUDA 13 and cuDNN 9: {pip_install('gpu')}"
            f" brings them, or put them on LD_LIBRARY_PATH, or use --engine cpu"
        )
    return gpu


class CudaDevice:
    """The GPU as the binding of `BoundDenoiser` sees it; pins arrays for as long as it lives."""

    name = "cuda"
    """as onnxruntime calls it"""

    def __init__(self) -> None:
        """Raises MissingExtraError where cuda-bindings is not installed."""
        self._cuda = load_cuda()

    def pin(self, array: Floats) -> None:
        """Keep the memory of an array where it is, so that the GPU reads and writes it itself.

        Where that fails, the copies are slower but right, so it is a warning.
        """
        cuda = self._cuda
        try:
            call(cuda, cuda.cudaHostRegister, array.ctypes.data, array.nbytes, 0)
        except EngineError as error:
            _log.warning("not pinned bytes=%d reason=%s", array.nbytes, error)
            return
        weakref.finalize(self, _release, cuda, array)  # keeps the array alive until then

    def send(self, array: Floats, value: OrtValue) -> None:
        """Copy an array to the GPU; it is there when this returns."""
        cuda = self._cuda
        kind = cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        call(cuda, cuda.cudaMemcpy, value.data_ptr(), array.ctypes.data, array.nbytes, kind)

    def fetch(self, value: OrtValue, array: Floats) -> None:
        """Copy from the GPU into an array; it is there when this returns."""
        cuda = self._cuda
        kind = cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        call(cuda, cuda.cudaMemcpy, array.ctypes.data, value.data_ptr(), array.nbytes, kind)


def _release(cuda: ModuleType, array: Floats) -> None:
    cuda.cudaHostUnregister(array.ctypes.data)
