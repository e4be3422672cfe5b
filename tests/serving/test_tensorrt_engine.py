"""The TensorRT engine on a simulated GPU: right numbers, one launch a call, clear refusals."""

from __future__ import annotations

import dataclasses
import gc
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dlpo
from dlpo.bundle import Bundle, PlanInfo, write_bundle
from dlpo.errors import DlpoError, EngineError, MissingExtraError
from dlpo.nvidia import Gpu, find_gpu, load_tensorrt
from dlpo_export.tensorrt.options import TensorrtOptions
from dlpo_export.tensorrt.plans import add_plans
from dlpo_serving.engine import Floats
from dlpo_serving.engines.onnx_engine import OnnxEngine
from dlpo_serving.engines.tensorrt_engine import TensorrtEngine
from dlpo_serving.engines.tensorrt_plan import choose_plan, choose_precision, misfit
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesizer import Synthesizer
from dlpo_serving.voices import open_voice

EMBEDDED = Path(dlpo.__file__).parent / "voices" / "lj"
H200 = Gpu(0, "NVIDIA H200", "9.0", 141 << 30, "13.0")
VERSION = "11.4.0.106"
Denoise = Callable[[int, Floats, Floats, Floats], Floats]


@pytest.fixture(scope="module")
def voice(embedded_fp32: Bundle) -> Bundle:
    """One step by default."""
    manifest = dataclasses.replace(embedded_fp32.manifest, steps=1)
    return dataclasses.replace(embedded_fp32, manifest=manifest)


