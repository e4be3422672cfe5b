"""Finds NVIDIA's software and hardware: TensorRT, the CUDA runtime, the GPU.

Imports are lazy, and anything missing raises an error that says what to install. Shared by the
TensorRT plan builder and the engine that runs the plans.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from types import MappingProxyType, ModuleType
from typing import Any, Literal

from dlpo.errors import EngineError, needs, pip_install

TENSORRT = "11.4.0.106"  # the newest version our API use was checked against
OLDEST_TENSORRT = (10, 9)  # checked too
INSTALL_TENSORRT = (
    f"pip install tensorrt-cu13=={TENSORRT} tensorrt-cu13-bindings=={TENSORRT} 'cuda-bindings>=13'"
    " --extra-index-url https://pypi.nvidia.com (on CUDA 12 tensorrt-cu12==10.9.0.34"
    " tensorrt-cu12-bindings==10.9.0.34 'cuda-bindings>=12.8,<13')"
)
DRIVERS = MappingProxyType({13: 580, 12: 525})  # CUDA -> the oldest driver that runs it, on Linux
# Windows that plans are built for, by builder and engine alike: 0.4 to 6.4 s including the margin;
# a streamed chunk fits the first.
BUCKET_FRAMES = (32, 64, 128, 256, 512)
BUCKET_BATCH = (1, 4)
State = Literal["ok", "failed", "skipped", "absent", "problem"]
"""absent: optional and not installed; problem: needs fixing"""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    subject: str
    """such as `extra serve` or `engine cpu int8`"""
    state: State
    detail: str
    remedy: str = ""
    """what to do if it is not ok: a command or a sentence"""

    def __str__(self) -> str:
        line = f"{self.state:<8}{self.subject}: {self.detail}"
        return f"{line}; {self.remedy}" if self.remedy else line


@dataclass(frozen=True, slots=True)
class Gpu:
    """An NVIDIA GPU."""

    name: str
    """such as `NVIDIA H200`"""
    compute_capability: str
    """such as `9.0`"""
    total_bytes: int
    driver: str
    """newest CUDA version that the driver supports, such as `13.0`"""


def install_gpu(cuda: int) -> str:
    """The commands that bring CUDA, and onnxruntime-gpu over onnxruntime: they are one module."""
    extra, wanted = ("gpu", ">=1.31") if cuda > 12 else ("gpu-cuda12", ">=1.24,<1.27")
    return (
        f"{pip_install('serve', extra)} && pip uninstall -y onnxruntime &&"
        f" pip install --force-reinstall --no-deps 'onnxruntime-gpu{wanted}'"
    )


def load_tensorrt() -> ModuleType:
    """The `tensorrt` module, or its bindings if the libraries were installed without it.

    Raises:
        EngineError: it is not installed, its libraries are missing, or it is older than 10.9.
    """
    try:
        try:
            tensorrt = importlib.import_module("tensorrt")
        except ModuleNotFoundError:
            tensorrt = importlib.import_module("tensorrt_bindings")
    except ModuleNotFoundError as error:
        raise EngineError(f"TensorRT is not installed: {INSTALL_TENSORRT}") from error
    except ImportError as error:
        raise EngineError(
            f"TensorRT can't be loaded ({error}); install NVIDIA's libraries: {INSTALL_TENSORRT}"
        ) from error
    version = getattr(tensorrt, "__version__", None)  # the empty placeholder wheels have none
    known = [] if version is None else re.findall(r"\d+", str(version))[:2]
    if tuple(map(int, known)) < OLDEST_TENSORRT:
        raise EngineError(
            f"TensorRT is {version or 'an empty placeholder package'}; expected 10.9 or newer:"
            f" {INSTALL_TENSORRT}"
        )
    return tensorrt


def collecting_logger(trt: ModuleType) -> Any:
    """A TensorRT logger that collects errors in its list `messages`, for exceptions to quote.

    It must live as long as the objects created with it.
    """

    class CollectingLogger(trt.ILogger):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.messages: list[str] = []

        def log(self, severity: Any, msg: str) -> None:
            if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
                self.messages.append(msg)

    return CollectingLogger()


def load_cuda() -> ModuleType:
    """The CUDA runtime API, `cuda.bindings.runtime`.

    Raises:
        MissingExtraError: the cuda-bindings package is not installed.
    """
    with needs("tensorrt"):
        return importlib.import_module("cuda.bindings.runtime")


def cuda_version() -> int:
    """The CUDA that this environment's packages are for, 12 or 13; without any, 13."""
    try:
        return int(metadata.version("cuda-bindings").partition(".")[0])
    except metadata.PackageNotFoundError:
        return 13


def call(cuda: ModuleType, function: Callable[..., tuple[Any, ...]], *arguments: object) -> Any:
    """Call a CUDA runtime function and return its results without the status.

    Raises:
        EngineError: the status is an error.
    """
    status, *values = function(*arguments)
    if status != cuda.cudaError_t.cudaSuccess:
        _, text = cuda.cudaGetErrorString(status)
        advice = ""
        if status == cuda.cudaError_t.cudaErrorMemoryAllocation:
            advice = "; free GPU memory or use fewer and smaller buckets"
        raise EngineError(f"{function.__name__}: {text.decode()} ({status.name}){advice}")
    return values[0] if len(values) == 1 else tuple(values)


def find_gpu() -> Gpu:
    """The first GPU.

    Raises:
        MissingExtraError: see `load_cuda`.
        EngineError: there is no driver or no GPU.
    """
    cuda = load_cuda()
    status, _ = cuda.cudaGetDeviceCount()
    if status != cuda.cudaError_t.cudaSuccess:
        _, text = cuda.cudaGetErrorString(status)
        _, supported = cuda.cudaDriverGetVersion()  # 0 where there is no driver
        why = text.decode() if supported else "there is no driver"
        raise EngineError(
            f"no NVIDIA GPU can be used here ({why}); run this on a machine with a GPU and a driver"
            f" of {DRIVERS[cuda_version()]} or newer"
        )
    version = call(cuda, cuda.cudaDriverGetVersion)
    properties = call(cuda, cuda.cudaGetDeviceProperties, 0)
    return Gpu(
        properties.name.split(b"\0")[0].decode(),
        f"{properties.major}.{properties.minor}",
        properties.totalGlobalMem,
        f"{version // 1000}.{version % 1000 // 10}",
    )
