"""The onnxruntime engine on a tiny bundle: what reaches its graphs, and clear errors."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dlpo.bundle import Bundle, write_bundle
from dlpo.errors import EngineError
from dlpo_serving.engines.onnx_engine import OnnxEngine
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesizer import Synthesizer
from dlpo_serving.voices import open_voice

TEXT = "Noise becomes speech, step by step. Is it not strange?"


@pytest.fixture(scope="module")
def speaker(tiny_bundle: Path) -> Synthesizer:
    return open_voice(tiny_bundle)


def test_noise_and_prosody_reach_the_graphs(speaker: Synthesizer) -> None:
    audio = speaker.speak(SpeechRequest(TEXT))

    for other in (SpeechRequest(TEXT, seed=1), SpeechRequest(TEXT, pitch_semitones=3)):
        assert np.abs(speaker.speak(other) - audio).max() > 1e-6


def test_a_graph_that_is_no_onnx_is_an_engine_error(
    speaker: Synthesizer, tiny_bundle: Path, tmp_path: Path
) -> None:
    content = shutil.copytree(tiny_bundle, tmp_path / "content")
    (content / "voice.json").unlink()
    (content / "encoder.onnx").write_bytes(b"not a graph")
    bundle = write_bundle(tmp_path / "broken", speaker.manifest, content)

    with pytest.raises(EngineError, match=r"encoder\.onnx: onnxruntime can't load it"):
        OnnxEngine(Bundle.load(bundle))


def test_a_run_that_fails_is_an_engine_error(tiny_bundle: Path) -> None:
    engine = OnnxEngine(Bundle.load(tiny_bundle))
    wrong = np.zeros((1, 3, 7), np.float32)

    with pytest.raises(EngineError, match="denoiser_2: onnxruntime failed on"):
        engine.denoise(2, wrong, wrong, wrong[None])


def test_frames_computed_in_blocks_equal_those_of_the_whole_sentence(tiny_bundle: Path) -> None:
    engine = OnnxEngine(Bundle.load(tiny_bundle))
    context = engine.manifest.frames_context
    assert context is not None
    encoding = engine.encode(np.arange(2, 42)[None])
    counts = np.full(40, 3)

    whole = engine.frames(encoding, counts, 0, 120, 0.0)
    block = engine.frames(encoding, counts, 50 - context, 70 + context, 0.0)

    inside = slice(context, context + 20)
    for made, expected in ((block.conditioning, whole.conditioning), (block.f0, whole.f0)):
        np.testing.assert_allclose(made[..., inside], expected[..., 50:70], rtol=1e-4, atol=1e-5)


def test_a_graph_is_given_only_the_inputs_that_it_has(tiny_bundle: Path) -> None:
    class PitchlessSession:
        def get_inputs(self) -> list[SimpleNamespace]:
            return [SimpleNamespace(name="hidden"), SimpleNamespace(name="positions")]

        def run(self, outputs: list[str], feed: dict[str, np.ndarray]) -> list[np.ndarray]:
            assert outputs == ["conditioning", "f0"]
            return [feed.pop("hidden"), feed.pop("positions"), *feed.values()]

    engine = OnnxEngine(Bundle.load(tiny_bundle))
    encoding = engine.encode(np.arange(2, 12)[None])
    engine._sessions["frames"] = PitchlessSession()

    frames = engine.frames(encoding, np.ones(10, np.int64), 3, 5, 0.0)

    np.testing.assert_array_equal(frames.conditioning, encoding.hidden)
    np.testing.assert_array_equal(frames.f0, [3.5, 4.5])


def test_onnxruntime_tells_nobody_of_its_use() -> None:
    code = "from dlpo_serving.engines.onnx_session import import_onnxruntime as i; i()"
    # Where it would report, it says that it can't keep its name for this machine in such a home.
    environment = {"HOME": "/dev/null", "PATH": "/usr/bin"}

    quiet = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )

    assert "telemetry" not in quiet.stderr
