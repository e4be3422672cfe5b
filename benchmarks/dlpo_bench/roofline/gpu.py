"""A GPU's own peaks, and what share of them the denoiser reaches on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dlpo.bundle import Bundle
from dlpo.errors import DlpoError
from dlpo_bench.interleave import Spread, take_turns
from dlpo_bench.roofline.graphs import denoiser_run
from dlpo_bench.roofline.kernels import Kernels, Kind, Peak, gpu_kernels, peaks, why_no_gpu
from dlpo_export.profile.inputs import sentence_inputs
from dlpo_serving.engines import PRECISIONS, EngineName, EnginePrecision, open_engine

ENGINES: tuple[EngineName, ...] = ("cuda", "tensorrt")
_KINDS: Mapping[EnginePrecision, Kind] = {"fp32": "fp32", "fp16": "fp16", "int8_symmetric": "int8"}


@dataclass(slots=True)
class GpuRun:
    """What was found on the GPU; all empty without one."""

    roof: Mapping[Kind, Peak] = field(default_factory=dict)
    graphs: dict[str, dict[str, object]] = field(default_factory=dict)
    """engine, precision and window -> figures"""
    samples: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """kernel or graph -> its times"""
    skipped: dict[str, str] = field(default_factory=dict)


def measure_gpu(
    bundle: Bundle, steps: int, gop: Mapping[int, float], rounds: int, tell: Callable[[str], None]
) -> GpuRun:
    """Multiply on the GPU, then denoise on it with every engine that runs there.

    Args:
        steps: of the denoiser.
        gop: frames of a window -> 1e9 operations of its denoiser.
        rounds: turns of each.
        tell: takes lines on the progress.
    """
    if why := why_no_gpu():
        return GpuRun(skipped={"gpu": why})
    kernels = Kernels()
    kernels.add("torch on the GPU", gpu_kernels)
    tell("multiplying on the GPU")
    times = take_turns({one.name: one.run for one in kernels.present}, rounds, time.perf_counter)
    roof = peaks(kernels.present, times)
    samples = {name: {"kernel_ms": list(spread.samples_ms)} for name, spread in times.items()}
    run = GpuRun(roof, samples=samples, skipped=kernels.skipped)
    for engine in ENGINES:
        for precision in PRECISIONS[engine]:
            _engine(run, bundle, steps, gop, rounds, engine, precision)
    return run


def denoiser_figures(
    frames: int, gop: float, spread: Spread, kind: Kind, peak: Peak
) -> dict[str, object]:
    """What one window took, copies to the GPU and back included, and its share of the peak."""
    rate = gop / spread.least_ms * 1e3
    return {
        "frames": frames, "gop": gop, "least_ms": spread.least_ms, "median_ms": spread.median_ms,
        "deviation_ms": spread.deviation_ms, "gop_per_s": rate, "peak": kind,
        "share": rate / peak.rate,
    }  # fmt: skip


def _engine(
    run: GpuRun,
    bundle: Bundle,
    steps: int,
    gop: Mapping[int, float],
    rounds: int,
    engine: EngineName,
    precision: EnginePrecision,
) -> None:
    """Time one engine on every window, or say why not."""
    kind, name = _KINDS[precision], f"denoiser_{steps} on {engine} {precision}"
    if kind not in run.roof:
        run.skipped[name] = f"no peak of {kind} was measured"
        return
    try:
        opened = open_engine(bundle, engine, precision)
        windows = {f: sentence_inputs(bundle, f"denoiser_{steps}", f)[0] for f in gop}
        runs = {f"{name}, {f} frames": denoiser_run(opened, steps, window)
                for f, window in windows.items()}  # fmt: skip
        times = take_turns(runs, rounds, time.perf_counter)
    except DlpoError as error:
        run.skipped[name] = str(error)
        return
    for (words, spread), frames in zip(times.items(), gop, strict=True):
        run.samples[words] = {"graph_ms": list(spread.samples_ms)}
        run.graphs[words] = denoiser_figures(frames, gop[frames], spread, kind, run.roof[kind])
