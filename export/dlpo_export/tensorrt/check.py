"""Does TensorRT work on this machine? Checks libraries, GPU, parser, builder and engine.

Every step is tried separately and reported in one line, and steps that need a failed one are
skipped, so that a single run on an unknown machine tells everything.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dlpo.bundle import Bundle, Precision
from dlpo.errors import DlpoError, EngineError
from dlpo.nvidia import TENSORRT, Finding, Gpu, find_gpu, load_tensorrt
from dlpo_export.parity.open_graph import OpenGraph
from dlpo_export.sentence import sentence_inputs
from dlpo_export.tensorrt.build import parse_graph
from dlpo_export.tensorrt.graph import load_for_tensorrt
from dlpo_export.tensorrt.options import GPU_PRECISIONS, TensorrtOptions
from dlpo_export.tensorrt.plans import add_plans, planned_work

TOLERANCE: dict[Precision, float] = {
    "fp32": 1e-3,
    "fp16": 3e-2,
    "bf16": 1e-1,
    "int8_symmetric": 1e-1,
}
"""Largest error against onnxruntime, as a share of the loudest sample. In all others the GPU
rounds in other places than the CPU, but a faulty graph or buffer is far above this."""
TIMED_RUNS = 20

Floats = NDArray[np.float32]
T = TypeVar("T")
OpenEngine = Callable[..., Any]
"""`dlpo_serving.engines.tensorrt_engine.TensorrtEngine`"""


@dataclass(frozen=True, slots=True, eq=False)
class DenoiserSample:
    """Inputs of a denoiser and its output on the CPU."""

    steps: int
    precision: Precision
    inputs: tuple[Floats, Floats, Floats]
    """conditioning (1, C, F), source (1, F, hop_length), noise (K, 1, F, hop_length)"""
    expected: Floats
    """(1, F, hop_length)"""


def sample_of(bundle: Bundle, steps: int, precision: Precision, frames: int) -> DenoiserSample:
    """The first frames of a sentence, repeated until it is long enough.

    Raises:
        BundleError: the bundle has no such graph, or onnxruntime can't compute one.
        InputError: the voice can't speak for that long.
        MissingExtraError: onnxruntime is not installed.
    """
    graph = f"denoiser_{steps}"
    read = sentence_inputs(bundle, graph, frames)
    expected = OpenGraph(bundle.graph_path(graph, precision)).run(read)["waveform"]
    inputs = (read["conditioning"], read["source"], read["noise"])
    return DenoiserSample(steps, precision, inputs, expected)


def check_tensorrt(
    bundle: Bundle,
    open_engine: OpenEngine,
    report: Callable[[Finding], None],
) -> bool:
    """Try everything that TensorRT is used for on this machine.

    Args:
        bundle: a voice.
        open_engine: `TensorrtEngine`; passed in because this package can't import it.
        report: called with each finding as soon as it is known.

    Returns:
        Whether no step failed.
    """
    check = _Check(report)
    gpu = check.step("GPU", _look_at_gpu)
    trt = check.step("TensorRT", _look_at_tensorrt)
    if trt is None:
        check.skip("parse", "TensorRT is missing")
    else:
        for graph, precision in planned_work(bundle, TensorrtOptions()):
            look = partial(_parse, trt, bundle, graph, precision)
            check.step(f"parse {graph} in {precision}", look)
    steps = min(bundle.manifest.available_steps)
    for precision in GPU_PRECISIONS:
        if precision not in bundle.manifest.graphs[f"denoiser_{steps}"].files:
            check.skip(f"engine in {precision}", "the bundle has no such graph")
        elif trt is None or gpu is None:
            check.skip(f"engine in {precision}", "TensorRT or the GPU is missing")
        else:
            _check_engine(check, bundle, steps, precision, open_engine)
    return not check.failed


def _check_engine(
    check: _Check, bundle: Bundle, steps: int, precision: Precision, open_engine: OpenEngine
) -> None:
    """Build the smallest engine, and run it with and without CUDA graphs."""
    margin = bundle.manifest.context_frames(steps, precision)
    options = TensorrtOptions(
        steps=(steps,), precisions=(precision,), frames=(max(64, 4 * margin),), batch=(1,)
    )
    with tempfile.TemporaryDirectory(prefix="dlpo-check-") as scratch:
        out = Path(scratch) / "built"
        built = check.step(f"build in {precision}", lambda: _build(bundle, out, steps, options))
        if built is None:
            check.skip(f"run in {precision}", "there is no engine")
            return
        sample = check.step(
            f"sample in {precision}",
            lambda: (sample_of(bundle, steps, precision, options.frames[0] - margin), "made"),
        )
        if sample is None:
            return
        for cuda_graphs in (False, True):
            how = "with CUDA graphs" if cuda_graphs else "without CUDA graphs"
            check.step(
                f"run in {precision} {how}",
                partial(_run, built, sample, margin, open_engine, cuda_graphs),
            )


def _look_at_gpu() -> tuple[Gpu, str]:
    gpu = find_gpu()
    return gpu, (
        f"{gpu.name}, compute capability {gpu.compute_capability}, {gpu.total_bytes >> 30} GiB,"
        f" driver for CUDA {gpu.driver}"
    )


def _look_at_tensorrt() -> tuple[ModuleType, str]:
    trt = load_tensorrt()
    same = "the version that" if trt.__version__ == TENSORRT else f"{TENSORRT} is what"
    return trt, f"{trt.__version__}; {same} our calls were checked against"


def _parse(trt: ModuleType, bundle: Bundle, graph: str, precision: Precision) -> tuple[bool, str]:
    layers = parse_graph(trt, load_for_tensorrt(bundle.graph_path(graph, precision)))
    return True, f"{layers} layers"


def _build(bundle: Bundle, out: Path, steps: int, options: TensorrtOptions) -> tuple[Bundle, str]:
    started = time.perf_counter()
    # The plan is for the default denoiser, so opening the bundle loads it.
    manifest = dataclasses.replace(bundle.manifest, steps=steps)
    add_plans(dataclasses.replace(bundle, manifest=manifest), out, options)
    built = Bundle.load(out)
    size = sum(built.manifest.files[plan.file].bytes for plan in built.manifest.plans)
    return built, f"{size / 1e6:.1f} MB in {time.perf_counter() - started:.0f} s"


def _run(
    built: Bundle, sample: DenoiserSample, margin: int, open_engine: OpenEngine, cuda_graphs: bool
) -> tuple[bool, str]:
    engine = open_engine(built, sample.precision, cuda_graphs=cuda_graphs)
    try:
        made = engine.denoise(sample.steps, *sample.inputs)
        seconds = []
        for _ in range(TIMED_RUNS):
            started = time.perf_counter()
            engine.denoise(sample.steps, *sample.inputs)
            seconds.append(time.perf_counter() - started)
    finally:
        engine.close()
    # The final window is padded for the GPU but simply shorter for the CPU.
    error = made[:, :-margin] - sample.expected[:, :-margin]
    share = float(np.abs(error).max() / np.abs(sample.expected).max())
    if not share <= TOLERANCE[sample.precision]:  # catches NaN too
        raise EngineError(
            f"the largest error against onnxruntime is {share:.1e} of the loudest sample; expected"
            f" {TOLERANCE[sample.precision]:.0e} or less"
        )
    frames = sample.expected.shape[1]
    return True, (
        f"largest error {share:.1e} of the loudest sample, {1e3 * median(seconds):.2f} ms for"
        f" {frames} frames in {sample.steps} steps (median of {TIMED_RUNS})"
    )


class _Check:
    """Reports each step, and remembers whether one failed."""

    def __init__(self, report: Callable[[Finding], None]) -> None:
        self._report = report
        self.failed = False

    def step(self, subject: str, action: Callable[[], tuple[T, str]]) -> T | None:
        """The result of `action`, or None if it failed."""
        try:
            value, detail = action()
        # An unfamiliar library may raise anything, and the next step must still run.
        except Exception as error:
            self.failed = True
            found = Finding(subject, "failed", str(error))  # a DlpoError says what to do
            if not isinstance(error, DlpoError):
                detail = f"{type(error).__name__}: {error}"
                found = Finding(subject, "failed", detail, "please report this line")
            self._report(found)
            return None
        self._report(Finding(subject, "ok", detail))
        return value

    def skip(self, subject: str, why: str) -> None:
        self._report(Finding(subject, "skipped", why))
