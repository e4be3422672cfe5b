"""Reading and writing memory: STREAM's copy and triad, and a plain sum, in arrays of float32.

Reference: McCalpin, Memory Bandwidth and Machine Balance in Current High Performance Computers,
1995.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from dlpo.errors import InputError
from dlpo_bench.roofline.kernels import GIGA, Kernel, Kind

BEYOND = 4  # an array is so many times as large as the last cache
UNKNOWN_CACHE = 64 * 2**20  # bytes, where the system does not tell
SMALLEST = 128 * 2**20  # bytes of an array, where the cache is small
SHARE_OF_MEMORY = 8  # an array takes at most an eighth
IN_CACHE = 128 * 2**10  # bytes: three arrays lie in the second cache of any server
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}


def memory_kernels() -> Iterator[Kernel]:
    """What is limited by memory, then by the caches."""
    yield from _kernels("memory", array_bytes(last_cache_bytes(), memory_bytes()))
    yield from _kernels("cache", IN_CACHE)


def array_bytes(cache: int, memory: int) -> int:
    """Size of an array that no cache holds.

    Args:
        cache: bytes of the last one.
        memory: bytes of the machine.
    """
    return min(max(BEYOND * cache, SMALLEST), memory // SHARE_OF_MEMORY)


def last_cache_bytes(caches: Path = _CACHES) -> int:
    """Size of the largest cache of the first core.

    Raises:
        InputError: the system tells a size of another form.
    """
    sizes = [path.read_text("ascii").strip() for path in caches.glob("index*/size")]
    try:
        return max((int(size[:-1]) * _UNITS[size[-1]] for size in sizes), default=UNKNOWN_CACHE)
    except (ValueError, LookupError) as error:
        raise InputError(f"{caches} has sizes {sizes}; expected such as 32768K") from error


def memory_bytes() -> int:
    """Of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _kernels(kind: Kind, size: int) -> Iterator[Kernel]:
    length = size // 4
    a, b, c = (np.full(length, value, np.float32) for value in (1, 2, 3))
    ta, tb, tc = (torch.from_numpy(array) for array in (a, b, c))
    gigabytes = 4 * length / GIGA
    words = f"{size // 2**10} KiB"
    yield Kernel(f"numpy copy {words}", kind, 2 * gigabytes, lambda: np.copyto(a, b))
    yield Kernel(f"numpy sum {words}", kind, gigabytes, lambda: b.sum())

    def numpy_triad() -> None:  # in two passes: 5 arrays go by
        np.multiply(c, np.float32(1.5), out=a)
        np.add(a, b, out=a)

    yield Kernel(f"numpy triad {words}", kind, 5 * gigabytes, numpy_triad)
    yield Kernel(f"torch copy {words}", kind, 2 * gigabytes, lambda: ta.copy_(tb))
    yield Kernel(f"torch sum {words}", kind, gigabytes, lambda: tb.sum())
    yield Kernel(
        f"torch triad {words}", kind, 3 * gigabytes, lambda: torch.add(tb, tc, alpha=1.5, out=ta)
    )
