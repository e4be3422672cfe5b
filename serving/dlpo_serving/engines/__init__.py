"""The engines: run-times, by the names used on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from dlpo.errors import InputError

if TYPE_CHECKING:
    from dlpo.bundle import Bundle
    from dlpo_serving.engine import Engine

EngineName = Literal["cpu", "cuda", "tensorrt"]
EnginePrecision = Literal["fp32", "fp16", "bf16", "int8", "int8_symmetric"]

PRECISIONS: Mapping[EngineName, tuple[EnginePrecision, ...]] = MappingProxyType(
    {
        "cpu": ("fp32", "fp16", "int8", "int8_symmetric"),
        "cuda": ("fp32", "fp16"),
        "tensorrt": ("fp32", "fp16", "bf16", "int8_symmetric"),
    }
)
"""The precisions that each engine supports."""


def open_engine(
    bundle: Bundle, engine: EngineName = "cpu", precision: EnginePrecision | None = None
) -> Engine:
    """Load the graphs of a bundle into a run-time.

    Args:
        engine: `cpu` is onnxruntime on one core, `cuda` is onnxruntime on a GPU, `tensorrt` is
            NVIDIA's own run-time.
        precision: of the denoiser. None means the manifest's on `cpu`, that of the bundle's plan
            with `tensorrt`, otherwise fp16 if the bundle has it, or fp32.

    Raises:
        InputError: there is no such engine, or it does not support this precision.
        BundleError: the bundle does not have the denoiser in this precision.
        EngineError: the machine or an installed package can't run this engine, or a graph fails.
        MissingExtraError: the engine's packages are not installed.
    """
    if engine not in PRECISIONS:
        raise InputError(f"engine is {engine!r}; expected one of {', '.join(PRECISIONS)}")
    if precision is not None and precision not in PRECISIONS[engine]:
        raise InputError(
            f"engine {engine} computes in {' or '.join(PRECISIONS[engine])}, not in {precision}"
        )
    chosen: Any = precision  # one that the engine supports, as checked above
    if engine == "cpu":
        from dlpo_serving.engines.onnx_engine import OnnxEngine

        return OnnxEngine(bundle, chosen)
    if engine == "tensorrt":
        from dlpo_serving.engines.tensorrt_engine import TensorrtEngine

        return TensorrtEngine(bundle, chosen)
    from dlpo_serving.engines.cuda_engine import CudaEngine

    return CudaEngine(bundle, chosen or gpu_precision(bundle))


def check_engine(engine: EngineName = "cpu", precision: EnginePrecision | None = None) -> None:
    """Check, without a voice, that the machine and its packages can run an engine.

    Raises:
        EngineError, MissingExtraError: see `open_engine`.
    """
    if engine == "cpu":
        from dlpo_serving.engines.onnx_engine import import_onnxruntime

        import_onnxruntime()
    elif engine == "tensorrt":
        from dlpo.nvidia import find_gpu, load_tensorrt

        find_gpu()
        load_tensorrt()
    else:
        from dlpo_serving.engines.cuda_machine import check_cuda

        check_cuda()


def gpu_precision(bundle: Bundle) -> Literal["fp16", "fp32"]:
    """The default precision on a GPU: fp16 if every denoiser has it."""
    manifest = bundle.manifest
    denoisers = (manifest.graphs[f"denoiser_{steps}"] for steps in manifest.available_steps)
    return "fp16" if all("fp16" in graph.files for graph in denoisers) else "fp32"
