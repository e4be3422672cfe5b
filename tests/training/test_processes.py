"""What a process of a run is given before it begins."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

ALLOCATING = """
import resource
import torch
from accelerate.utils import GradScalerKwargs
from dlpo.training.processes import join_processes

def page_faults() -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(5_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = page_faults()
join_processes("no", GradScalerKwargs())
page_faults()
print(before, page_faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no mallopt")
def test_what_an_update_frees_the_next_one_uses() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ALLOCATING], capture_output=True, text=True, check=True
    )
    before, after = map(int, done.stdout.split())
    assert before > 1_000
    assert after < before / 10
