"""The hardware: what a CPU can compute in, and whether there is a GPU that can be used."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from dlpo.errors import EngineError, MissingExtraError
from dlpo.nvidia import INSTALL_TENSORRT, find_gpu, load_tensorrt
from dlpo_serving.doctor.observation import Observation, State

# Names as in /proc/cpuinfo: x86 in the line `flags`, ARM in `Features`.
WIDE = ("avx2", "avx512f", "asimd")
BYTES = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
BFLOAT16 = ("avx512_bf16", "amx_bf16")


def look_at_machine(cpuinfo: Path = Path("/proc/cpuinfo")) -> Iterator[Observation]:
    """The CPU, the GPU, CUDA, TensorRT. Only missing vector instructions are a problem.

    Args:
        cpuinfo: where Linux tells the features of the CPU.
    """
    yield from _cpu(cpuinfo)
    yield from _gpu()
    yield _tensorrt()


def _cpu(cpuinfo: Path) -> Iterator[Observation]:
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    cores = len(affinity(0)) if affinity else os.cpu_count()
    try:
        rows = [line.partition(":") for line in cpuinfo.read_text("utf-8").splitlines()]
    except OSError:
        yield Observation("CPU", "ok", f"{platform.machine()}, {cores} cores, features unknown")
        return
    said = {name.strip(): value.strip() for name, _, value in reversed(rows)}
    flags = set((said.get("flags") or said.get("Features") or "").split())
    model = said.get("model name") or platform.machine()
    yield Observation("CPU", "ok", f"{model}, {cores} cores to use")
    yield _feature(
        "vectors", WIDE, flags, "problem", "speech may not be made in real time; use another CPU"
    )
    slower = "8 bits are 1.5 times as fast as fp32 without them, not 3 times"
    yield _feature("8 bits", BYTES, flags, "absent", slower)
    yield _feature("bfloat16", BFLOAT16, flags, "absent", "--engine openvino takes fp32 only")


def _feature(
    subject: str, wanted: tuple[str, ...], flags: set[str], state: State, remedy: str
) -> Observation:
    if found := [flag for flag in wanted if flag in flags]:
        return Observation(subject, "ok", ", ".join(found))
    none = f"none of {', '.join(wanted)}"
    return Observation(subject, state, none, remedy)


def _gpu() -> Iterator[Observation]:
    driver = _nvidia_smi()
    if driver:
        yield Observation("NVIDIA driver", "ok", driver)
    try:
        gpu = find_gpu()
    except MissingExtraError as error:
        remedy = "in an environment of its own: pip install 'dlpo[gpu]'" if driver else ""
        yield Observation("GPU", "absent", str(error).partition(";")[0], remedy)
        return
    except EngineError as error:
        what, _, remedy = str(error).partition("; ")
        yield Observation("GPU", "problem" if driver else "absent", what, remedy)
        return
    size = f"{gpu.total_bytes / 2**30:.0f} GiB"
    detail = f"{gpu.name}, compute capability {gpu.compute_capability}, {size}"
    yield Observation("GPU", "ok", detail)
    yield Observation("CUDA", "ok", f"the driver runs up to {gpu.driver}")


def _nvidia_smi() -> str:
    """Version of the driver and names of the GPUs, as the driver's own tool tells; else nothing."""
    if not (program := shutil.which("nvidia-smi")):
        return ""
    command = [program, "--query-gpu=driver_version,name", "--format=csv,noheader"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return ""
    return "; ".join(told.stdout.split("\n")).strip("; ")


def _tensorrt() -> Observation:
    try:
        return Observation("TensorRT", "ok", str(load_tensorrt().__version__))
    except EngineError as error:
        what = str(error).replace(INSTALL_TENSORRT, "").rstrip(": ")
        return Observation("TensorRT", "absent", what, INSTALL_TENSORRT)
