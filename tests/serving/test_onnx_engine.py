"""The onnxruntime engine on a tiny bundle: what reaches its graphs, and clear errors."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnxruntime import InferenceSession

from dlpo.bundle import Bundle, Precision
from dlpo.text import TextFrontEnd
from dlpo_serving.engines.onnx_engine import OnnxEngine, open_session
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import find_voice, open_voice
from dlpo_serving.voices.synthesizer import Synthesizer

TEXT = "Noise becomes speech, step by step. Is it not strange?"
LARGEST = 1e-4  # of full scale, in floating point
INT8_SHARE = 10 ** (-50 / 20)  # RMS of the deviation by the RMS of the speech
REQUESTS = (
    SpeechRequest("Fuzzy foxes fish.", speed=0.5, pitch_semitones=-6, seed=1),
    SpeechRequest("Is this the way to San Jose, or did we miss it? Yes.", speed=2.0, seed=2),
    SpeechRequest("Rain fell on the old stone bridge.", speed=0.8, pitch_semitones=6, seed=3),
)


@pytest.fixture(scope="module")
def speaker(tiny_bundle: Path) -> Synthesizer:
    return open_voice(tiny_bundle)


def test_noise_and_prosody_reach_the_graphs(speaker: Synthesizer) -> None:
    audio = speaker.speak(SpeechRequest(TEXT))

    for other in (SpeechRequest(TEXT, seed=1), SpeechRequest(TEXT, pitch_semitones=3)):
        assert np.abs(speaker.speak(other) - audio).max() > 1e-6


def test_a_graph_is_given_only_the_inputs_that_it_has(tiny_bundle: Path) -> None:
    class PitchlessSession:
        def run(self, outputs: list[str], feed: dict[str, np.ndarray]) -> list[np.ndarray]:
            assert outputs == ["conditioning", "f0"]
            return [feed.pop("hidden"), feed.pop("positions"), *feed.values()]

    engine = OnnxEngine(Bundle.load(tiny_bundle))
    encoding = engine.encode(np.arange(2, 12)[None])
    session: Any = PitchlessSession()
    engine._loaded["frames"] = session, ["hidden", "positions"], ["conditioning", "f0"]

    frames = engine.frames(encoding, np.ones(10, np.int64), 3, 5, 0.0)

    np.testing.assert_array_equal(frames.conditioning, encoding.hidden)
    np.testing.assert_array_equal(frames.f0, [3.5, 4.5])


def test_graphs_that_ask_for_it_are_rewritten(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, bool] = {}

    def opened(path: Path, *, optimise: bool) -> InferenceSession:
        asked[path.name.split(".")[0]] = optimise
        return open_session(path, optimise=optimise)

    monkeypatch.setattr("dlpo_serving.engines.onnx_engine.open_session", opened)
    bundle = Bundle.load(tiny_bundle)
    OnnxEngine(bundle, "fp32")
    # The frames graph has grouped convolutions, the encoder none.
    assert asked == {"encoder": False, "frames": True, f"denoiser_{bundle.manifest.steps}": True}


def test_onnxruntime_telemetry_is_off() -> None:
    code = "from dlpo_serving.engines.onnx_engine import import_onnxruntime as i; i()"
    # Where it would report, it says that it can't keep its name for this machine in such a home.
    environment = {"HOME": "/dev/null", "PATH": "/usr/bin"}

    quiet = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )

    assert "telemetry" not in quiet.stderr


@pytest.mark.parametrize(
    ("voice", "precision", "wanted"),
    [
        *(("lj", precision, wanted) for precision in ("fp32", "int8") for wanted in REQUESTS),
        ("tiny", "fp32", REQUESTS[1]),  # untrained
        ("drawing", "fp32", REQUESTS[1]),  # its pitch
    ],
)
def test_chunks_of_any_ladder_equal_the_whole(
    voice: str, precision: Precision, wanted: SpeechRequest, request: pytest.FixtureRequest
) -> None:
    path = find_voice(voice) if voice == "lj" else request.getfixturevalue(f"{voice}_bundle")
    bundle = Bundle.load(path)
    synthesizer = Synthesizer(
        OnnxEngine(bundle, precision), TextFrontEnd(bundle.manifest.dictionary)
    )
    whole = synthesizer.speak(wanted)
    drawn = random.Random(wanted.seed)
    for _ in range(2):
        ladder = [drawn.randint(1, 64) for _ in range(drawn.randint(1, 4))]
        pieces = [c.samples for c in synthesizer.stream(synthesizer.read(wanted), ladder)]
        deviation = np.concatenate(pieces) - whole
        assert len(pieces) > 1
        if precision == "int8":
            assert np.sqrt(np.mean(deviation**2)) <= INT8_SHARE * np.sqrt(np.mean(whole**2))
        else:
            assert np.abs(deviation).max() <= LARGEST
