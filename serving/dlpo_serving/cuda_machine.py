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
from collections.abc import Iterable

from dlpo.errors import EngineError
from dlpo.nvidia import Gpu, call, find_gpu, load_cuda
from dlpo_serving.engine import Floats
from dlpo_serving.onnx_session import import_onnxruntime

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


def check_cuda(provider: str) -> Gpu:
    """The GPU on which onnxruntime can compute with `provider`.

    Raises:
        EngineError: onnxruntime is the build for CPUs, or there is no GPU, no driver, or a library
            is missing.
        MissingExtraError: a package is not installed.
    """
    onnxruntime = import_onnxruntime()
    if provider not in onnxruntime.get_available_providers():
        raise EngineError(
            f"onnxruntime {onnxruntime.__version__} is the build for CPUs, it has no {provider};"
            " in an environment of its own run: pip install 'dlpo[gpu]', which brings"
            f" onnxruntime-gpu, or use --engine cpu"
        )
    gpu = find_gpu()
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it can't find
        onnxruntime.preload_dlls()  # of the nvidia packages, where they are installed
    if missing := missing_libraries(CUDA_LIBRARIES):
        raise EngineError(
            f"{gpu.name} is there, but not {', '.join(missing)}; onnxruntime"
            f" {onnxruntime.__version__} wants CUDA 13 and cuDNN 9: pip install 'dlpo[gpu]'"
            f" brings them, or put them on LD_LIBRARY_PATH, or use --engine cpu"
        )
    return gpu


def missing_libraries(names: Iterable[str]) -> list[str]:
    """Which of these shared libraries can't be loaded."""
    missing = []
    for name in names:
        try:
            ctypes.CDLL(name)
        except OSError:
            missing.append(name)
    return missing


class PageLock:
    """Pins arrays in physical memory for as long as this object lives, so that copies are direct.

    Where that fails the copies are slower but right, so it is a warning.
    """

    def __init__(self) -> None:
        self._cuda = load_cuda()

    def __call__(self, array: Floats) -> None:
        """Pin the memory of an array."""
        address = array.ctypes.data
        try:
            call(self._cuda, self._cuda.cudaHostRegister, address, array.nbytes, 0)
        except EngineError as error:
            _log.warning("not pinned bytes=%d reason=%s", array.nbytes, error)
            return
        # The array is kept alive until it is released.
        weakref.finalize(self, _release, self._cuda.cudaHostUnregister, array)


def _release(unregister: object, array: Floats) -> None:
    if callable(unregister):
        unregister(array.ctypes.data)
