"""onnxruntime's TensorRT provider: what it needs, and how it is told about our shapes."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Literal

from dlpo.bundle import Bundle, GraphInfo, TensorInfo
from dlpo.errors import EngineError
from dlpo_serving.engines.buckets import Bucket, Buckets
from dlpo_serving.engines.cuda_machine import missing_libraries
from dlpo_serving.engines.onnx_session import Provider, import_onnxruntime

TENSORRT = "TensorrtExecutionProvider"
# The provider of onnxruntime-gpu 1.31 is linked against TensorRT 10, while our engine wants 11.
TENSORRT_LIBRARIES = ("libnvinfer.so.10", "libnvonnxparser.so.10", "libnvinfer_plugin.so.10")
GpuPrecision = Literal["fp32", "fp16", "int8_symmetric"]


def check_tensorrt_provider() -> None:
    """Look for the libraries of the provider.

    Raises:
        EngineError: one is missing.
    """
    if missing := missing_libraries(TENSORRT_LIBRARIES):
        raise EngineError(
            f"onnxruntime {import_onnxruntime().__version__} wants TensorRT 10, but can't load"
            f" {', '.join(missing)}; install it with: pip install 'tensorrt-cu13<11'"
            " --extra-index-url https://pypi.nvidia.com, and put its libraries on LD_LIBRARY_PATH."
            " TensorRT 11 does not do here: that is --engine tensorrt. Or use --engine cuda or cpu"
        )


def tensorrt_provider(
    graph: GraphInfo,
    inputs: Collection[str],
    buckets: Buckets,
    precision: GpuPrecision,
    cache: Path,
) -> Provider:
    """The provider with options for one denoiser.

    One TensorRT engine covers all buckets, without CUDA graphs: the provider keeps one captured
    graph a session, and would replay it on the other buckets too.

    Args:
        graph: the denoiser's, of the manifest.
        inputs: names of those that its file has.
        buckets: the shapes to prepare.
        precision: of the file.
        cache: folder of the engines that TensorRT has built; each voice and precision wants one of
            its own, because the provider tells graphs apart by their nodes, not by their weights.
    """
    tensors = [tensor for tensor in graph.inputs if tensor.name in inputs]
    usual = Bucket(buckets.batch[0], buckets.frames[len(buckets.frames) // 2])

    def shapes(bucket: Bucket) -> str:
        return ",".join(f"{tensor.name}:{_shape(tensor, bucket)}" for tensor in tensors)

    return TENSORRT, {
        "device_id": "0",
        "trt_profile_min_shapes": shapes(buckets.all[0]),
        "trt_profile_opt_shapes": shapes(usual),
        "trt_profile_max_shapes": shapes(buckets.all[-1]),
        "trt_fp16_enable": str(int(precision == "fp16")),
        "trt_int8_enable": str(int(precision == "int8_symmetric")),
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(cache),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(cache),
    }


def cache_folder(bundle: Bundle, precision: GpuPrecision, root: Path | None = None) -> Path:
    """Where the engines of a voice are kept, created if need be.

    Args:
        root: None is ~/.cache/dlpo.

    Raises:
        EngineError: the folder can't be made.
    """
    root = root or Path.home() / ".cache" / "dlpo"
    folder = root / "ort-tensorrt" / f"{bundle.sha256[:16]}-{precision}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EngineError(
            f"can't keep TensorRT's engines in {folder} ({error}); make it writable"
        ) from error
    return folder


def _shape(tensor: TensorInfo, bucket: Bucket) -> str:
    """A tensor's shape as TensorRT profiles are written, such as `3x1x64x300`."""
    lengths = {"B": bucket.batch, "F": bucket.frames}
    return "x".join(str(lengths[n] if isinstance(n, str) else n) for n in tensor.shape)
