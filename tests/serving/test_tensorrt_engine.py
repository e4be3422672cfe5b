"""The TensorRT engine on a simulated GPU: right numbers, one launch a call, clear refusals."""

from __future__ import annotations

import dataclasses
import gc
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlpo.bundle import Bundle
from dlpo.errors import EngineError
from dlpo.nvidia import Gpu
from dlpo_export.tensorrt.options import TensorrtOptions
from dlpo_export.tensorrt.plans import add_plans
from dlpo_serving.engines.onnx_engine import OnnxEngine
from dlpo_serving.engines.tensorrt_engine import TensorrtEngine, choose_plan, misfit
from tests.nvidia.nvidia_fake import FakeNvidia
from tests.toys import denoiser_window, plan_info

H200 = Gpu("NVIDIA H200", "9.0", 141 << 30, "13.0")
VERSION = "11.4.0.106"


@pytest.fixture(scope="module")
def voice(embedded_fp32: Bundle) -> Bundle:
    """One step by default."""
    manifest = dataclasses.replace(embedded_fp32.manifest, steps=1)
    return dataclasses.replace(embedded_fp32, manifest=manifest)


@pytest.fixture(scope="module")
def with_two_plans(
    fake_nvidia: type[FakeNvidia], voice: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    options = TensorrtOptions(steps=(1, 2), precisions=("fp32",), frames=(24, 40), batch=(1, 2))
    with pytest.MonkeyPatch.context() as patch:
        for name, module in fake_nvidia().modules.items():
            patch.setitem(sys.modules, name, module)
        return Bundle.load(add_plans(voice, tmp_path_factory.mktemp("built") / "voice", options))


@pytest.fixture
def built(nvidia: FakeNvidia, with_two_plans: Bundle) -> Bundle:
    """A bundle with plans, on a machine with a GPU."""
    return with_two_plans


@pytest.mark.parametrize(
    ("steps", "batch", "frames"), [(1, 1, 3), (1, 2, 17), (1, 3, 33), (1, 1, 75), (2, 1, 40)]
)
def test_engine_computes_what_onnxruntime_computes(
    built: Bundle, steps: int, batch: int, frames: int
) -> None:
    margin = built.manifest.context_frames(steps)
    conditioning, source, noise = denoiser_window(built, steps, batch, frames)
    made = TensorrtEngine(built).denoise(steps, conditioning, source, noise)

    # the same padding that every bucket has at the end of a window
    more = ((0, 0), (0, margin), (0, 0))
    expected = OnnxEngine(built).denoise(
        steps,
        np.pad(conditioning, ((0, 0), (0, 0), (0, margin)), mode="edge"),
        np.pad(source, more),
        np.pad(noise, ((0, 0), *more)),
    )[:, :frames]
    assert made.shape == source.shape
    np.testing.assert_allclose(made, expected, atol=2e-4 * np.abs(expected).max())


def test_a_call_is_one_launch_of_a_captured_graph(nvidia: FakeNvidia, built: Bundle) -> None:
    engine = TensorrtEngine(built)
    before = nvidia.device.launches
    allocated = len(nvidia.device.memory)

    for seed in range(3):
        engine.denoise(1, *denoiser_window(built, 1, 1, 10 + seed))

    assert nvidia.device.launches == before + 3
    assert len(nvidia.device.memory) == allocated


@pytest.mark.parametrize("how", ["closed", "forgotten"])
def test_all_memory_is_given_back(nvidia: FakeNvidia, built: Bundle, how: str) -> None:
    engine = TensorrtEngine(built)
    engine.denoise(2, *denoiser_window(built, 2, 1, 5))
    assert nvidia.device.memory

    if how == "closed":
        engine.close()
        with pytest.raises(EngineError, match="was closed; open the voice again"):
            engine.denoise(1, *denoiser_window(built, 1, 1, 5))
    del engine
    gc.collect()

    assert nvidia.device.memory == {}
    assert nvidia.device.streams == {}
    assert nvidia.device.graphs == []


def test_bundle_without_plans_is_refused(nvidia: FakeNvidia, voice: Bundle) -> None:
    match = (
        r"no TensorRT plan of denoiser_1 for this machine \(NVIDIA H200, compute capability 9.0,"
        r" TensorRT 11.4.0.106\); build .* --tensorrt --out"
    )
    with pytest.raises(EngineError, match=match):
        TensorrtEngine(voice)


def test_plan_of_another_gpu_is_refused_with_its_name(nvidia: FakeNvidia, built: Bundle) -> None:
    nvidia.device.name, nvidia.device.capability = b"NVIDIA L4", (8, 9)

    match = r"denoiser_1\.fp32\.NVIDIA-H200\S+ is for NVIDIA H200 \(compute capability 9.0\); build"
    with pytest.raises(EngineError, match=match):
        TensorrtEngine(built, "fp32")
    assert nvidia.device.memory == {}


def test_full_gpu_error_says_what_to_do(nvidia: FakeNvidia, built: Bundle) -> None:
    nvidia.device.capacity = 200_000

    with pytest.raises(EngineError, match=r"out of memory|MemoryAllocation.*smaller buckets"):
        TensorrtEngine(built)

    gc.collect()
    assert nvidia.device.memory == {}


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({}, True),
        ({"gpu": "NVIDIA H100"}, False),
        ({"compute_capability": "8.9"}, False),
        ({"tensorrt": "11.3.0.1"}, False),
    ],
)
def test_plan_fits_where_it_was_built_to_run(changes: dict[str, Any], fits: bool) -> None:
    assert (misfit(plan_info(**changes), H200, VERSION) is None) == fits


def test_fp16_comes_before_fp32_and_int8_only_alone(voice: Bundle) -> None:
    def best(*precisions: str) -> str:
        plans = tuple(plan_info(precision=p) for p in precisions)
        manifest = dataclasses.replace(voice.manifest, plans=plans)
        return choose_plan(manifest, "denoiser_1", None, H200, VERSION).precision

    assert best("fp32", "fp16", "int8_symmetric") == "fp16"
    assert best("int8_symmetric", "fp32") == "fp32"
    assert best("int8_symmetric") == "int8_symmetric"


@pytest.fixture
def built_for_real(real_gpu: None, voice: Bundle, tmp_path: Path) -> Bundle:
    """Plans for the GPU of this machine."""
    options = TensorrtOptions(steps=(1,), precisions=("fp32",), frames=(24, 40), batch=(1, 2))
    return Bundle.load(add_plans(voice, tmp_path / "voice", options))


@pytest.mark.gpu
@pytest.mark.parametrize("frames", [17, 33, 75])
def test_on_a_real_gpu_the_audio_is_that_of_onnxruntime(
    built_for_real: Bundle, frames: int
) -> None:
    engine = TensorrtEngine(built_for_real)
    inputs = denoiser_window(built_for_real, 1, 3, frames)

    made = engine.denoise(1, *inputs)

    expected = OnnxEngine(built_for_real).denoise(1, *inputs)
    inside = slice(0, frames - built_for_real.manifest.context_frames(1))
    tolerance = 1e-3 * np.abs(expected).max()
    np.testing.assert_allclose(made[:, inside], expected[:, inside], atol=tolerance)
    again = engine.denoise(1, *inputs)
    np.testing.assert_array_equal(again, made)
    engine.close()
