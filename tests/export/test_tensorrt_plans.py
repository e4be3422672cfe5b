"""TensorRT on a simulated machine: plans are built, what fails says how, the check says all."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlpo.bundle import DEFAULT_VOICE, Bundle, GraphInfo
from dlpo.errors import BundleError, DlpoError, EngineError, InputError
from dlpo.nvidia import Finding
from dlpo_export.tensorrt.check import check_tensorrt, sample_of
from dlpo_export.tensorrt.options import TensorrtOptions
from dlpo_export.tensorrt.plans import add_plans, planned_work
from dlpo_serving.engines.tensorrt_engine import TensorrtEngine
from dlpo_serving.voices import find_voice
from tests.nvidia.nvidia_fake import FakeNvidia
from tests.toys import plan_info

SMALL = TensorrtOptions(steps=(1,), precisions=("fp32",), frames=(24, 48), batch=(1, 2))


@pytest.fixture(scope="module")
def voice(embedded_fp32: Bundle) -> Bundle:
    return embedded_fp32


def test_bundle_gets_plans_named_by_gpu_version_and_precision(
    nvidia: FakeNvidia, voice: Bundle, tmp_path: Path
) -> None:
    out = add_plans(voice, tmp_path / "voice", SMALL)

    (plan,) = Bundle.load(out).manifest.plans
    assert plan == plan_info(
        file="denoiser_1.fp32.NVIDIA-H200.trt11.4.0.106.plan", frames=(24, 48), batch=(1, 2)
    )
    assert set(Bundle.load(out).manifest.files) == {*voice.manifest.files, plan.file}
    (settings,) = nvidia.faults.settings
    assert settings["flags"] == []  # no TF32
    shapes = [profile["source"] for profile in settings["profiles"]]  # one for each bucket
    assert shapes == [[1, 24, 300], [1, 48, 300], [2, 24, 300], [2, 48, 300]]
    assert settings["pools"] == {"WORKSPACE": 2 << 30}


def test_timings_are_kept_beside_the_bundle_and_used_again(
    nvidia: FakeNvidia, voice: Bundle, tmp_path: Path
) -> None:
    add_plans(voice, tmp_path / "first", SMALL)
    add_plans(voice, tmp_path / "second", SMALL)

    assert [settings["timings"] for settings in nvidia.faults.settings] == [b"", b"+"]
    cache = tmp_path / "NVIDIA-H200.trt11.4.0.106.timings"
    assert cache.read_bytes() == b"++"


def test_only_plans_of_this_machine_are_replaced(
    nvidia: FakeNvidia, voice: Bundle, tmp_path: Path
) -> None:
    first = Bundle.load(add_plans(voice, tmp_path / "voice", SMALL))
    nvidia.device.name = b"NVIDIA L4"
    second = Bundle.load(add_plans(first, tmp_path / "voice", SMALL))

    third = Bundle.load(add_plans(second, tmp_path / "voice", replace(SMALL, frames=(32,))))

    plans = {plan.gpu: plan.frames for plan in third.manifest.plans}
    assert plans == {"NVIDIA H200": (24, 48), "NVIDIA L4": (32,)}


def test_every_denoiser_and_gpu_precision_is_built(voice: Bundle) -> None:
    graphs = {
        name: GraphInfo({**g.files, "fp16": f"{name}.16", "int8": f"{name}.8"}, g.inputs, g.outputs)
        for name, g in voice.manifest.graphs.items()
    }
    manifest = replace(voice.manifest, graphs=graphs)

    work = planned_work(replace(voice, manifest=manifest), TensorrtOptions())

    steps = voice.manifest.available_steps
    assert work == [(f"denoiser_{n}", p) for n in steps for p in ("fp32", "fp16")]


def assert_refused(
    voice: Bundle, tmp_path: Path, options: TensorrtOptions, error: type[DlpoError], match: str
) -> None:
    with pytest.raises(error, match=match):
        add_plans(voice, tmp_path / "out" / "voice", options)
    assert not (tmp_path / "out" / "voice").exists()


def test_a_cache_has_plans_by_graph_gpu_and_version(
    nvidia: FakeNvidia, voice: Bundle, tmp_path: Path
) -> None:
    cached = replace(SMALL, cache=tmp_path / "cache")
    first = Bundle.load(add_plans(voice, tmp_path / "node 1/voice", cached))
    again = Bundle.load(add_plans(voice, tmp_path / "node 2/voice", cached))
    assert len(nvidia.faults.settings) == 1
    assert again.manifest == first.manifest

    add_plans(voice, tmp_path / "voice", replace(cached, frames=(24,)))  # other windows
    nvidia.device.name = b"NVIDIA L4"
    add_plans(voice, tmp_path / "voice", cached)
    nvidia.tensorrt.__version__ = "11.5.0.1"
    add_plans(voice, tmp_path / "voice", cached)
    add_plans(voice, tmp_path / "voice", SMALL)  # no cache
    assert len(nvidia.faults.settings) == 5


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"precisions": ("fp16",)}, r'not in fp16; export it with "dlpo export --precision fp16"'),
        ({"steps": (1, 9)}, "steps 9 are not in the bundle; it has 1, 2"),
    ],
)
def test_what_the_bundle_lacks_is_refused(
    voice: Bundle, tmp_path: Path, values: dict[str, Any], match: str
) -> None:
    assert_refused(voice, tmp_path, replace(SMALL, **values), InputError, match)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"frames": (64, 32)}, "frames is .64, 32.; expected numbers from 1, ascending"),
        ({"batch": ()}, "batch is .*; expected numbers from 1"),
        ({"precisions": ("int8",)}, "precision int8 is not for TensorRT; expected one of fp32"),
    ],
)
def test_options_that_cant_be_are_refused(values: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        replace(SMALL, **values)


def test_parser_errors_name_their_nodes(nvidia: FakeNvidia, voice: Bundle, tmp_path: Path) -> None:
    nvidia.faults.parser = [("conv1d_7", "Conv", "no such kernel"), ("", "Resize", "no such mode")]

    match = r"(?s)TensorRT refuses it:.*conv1d_7 \(Conv\): no such kernel.*graph \(Resize\)"
    assert_refused(voice, tmp_path, SMALL, BundleError, match)
    assert nvidia.faults.settings == []  # before the first build


def test_out_of_memory_says_what_to_lower(
    nvidia: FakeNvidia, voice: Bundle, tmp_path: Path
) -> None:
    nvidia.faults.build = "Requested amount of GPU memory (9 bytes): out of memory"

    match = r"memory ran out: free it, or lower the largest frames \(48\)"
    assert_refused(voice, tmp_path, SMALL, EngineError, match)
    assert list((tmp_path).iterdir()) == []


@pytest.fixture(scope="module")
def one_step(embedded_fp32: Bundle) -> Bundle:
    """One step only."""
    manifest = embedded_fp32.manifest
    graphs = {name: manifest.graphs[name] for name in ("encoder", "frames", "denoiser_1")}
    manifest = replace(manifest, graphs=graphs, steps=1)
    return replace(embedded_fp32, manifest=manifest)


def check(bundle: Bundle, engine: Any = TensorrtEngine) -> tuple[bool, dict[str, Finding]]:
    found: list[Finding] = []
    passed = check_tensorrt(bundle, engine, found.append)
    return passed, {finding.subject: finding for finding in found}


def test_machine_where_all_works_passes(nvidia: FakeNvidia, one_step: Bundle) -> None:
    passed, found = check(one_step)

    assert passed
    assert {subject for subject, finding in found.items() if finding.state == "ok"} == {
        "GPU",
        "TensorRT",
        "parse denoiser_1 in fp32",
        "build in fp32",
        "sample in fp32",
        "run in fp32 without CUDA graphs",
        "run in fp32 with CUDA graphs",
    }
    assert "largest error" in found["run in fp32 with CUDA graphs"].detail
    assert found["engine in fp16"].detail == "the bundle has no such graph"
    assert nvidia.device.memory == {}


def test_machine_without_anything_fails_with_what_to_do(
    one_step: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tensorrt", "tensorrt_bindings", "cuda.bindings.runtime"):
        monkeypatch.setitem(sys.modules, name, None)

    passed, found = check(one_step)

    assert not passed
    assert found["GPU"].state == found["TensorRT"].state == "failed"
    assert "pip install" in found["GPU"].detail
    assert "--extra-index-url https://pypi.nvidia.com" in found["TensorRT"].detail
    assert found["parse"].state == found["engine in fp32"].state == "skipped"


@pytest.mark.parametrize("factor", [1.01, np.nan])
def test_engine_that_computes_something_else_fails_the_check(
    nvidia: FakeNvidia, one_step: Bundle, factor: float
) -> None:
    class Wrong(TensorrtEngine):
        def denoise(self, *arguments: Any) -> Any:
            return factor * super().denoise(*arguments)

    passed, found = check(one_step, Wrong)

    assert not passed
    assert found["run in fp32 with CUDA graphs"].state == "failed"


def test_sample_is_speech_of_the_length_that_was_asked_for(one_step: Bundle) -> None:
    sample = sample_of(one_step, 1, "fp32", 90)

    assert sample.expected.shape == (1, 90, 300)
    assert sample.inputs[0].shape[2] == 90
    assert 0.01 < np.abs(sample.expected).max() < 2
    assert np.abs(sample.inputs[1]).max() > 0


@pytest.mark.gpu
def test_all_of_it_works_on_a_real_gpu(real_gpu: None) -> None:
    bundle, lines = Bundle.load(find_voice(DEFAULT_VOICE)), list[str]()

    passed = check_tensorrt(bundle, TensorrtEngine, lambda finding: lines.append(str(finding)))

    assert passed, "\n".join(lines)
