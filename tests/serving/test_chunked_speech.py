"""Chunks of a real voice equal the sentence made at once, in every precision that a CPU speaks."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from dlpo.bundle import Bundle, Precision
from dlpo.text import TextFrontEnd
from dlpo_serving.engines.onnx_engine import OnnxEngine
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesizer import Synthesizer
from dlpo_serving.voices import DEFAULT_VOICE, find_voice

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
