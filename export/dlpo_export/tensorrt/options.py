"""Build options of TensorRT plans."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated

from dlpo.bundle import Precision
from dlpo.errors import InputError
from dlpo.nvidia import BUCKET_BATCH, BUCKET_FRAMES
from dlpo_export.options import OfBoth

GPU_PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "bf16", "int8_symmetric")


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorrtOptions:
    """What to build; the defaults suit a server with one GPU."""

    steps: Annotated[tuple[int, ...] | None, OfBoth] = None
    """N of the denoisers to build; None: all that the bundle has."""
    precisions: Annotated[tuple[Precision, ...] | None, OfBoth] = None
    """None: all of the bundle's GPU precisions: fp32, fp16, bf16, int8_symmetric."""
    frames: Annotated[tuple[int, ...], OfBoth] = BUCKET_FRAMES
    """Longest windows of the plans, in frames including context; ascending, repeatable. Each gets a
    profile with each batch."""
    batch: Annotated[tuple[int, ...], OfBoth] = BUCKET_BATCH
    """Windows per call of the plans, too."""
    cache: Annotated[Path | None, OfBoth] = None
    """Folder that keeps plans by graph, GPU and TensorRT, for the next build to take from there."""

    def __post_init__(self) -> None:
        for name in ("frames", "batch"):
            sizes: tuple[int, ...] = getattr(self, name)
            if not sizes or sizes[0] < 1 or any(low >= high for low, high in pairwise(sizes)):
                raise InputError(f"{name} is {sizes}; expected numbers from 1, ascending")
        for precision in self.precisions or ():
            if precision not in GPU_PRECISIONS:
                raise InputError(
                    f"precision {precision} is not for TensorRT; expected one of"
                    f" {', '.join(GPU_PRECISIONS)}"
                )
