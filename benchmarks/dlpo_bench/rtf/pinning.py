"""Threads and cores held fixed for a measurement, and what the record says of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from dlpo.errors import InputError

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_WAIT_POLICY")
PACKAGES = ("openvino", "onnxruntime-gpu", "tensorrt-cu13")  # beside those of every record


@contextmanager
def pinned(threads: int, core: int | None) -> Iterator[list[int] | None]:
    """Hold PyTorch to so many threads, and this process to as many cores.

    Args:
        core: the first of them; None takes the last that there are.

    Yields:
        The cores; None where the system can't hold a process to cores.

    Raises:
        InputError: there are not so many cores from this one on.
    """
    before = torch.get_num_threads()
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else None
    cores = None if allowed is None else _choose(allowed, threads, core)
    try:
        torch.set_num_threads(threads)
        if cores is not None:
            os.sched_setaffinity(0, cores)
        yield cores
    finally:
        torch.set_num_threads(before)
        if allowed is not None:
            os.sched_setaffinity(0, allowed)


def _choose(allowed: list[int], threads: int, core: int | None) -> list[int]:
    chosen = allowed[-threads:] if core is None else [c for c in allowed if c >= core][:threads]
    if len(chosen) < threads or core not in (None, chosen[0]):
        place = "" if core is None else f" from core {core} on"
        raise InputError(
            f"{threads} threads need as many cores{place}; this process may use"
            f" {', '.join(map(str, allowed))}"
        )
    return chosen


def environment(cores: list[int] | None) -> dict[str, Any]:
    """What else decides on speed, for the figures of a record."""
    packages = {}
    for package in PACKAGES:
        try:
            packages[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "torch_parallel": _parallel_info(),
        "governor": _governor(cores),
        "packages": packages,
    }


def _parallel_info() -> list[str]:
    """The lines of PyTorch's report that name a library or a number of threads."""
    words = ("OpenMP", "MKL", "threads", "backend")
    lines = (line.strip() for line in torch.__config__.parallel_info().splitlines())
    return [line for line in lines if any(word in line for word in words)]


def _governor(cores: list[int] | None) -> str:
    core = cores[0] if cores else 0
    path = Path(f"/sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor")
    try:
        return path.read_text("ascii").strip()
    except OSError:
        return "not readable"
