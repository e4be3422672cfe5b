"""Memory that the C library keeps after it was freed."""

from __future__ import annotations

import ctypes
import sys


def give_memory_back() -> None:
    """Return freed pages to the system, where the C library can (glibc); takes about 1 ms.

    Sentences are of all lengths, so freed memory lies between what is in use, and glibc by itself
    returns only what lies at the end: resident memory would follow the worst moment ever seen.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim:
            trim(0)
