"""What a peak is measured with: products and convolutions of one library in one number format.

A peak is what the best of them reaches, so a library that is slow here, or absent, only leaves
the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from dlpo.errors import EngineError
from dlpo_bench.roofline.turns import Spread

Kind = Literal["fp32", "tf32", "bf16", "fp16", "int8", "memory", "cache"]
"""Number format that is multiplied in, or the memory that is read and written."""

PRODUCTS = (256, 512, 1024)  # rows and columns; a larger one leaves the caches
CONVOLUTIONS = ((128, 1024), (256, 256), (512, 512))  # channels, positions; kernel 3, as lite's
KERNEL = 3
GIGA = 1e9


@dataclass(frozen=True, slots=True, eq=False)
class Kernel:
    """One thing to be timed."""

    name: str
    """library, operation, size"""
    kind: Kind
    work: float
    """1e9 operations (a multiplication and an addition are two), or 1e9 bytes"""
    run: Callable[[], object]


@dataclass(slots=True)
class Kernels:
    """All that run here."""

    present: list[Kernel] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """library or kernel -> why it is not measured"""

    def add(self, library: str, make: Callable[[], Iterable[Kernel]]) -> None:
        """Add a library's kernels, up to the first that fails, whose reason is kept."""
        try:
            for kernel in make():
                kernel.run()
                self.present.append(kernel)
        except ImportError as error:
            self.skipped[library] = f"{error.name or error} is not installed"
        except Exception as error:  # each library has its own classes
            self.skipped[library] = f"{type(error).__name__}: {str(error)[:200]}"


@dataclass(frozen=True, slots=True)
class Peak:
    """The most that was reached."""

    kind: Kind
    by: str
    """name of the kernel"""
    rate: float
    """1e9 operations or bytes a second, of its quickest run"""
    median_rate: float
    """of its median run"""
    samples_ms: tuple[float, ...]
    work: float


def peaks(kernels: Iterable[Kernel], times: Mapping[str, Spread]) -> dict[Kind, Peak]:
    """The best kernel of each kind.

    Raises:
        EngineError: there is none.
    """
    found: dict[Kind, Peak] = {}
    for kernel in kernels:
        spread = times[kernel.name]
        rate = kernel.work / spread.least_ms * 1e3
        if kernel.kind not in found or rate > found[kernel.kind].rate:
            median_rate = kernel.work / spread.median_ms * 1e3
            found[kernel.kind] = Peak(
                kernel.kind, kernel.name, rate, median_rate, spread.samples_ms, kernel.work
            )
    if not found:
        raise EngineError("no library could multiply here; see why each was skipped")
    return found