@pytest.fixture(scope="module")
def with_two_plans(
    fake_nvidia: Any, voice: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    options = TensorrtOptions(steps=(1, 2), precisions=("fp32",), frames=(24, 40), batch=(1, 2))
    with pytest.MonkeyPatch.context() as patch:
        for name, module in fake_nvidia().modules.items():
            patch.setitem(sys.modules, name, module)
        return Bundle.load(add_plans(voice, tmp_path_factory.mktemp("built") / "voice", options))


@pytest.fixture
def built(nvidia: Any, with_two_plans: Bundle) -> Bundle:
    """A bundle with plans, on a machine with a GPU."""
    return with_two_plans


def with_plans(bundle: Bundle, out: Path, **changes: Any) -> Bundle:
    plans = tuple(dataclasses.replace(plan, **changes) for plan in bundle.manifest.plans)
    manifest = dataclasses.replace(bundle.manifest, plans=plans)
    return Bundle.load(write_bundle(out, manifest, bundle.directory))


def window(bundle: Bundle, steps: int, batch: int, frames: int) -> tuple[Floats, Floats, Floats]:
    generator = np.random.default_rng(frames)
    shapes = {
        tensor.name: [{"B": batch, "F": frames}.get(n, n) for n in tensor.shape]
        for tensor in bundle.manifest.graphs[f"denoiser_{steps}"].inputs
    }
    conditioning, source, noise = (
        generator.standard_normal(shapes[name], np.float32)
        for name in ("conditioning", "source", "noise")
    )
    return conditioning, source, noise


@pytest.mark.parametrize(
    ("steps", "batch", "frames"), [(1, 1, 3), (1, 2, 17), (1, 3, 33), (1, 1, 75), (2, 1, 40)]
)
def test_engine_computes_what_onnxruntime_computes(
    built: Bundle, steps: int, batch: int, frames: int
) -> None:
    margin = built.manifest.context_frames(steps)
    conditioning, source, noise = window(built, steps, batch, frames)
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


def test_a_call_is_one_launch_of_a_captured_graph(nvidia: Any, built: Bundle) -> None:
    engine = TensorrtEngine(built)
    before = nvidia.device.launches
    allocated = len(nvidia.device.memory)

    for seed in range(3):
        engine.denoise(1, *window(built, 1, 1, 10 + seed))

    assert nvidia.device.launches == before + 3
    assert len(nvidia.device.memory) == allocated


def test_without_cuda_graphs_the_result_is_the_same(nvidia: Any, built: Bundle) -> None:
    inputs = window(built, 1, 1, 12)
    captured = TensorrtEngine(built).denoise(1, *inputs)
    launches = nvidia.device.launches

    plain = TensorrtEngine(built, cuda_graphs=False).denoise(1, *inputs)

    assert nvidia.device.launches == launches
    np.testing.assert_array_equal(plain, captured)


def test_results_of_earlier_calls_are_not_overwritten(built: Bundle) -> None:
    engine = TensorrtEngine(built)
    first = engine.denoise(1, *window(built, 1, 1, 12))
    kept = first.copy()

    engine.denoise(1, *window(built, 1, 1, 13))

    np.testing.assert_array_equal(first, kept)


def test_engine_speaks(built: Bundle) -> None:
    request = SpeechRequest("Yes.", steps=1)
    speaker = open_voice(EMBEDDED, "cpu", "fp32")
    voice = Synthesizer(TensorrtEngine(built), speaker._front_end)
    expected = speaker.speak(request)

    audio = voice.speak(request)

    # the last frames of a sentence are padded here and end there
    inside = slice(0, len(expected) - 300 * built.manifest.context_frames(1))
    assert len(audio) == len(expected)
    np.testing.assert_allclose(audio[inside], expected[inside], atol=2e-3)


@pytest.mark.parametrize("how", ["closed", "forgotten"])
def test_all_memory_is_given_back(nvidia: Any, built: Bundle, how: str) -> None:
    engine = TensorrtEngine(built)
    engine.denoise(2, *window(built, 2, 1, 5))
    assert nvidia.device.memory

    if how == "closed":
        engine.close()
        with pytest.raises(EngineError, match="was closed; open the voice again"):
            engine.denoise(1, *window(built, 1, 1, 5))
    del engine
    gc.collect()

    assert nvidia.device.memory == {}
    assert nvidia.device.streams == {}
    assert nvidia.device.graphs == []


def test_steps_without_a_plan_say_how_to_build_one(built: Bundle) -> None:
    match = (
        r"no TensorRT plan of denoiser_3 in fp32 .*; build the plan on this machine: dlpo export"
    )
    with pytest.raises(EngineError, match=match):
        TensorrtEngine(built).denoise(3, *window(built, 3, 1, 5))


def test_bundle_without_plans_is_refused(nvidia: Any, voice: Bundle) -> None:
    match = (
        r"no TensorRT plan of denoiser_1 for this machine \(NVIDIA H200, compute capability 9.0,"
        r" TensorRT 11.4.0.106\); build .* --tensorrt --out"
    )
    with pytest.raises(EngineError, match=match):
        TensorrtEngine(voice)


def test_plan_of_another_gpu_is_refused_with_its_name(nvidia: Any, built: Bundle) -> None:
    nvidia.device.name, nvidia.device.capability = b"NVIDIA L4", (8, 9)

    match = r"denoiser_1\.fp32\.NVIDIA-H200\S+ is for NVIDIA H200 \(compute capability 9.0\); build"
    with pytest.raises(EngineError, match=match):
        TensorrtEngine(built, "fp32")
    assert nvidia.device.memory == {}


def test_plan_of_another_version_is_refused(built: Bundle, tmp_path: Path) -> None:
    older = with_plans(built, tmp_path / "older", tensorrt="11.3.0.99")

    with pytest.raises(EngineError, match=r"is for TensorRT 11\.3\.0\.99; build"):
        TensorrtEngine(older)


def test_version_compatible_plan_runs_for_who_trusts_it(
    nvidia: Any, voice: Bundle, tmp_path: Path
) -> None:
    options = TensorrtOptions(
        steps=(1,), precisions=("fp32",), frames=(32,), batch=(1,), version_compatible=True
    )
    bundle = Bundle.load(add_plans(voice, tmp_path / "voice", options))
    older = with_plans(bundle, tmp_path / "older", tensorrt="11.3.0.99")

    with pytest.raises(EngineError, match="brings code for the CPU; open it with host_code=True"):
        TensorrtEngine(older)

    audio = TensorrtEngine(older, host_code=True).denoise(1, *window(older, 1, 1, 5))
    assert np.isfinite(audio).all()


def test_plan_that_tensorrt_refuses_is_an_engine_error(built: Bundle, tmp_path: Path) -> None:
    content = shutil.copytree(built.directory, tmp_path / "content")
    for plan in built.manifest.plans:
        (content / plan.file).write_bytes(b"cut off")
    damaged = Bundle.load(write_bundle(tmp_path / "bad", built.manifest, content))

    match = r"plan: TensorRT refuses the plan \(magic tag does not match\); build"
    with pytest.raises(EngineError, match=match):
        TensorrtEngine(damaged)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"frames": (24, 41)}, r"profile 1 of conditioning is \(1, 320, 40\), the manifest says"),
        ({"frames": (24,)}, "the plan has 4 profiles, the manifest says 2"),
        ({"frames": (40, 24)}, "frames is .40, 24.; expected .*; build"),
    ],
)
def test_plan_with_other_buckets_than_promised_is_refused(
    built: Bundle, tmp_path: Path, changes: dict[str, Any], match: str
) -> None:
    with pytest.raises(EngineError, match=match):
        TensorrtEngine(with_plans(built, tmp_path / "other", **changes))


def test_plan_of_half_inputs_is_refused(nvidia: Any, built: Bundle) -> None:
    nvidia.faults.dtype = "HALF"

    with pytest.raises(EngineError, match="conditioning is HALF in the plan, expected FLOAT"):
        TensorrtEngine(built)


def test_full_gpu_is_an_error_that_says_what_to_do_and_keeps_nothing(
    nvidia: Any, built: Bundle
) -> None:
    nvidia.device.capacity = 200_000

    with pytest.raises(EngineError, match=r"out of memory|MemoryAllocation.*smaller buckets"):
        TensorrtEngine(built)

    gc.collect()
    assert nvidia.device.memory == {}


