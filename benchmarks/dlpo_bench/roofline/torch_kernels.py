"""Matrix products of PyTorch, on a core and on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from dlpo_bench.roofline.kernels import GIGA, PRODUCTS, Kernel, Kind

GPU_PRODUCT = 8192  # rows and columns: a launch is nothing beside it
GPU_BYTES = 2**30
_FORMATS: dict[Kind, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}
_GPU_FORMATS: dict[Kind, torch.dtype] = {
    "fp32": torch.float32,
    "tf32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}


def torch_kernels() -> Iterator[Kernel]:
    """Products on the CPU."""
    for kind, dtype in _FORMATS.items():
        for size in PRODUCTS:
            a = torch.randn(size, size, generator=torch.Generator().manual_seed(0)).to(dtype)
            out = torch.empty_like(a)
            yield Kernel(
                f"torch {kind} product {size}",
                kind,
                2 * size**3 / GIGA,
                lambda a=a, out=out: torch.mm(a, a, out=out),  # type: ignore[misc]
            )


def why_no_gpu() -> str | None:
    """What keeps a GPU from being measured; None where there is one."""
    if torch.cuda.is_available():
        return None
    if torch.version.cuda is None:
        return f"PyTorch {torch.__version__} is built for the CPU alone"
    return "PyTorch finds no CUDA GPU"


def gpu_kernels() -> Iterator[Kernel]:
    """Products on the first GPU, and a copy of its memory."""
    for kind, dtype in _GPU_FORMATS.items():
        a = torch.randn(GPU_PRODUCT, GPU_PRODUCT, device="cuda").to(dtype)
        out = torch.empty_like(a)
        precision = "high" if kind == "tf32" else "highest"
        run = _synchronised(lambda a=a, out=out: torch.mm(a, a, out=out), precision)  # type: ignore[misc]
        yield Kernel(f"torch {kind} product {GPU_PRODUCT}", kind, 2 * GPU_PRODUCT**3 / GIGA, run)
    bytes_ = torch.randint(-128, 127, (GPU_PRODUCT, GPU_PRODUCT), device="cuda", dtype=torch.int8)
    run = _synchronised(lambda: torch._int_mm(bytes_, bytes_.t()), "highest")
    yield Kernel(f"torch int8 product {GPU_PRODUCT}", "int8", 2 * GPU_PRODUCT**3 / GIGA, run)
    source = torch.zeros(GPU_BYTES, device="cuda", dtype=torch.uint8)
    target = torch.empty_like(source)
    run = _synchronised(lambda: target.copy_(source), "highest")
    yield Kernel("torch copy", "memory", 2 * GPU_BYTES / GIGA, run)


def _synchronised(run: Callable[[], object], precision: str) -> Callable[[], None]:
    def timed() -> None:
        torch.set_float32_matmul_precision(precision)
        run()
        torch.cuda.synchronize()

    return timed
