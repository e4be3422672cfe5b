"""What a process of a run is given before it begins."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

MEGABYTES = 200
FREEING = f"""
import os
from pathlib import Path
import torch
from accelerate.utils import GradScalerKwargs
from dlpo.training.processes import join_processes

def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")

join_processes("no", GradScalerKwargs())
before = resident()
activations = [torch.ones(5_000_000) for _ in range({MEGABYTES} // 20)]
del activations
print((resident() - before) // 10**6)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no mallopt")
def test_what_an_update_frees_the_next_one_uses() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FREEING], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) > 0.9 * MEGABYTES