def test_failed_run_is_an_engine_error(nvidia: Any, built: Bundle) -> None:
    nvidia.faults.run = False

    with pytest.raises(EngineError, match="TensorRT could not run"):
        TensorrtEngine(built)
    assert all(stream.captured is None for stream in nvidia.device.streams.values())


def test_window_of_wrong_shape_is_an_engine_error(built: Bundle) -> None:
    conditioning, source, noise = window(built, 1, 1, 5)

    with pytest.raises(EngineError, match="denoiser_1: TensorRT failed on"):
        TensorrtEngine(built).denoise(1, conditioning[:, :7], source, noise)


def test_machine_without_a_gpu_is_an_error(nvidia: Any, built: Bundle) -> None:
    nvidia.device.count = 0

    with pytest.raises(EngineError, match="no NVIDIA GPU can be used here"):
        TensorrtEngine(built)


def test_machine_without_tensorrt_says_where_to_get_it(
    built: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tensorrt", "tensorrt_bindings"):
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(EngineError, match=r"not installed: pip install .*pypi\.nvidia\.com"):
        TensorrtEngine(built)


def test_machine_without_cuda_bindings_names_the_extra(
    built: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", None)

    with pytest.raises(MissingExtraError, match=r"pip install 'dlpo\[tensorrt\]'"):
        TensorrtEngine(built)


def plan(**changes: Any) -> PlanInfo:
    values: dict[str, Any] = {
        "graph": "denoiser_1", "precision": "fp32", "file": "a.plan", "gpu": "NVIDIA H200",
        "compute_capability": "9.0", "tensorrt": VERSION, "frames": (32,), "batch": (1,),
    }  # fmt: skip
    return PlanInfo(**{**values, **changes})


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({}, True),
        ({"gpu": "NVIDIA H100"}, False),
        ({"gpu": "NVIDIA H100", "runs_on": "compute_capability"}, True),
        ({"compute_capability": "8.9", "runs_on": "compute_capability"}, False),
        ({"gpu": "NVIDIA A10", "compute_capability": "8.6", "runs_on": "ampere_plus"}, True),
        ({"tensorrt": "11.3.0.1"}, False),
        ({"tensorrt": "11.3.0.1", "version_compatible": True}, True),
        ({"tensorrt": "11.5.0.1", "version_compatible": True}, False),
        ({"tensorrt": "10.9.0.1", "version_compatible": True}, False),
    ],
)
def test_plan_fits_where_it_was_built_to_run(changes: dict[str, Any], fits: bool) -> None:
    assert (misfit(plan(**changes), H200, VERSION) is None) == fits


def test_plan_for_ampere_is_refused_on_turing() -> None:
    turing = Gpu(0, "NVIDIA T4", "7.5", 16 << 30, "13.0")

    assert misfit(plan(runs_on="ampere_plus"), turing, VERSION) is not None


def test_plan_of_just_this_machine_comes_before_a_portable_one(voice: Bundle) -> None:
    portable = plan(file="b.plan", gpu="NVIDIA A10", runs_on="ampere_plus")
    manifest = dataclasses.replace(voice.manifest, plans=(portable, plan()))

    assert choose_plan(manifest, "denoiser_1", "fp32", H200, VERSION).file == "a.plan"


def test_fp16_comes_before_fp32_and_int8_only_alone(voice: Bundle) -> None:
    def best(*precisions: str) -> str:
        plans = tuple(plan(precision=p) for p in precisions)
        return choose_precision(dataclasses.replace(voice.manifest, plans=plans), H200, VERSION)

    assert best("fp32", "fp16", "int8_symmetric") == "fp16"
    assert best("int8_symmetric", "fp32") == "fp32"
    assert best("int8_symmetric") == "int8_symmetric"


@pytest.fixture
def built_for_real(voice: Bundle, tmp_path: Path) -> Bundle:
    """Plans for the GPU of this machine; skips where it or TensorRT is missing."""
    options = TensorrtOptions(
        steps=(1,), precisions=("fp32",), frames=(24, 40), batch=(1, 2), optimization_level=0
    )
    try:
        find_gpu()
        load_tensorrt()
    except DlpoError as error:
        pytest.skip(f"needs a GPU and TensorRT: {error}")
    return Bundle.load(add_plans(voice, tmp_path / "voice", options))


@pytest.mark.gpu
@pytest.mark.parametrize("frames", [17, 33, 75])
def test_on_a_real_gpu_the_audio_is_that_of_onnxruntime(
    built_for_real: Bundle, frames: int
) -> None:
    engine = TensorrtEngine(built_for_real)
    inputs = window(built_for_real, 1, 3, frames)

    made = engine.denoise(1, *inputs)

    expected = OnnxEngine(built_for_real).denoise(1, *inputs)
    inside = slice(0, frames - built_for_real.manifest.context_frames(1))
    tolerance = 1e-3 * np.abs(expected).max()
    np.testing.assert_allclose(made[:, inside], expected[:, inside], atol=tolerance)
    again = engine.denoise(1, *inputs)
    np.testing.assert_array_equal(again, made)
    engine.close()
