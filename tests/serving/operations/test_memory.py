"""Freed memory goes back to the system."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import pytest

from dlpo_serving.server import _give_memory_back

pytestmark = pytest.mark.full


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"),
    reason="the C library is not glibc",
)
def test_what_was_freed_between_what_is_kept_is_given_back() -> None:
    blocks = [bytes(9_000) for _ in range(10_000)]
    kept = blocks[::20]
    full_mb = resident_mb()
    del blocks
    _give_memory_back()
    assert full_mb - resident_mb() > 40
    assert len(kept) == 500
