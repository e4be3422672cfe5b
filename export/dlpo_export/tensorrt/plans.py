"""Adding TensorRT plans to a bundle, on the machine that will use them.

Only denoisers get plans: of WaveGrad 2 they are nearly all the work, and they run on a few fixed
shapes. The encoder and frames graphs run once per several seconds of audio, on two ever-changing
lengths, so buckets and CUDA graphs would not help; they stay on onnxruntime's CPU.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

from dlpo.bundle import Bundle, PlanInfo, Precision, write_bundle
from dlpo.errors import BundleError, InputError
from dlpo.nvidia import find_gpu, load_tensorrt
from dlpo_export.tensorrt.build import build_plan, parse_graph
from dlpo_export.tensorrt.graph import load_for_tensorrt
from dlpo_export.tensorrt.options import GPU_PRECISIONS, TensorrtOptions

logger = logging.getLogger(__name__)


def add_plans(bundle: Bundle, out: Path, options: TensorrtOptions | None = None) -> Path:
    """Build plans for this machine's GPU and write the bundle with them, all or nothing.

    Plans for other machines are kept; those of the same name are replaced.

    Args:
        bundle: not modified, unless `out` is its own path.
        out: a directory, or a zip if the name ends in `.dlpo`.
        options: None: the defaults.

    Returns:
        `out`.

    Raises:
        InputError: a precision or a number of steps is not in the bundle.
        BundleError: TensorRT rejects a graph, or `out` or the cache can't be written.
        EngineError: no GPU, or a build failed, for example for lack of memory.
        MissingExtraError: TensorRT, cuda-bindings or onnx is not installed.
    """
    options = options or TensorrtOptions()
    work = planned_work(bundle, options)
    gpu = find_gpu()  # first: without one, TensorRT need not be installed
    trt = load_tensorrt()
    machine = f"{_slug(gpu.name)}.trt{trt.__version__}"
    cache = options.cache or out.parent
    builds = []
    for graph, precision in work:  # check all before spending minutes on the first
        plan = PlanInfo(
            graph=graph,
            precision=precision,
            file=f"{graph}.{precision}.{machine}.plan",
            gpu=gpu.name,
            compute_capability=gpu.compute_capability,
            tensorrt=str(trt.__version__),
            frames=options.frames,
            batch=options.batch,
        )
        model = load_for_tensorrt(bundle.graph_path(graph, precision))
        named_after = str(plan).encode() + model.SerializeToString(deterministic=True)
        kept = cache / f"{hashlib.sha256(named_after).hexdigest()[:16]}.{plan.file}"
        if not kept.exists():
            parse_graph(trt, model)
        builds.append((plan, model, kept))
    timings_file = cache / f"{machine}.timings"  # valid for these alone
    plans = {plan.file: plan for plan in bundle.manifest.plans}
    with tempfile.TemporaryDirectory(prefix="dlpo-tensorrt-") as scratch:
        folder = Path(scratch)
        try:
            for name in bundle.manifest.files:
                shutil.copyfile(bundle.directory / name, folder / name)
            timings = timings_file.read_bytes() if timings_file.exists() else b""
            for plan, model, kept in builds:
                started = time.monotonic()
                if kept.exists():
                    made = kept.read_bytes()
                else:
                    made, timings = build_plan(trt, model, options, timings)
                    _replace(timings_file, timings)
                    if options.cache:
                        _replace(kept, made)
                (folder / plan.file).write_bytes(made)
                plans[plan.file] = plan
                seconds = time.monotonic() - started
                logger.info("%s: %.1f MB in %.0f s", plan.file, len(made) / 1e6, seconds)
        except OSError as error:
            raise BundleError(
                f"plans can't be written ({error}); make room in {folder.parent} and {cache}"
            ) from error
        manifest = dataclasses.replace(bundle.manifest, plans=tuple(plans.values()))
        return write_bundle(out, manifest, folder)


def planned_work(bundle: Bundle, options: TensorrtOptions) -> list[tuple[str, Precision]]:
    """The denoisers and precisions requested by `options`.

    Raises:
        InputError: one of them, or any precision for GPUs, is missing from the bundle.
    """
    manifest = bundle.manifest
    work: list[tuple[str, Precision]] = []
    for steps in options.steps or manifest.available_steps:
        if steps not in manifest.available_steps:
            offered = ", ".join(map(str, manifest.available_steps))
            raise InputError(f"steps {steps} are not in the bundle; it has {offered}")
        files = manifest.graphs[f"denoiser_{steps}"].files
        for precision in options.precisions or [p for p in GPU_PRECISIONS if p in files]:
            if precision not in files:
                raise InputError(
                    f"the bundle has denoiser_{steps} in {', '.join(files)}, not in {precision};"
                    f' export it with "dlpo export --precision {precision}" first'
                )
            work.append((f"denoiser_{steps}", precision))
    return work


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")


def _replace(path: Path, content: bytes) -> None:
    """Write a file atomically: an interrupted write leaves the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_bytes(content)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
