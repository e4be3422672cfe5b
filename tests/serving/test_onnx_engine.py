"""The onnxruntime engine on a tiny bundle: what reaches its graphs, and clear errors."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dlpo.bundle import Bundle, Precision, write_bundle
from dlpo.errors import EngineError
from dlpo.text import TextFrontEnd
from dlpo_serving.engines.onnx_engine import OnnxEngine
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesizer import Synthesizer
from dlpo_serving.voices import DEFAULT_VOICE, find_voice, open_voice

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
    code = "from dlpo_serving.engines.onnx_engine import import_onnxruntime as i; i()"
    # Where it would report, it says that it can't keep its name for this machine in such a home.
    environment = {"HOME": "/dev/null", "PATH": "/usr/bin"}

    quiet = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )

    assert "telemetry" not in quiet.stderr


CPU_PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")
LARGEST = 1e-4  # of full scale, in floating point
INT8_SHARE = 10 ** (-50 / 20)  # RMS of the deviation by the RMS of the speech
REQUESTS = (
    SpeechRequest("Fuzzy foxes fish.", speed=0.5, pitch_semitones=-6, seed=1),
    SpeechRequest("Is this the way to San Jose, or did we miss it? Yes.", speed=2.0, seed=2),
    SpeechRequest("Rain fell on the old stone bridge.", speed=0.8, pitch_semitones=6, seed=3),
)


def precisions(bundle: Path) -> list[Precision]:
    """Those of a CPU in which the default denoiser is there."""
    manifest = Bundle.load(bundle).manifest
    files = manifest.graphs[f"denoiser_{manifest.steps}"].files
    return [precision for precision in CPU_PRECISIONS if precision in files]


@pytest.fixture(scope="module", params=precisions(find_voice(DEFAULT_VOICE)))
def embedded(request: pytest.FixtureRequest) -> tuple[Precision, Synthesizer]:
    bundle = Bundle.load(find_voice(DEFAULT_VOICE))
    engine = OnnxEngine(bundle, request.param)
    return request.param, Synthesizer(engine, TextFrontEnd(bundle.manifest.dictionary))


def ladders(seed: int, count: int) -> list[tuple[int, ...]]:
    drawn = random.Random(seed)
    return [tuple(drawn.randint(1, 64) for _ in range(drawn.randint(1, 4))) for _ in range(count)]


def assert_chunks_equal_the_whole(
    synthesizer: Synthesizer, request: SpeechRequest, ladder: tuple[int, ...], precision: Precision
) -> None:
    whole = synthesizer.speak(request)
    pieces = [c.samples for c in synthesizer.stream(synthesizer.read(request), ladder)]
    deviation = np.concatenate(pieces) - whole

    assert len(pieces) > 1
    if precision == "int8":
        assert np.sqrt(np.mean(deviation**2)) <= INT8_SHARE * np.sqrt(np.mean(whole**2))
    else:
        assert np.abs(deviation).max() <= LARGEST


@pytest.mark.parametrize("request_", REQUESTS)
def test_chunks_of_the_embedded_voice_equal_the_whole(
    embedded: tuple[Precision, Synthesizer], request_: SpeechRequest
) -> None:
    precision, synthesizer = embedded
    for ladder in ladders(seed=request_.seed, count=2):
        assert_chunks_equal_the_whole(synthesizer, request_, ladder, precision)


def test_chunks_of_an_untrained_voice_equal_the_whole(tiny_bundle: Path) -> None:
    bundle = Bundle.load(tiny_bundle)
    for precision in precisions(tiny_bundle):
        synthesizer = Synthesizer(OnnxEngine(bundle, precision), TextFrontEnd())
        for ladder in ladders(seed=4, count=3):
            assert_chunks_equal_the_whole(synthesizer, REQUESTS[1], ladder, precision)


def test_chunks_of_a_voice_that_draws_its_pitch_equal_the_whole(drawing_bundle: Path) -> None:
    bundle = Bundle.load(drawing_bundle)
    synthesizer = Synthesizer(OnnxEngine(bundle, "fp32"), TextFrontEnd())
    for ladder in ladders(seed=5, count=3):
        assert_chunks_equal_the_whole(synthesizer, REQUESTS[1], ladder, "fp32")


def test_a_denoiser_in_8_bits_is_given_its_own_context(tiny_bundle: Path) -> None:
    manifest = Bundle.load(tiny_bundle).manifest
    bound = 2 * manifest.context_frames_per_step + 1

    assert manifest.context_frames(2) == manifest.needed_context["2"]
    assert manifest.context_frames(2, "int8") == manifest.needed_context_int8.get("2", bound)
    assert manifest.context_frames(2, "fp16") == manifest.context_frames(2)
