"""`dlpo export --check-tensorrt`: all of it on a simulated machine, clear lines elsewhere."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import numpy as np
import pytest

from dlpo.bundle import DEFAULT_VOICE, Bundle
from dlpo.nvidia import Finding
from dlpo_export.tensorrt.check import check_tensorrt, sample_of
from dlpo_serving.engines.tensorrt_engine import TensorrtEngine
from dlpo_serving.voices import find_voice
from tests.nvidia.nvidia_fake import FakeNvidia


@pytest.fixture(scope="module")
def voice(embedded_fp32: Bundle) -> Bundle:
    """One step only."""
    manifest = embedded_fp32.manifest
    graphs = {name: manifest.graphs[name] for name in ("encoder", "frames", "denoiser_1")}
    manifest = dataclasses.replace(manifest, graphs=graphs, steps=1)
    return dataclasses.replace(embedded_fp32, manifest=manifest)


def check(bundle: Bundle, engine: Any = TensorrtEngine) -> tuple[bool, dict[str, Finding]]:
    found: list[Finding] = []
    passed = check_tensorrt(bundle, engine, found.append)
    return passed, {finding.subject: finding for finding in found}


def test_machine_where_all_works_passes(nvidia: FakeNvidia, voice: Bundle) -> None:
    passed, found = check(voice)

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
    voice: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tensorrt", "tensorrt_bindings", "cuda.bindings.runtime"):
        monkeypatch.setitem(sys.modules, name, None)

    passed, found = check(voice)

    assert not passed
    assert found["GPU"].state == found["TensorRT"].state == "failed"
    assert "pip install" in found["GPU"].detail
    assert "--extra-index-url https://pypi.nvidia.com" in found["TensorRT"].detail
    assert found["parse"].state == found["engine in fp32"].state == "skipped"


@pytest.mark.parametrize("factor", [1.01, np.nan])
def test_engine_that_computes_something_else_fails_the_check(
    nvidia: FakeNvidia, voice: Bundle, factor: float
) -> None:
    class Wrong(TensorrtEngine):
        def denoise(self, *arguments: Any) -> Any:
            return factor * super().denoise(*arguments)

    passed, found = check(voice, Wrong)

    assert not passed
    assert found["run in fp32 with CUDA graphs"].state == "failed"


def test_sample_is_speech_of_the_length_that_was_asked_for(voice: Bundle) -> None:
    sample = sample_of(voice, 1, "fp32", 90)

    assert sample.expected.shape == (1, 90, 300)
    assert sample.inputs[0].shape[2] == 90
    assert 0.01 < np.abs(sample.expected).max() < 2
    assert np.abs(sample.inputs[1]).max() > 0


@pytest.mark.gpu
def test_all_of_it_works_on_a_real_gpu(real_gpu: None) -> None:
    bundle, lines = Bundle.load(find_voice(DEFAULT_VOICE)), list[str]()

    passed = check_tensorrt(bundle, TensorrtEngine, lambda finding: lines.append(str(finding)))

    assert passed, "\n".join(lines)
