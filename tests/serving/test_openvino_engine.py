"""OpenVINO: near to the other engine in bf16, equal in fp32, and silent towards its makers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dlpo.bundle import Bundle
from dlpo.errors import EngineError, MissingExtraError
from dlpo_serving.engines import openvino_engine
from dlpo_serving.engines.openvino_engine import OpenVinoEngine, import_openvino
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import open_voice

TEXT = "Noise becomes speech, step by step."


@pytest.fixture(scope="module", autouse=True)
def _needs_openvino() -> None:
    try:
        import_openvino()
    except MissingExtraError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def computes_in_bf16() -> None:
    capabilities = import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if "BF16" not in capabilities:
        pytest.skip("this CPU does not compute in bf16")


def test_fp32_speaks_as_onnxruntime_does(tiny_bundle: Path) -> None:
    audio = open_voice(tiny_bundle, "openvino", "fp32").speak(SpeechRequest(TEXT))

    expected = open_voice(tiny_bundle, "cpu", "fp32").speak(SpeechRequest(TEXT))
    np.testing.assert_allclose(audio, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.usefixtures("computes_in_bf16")
def test_bf16_is_the_default_and_near_to_fp32(tiny_bundle: Path) -> None:
    audio = open_voice(tiny_bundle, "openvino").speak(SpeechRequest(TEXT))

    expected = open_voice(tiny_bundle, "cpu", "fp32").speak(SpeechRequest(TEXT))
    error = np.sqrt(np.mean((audio - expected) ** 2) / np.mean(expected**2))
    assert 1e-5 < error < 0.02  # bfloat16 has 8 bits; 0 would be fp32 after all


def test_a_run_leaves_what_an_earlier_one_returned(tiny_bundle: Path) -> None:
    engine = OpenVinoEngine(Bundle.load(tiny_bundle), "fp32")
    rng = np.random.default_rng(4)
    windows = [
        [rng.standard_normal(shape, np.float32) for shape in ((1, 16, 9), (1, 9, 300))]
        for _ in range(2)
    ]
    noise = rng.standard_normal((1, 1, 9, 300), np.float32)
    first = engine.denoise(2, *windows[0], noise)
    kept = first.copy()

    engine.denoise(2, *windows[1], noise)

    np.testing.assert_array_equal(first, kept)


def test_a_cpu_without_bf16_is_refused_with_a_way_out() -> None:
    class OldCpu:
        def get_property(self, device: str, name: str) -> list[str]:
            return ["FP32", "INT8"]

    with pytest.raises(EngineError, match=r"FP32, INT8.*--precision fp32"):
        openvino_engine._check_bf16(OldCpu())  # type: ignore[arg-type]


def test_loading_it_reports_nothing_over_the_network(tiny_bundle: Path) -> None:
    code = (
        "import sys\n"
        "asked = []\n"
        "names = ('socket.connect', 'socket.getaddrinfo', 'socket.sendto')\n"
        "sys.addaudithook(lambda event, _: asked.append(event) if event in names else None)\n"
        "from dlpo_serving.voices import open_voice\n"
        f"open_voice({str(tiny_bundle)!r}, 'openvino', 'fp32')\n"
        "import threading\n"
        "for thread in threading.enumerate():\n"
        "    thread is threading.main_thread() or thread.join(20)\n"
        "sys.exit(bool(asked or 'openvino_telemetry' in sys.modules))"
    )

    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
