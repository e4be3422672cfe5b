"""From text or SSML to audio with the fake engine: exact chunks, seeds, bad requests."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from dlpo.audio import Waveform
from dlpo.errors import BundleError
from dlpo_serving.errors import RequestError
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesis.chunks import STREAM_LADDER
from dlpo_serving.synthesis.denoiser_input import NEXT_BLOCKS
from dlpo_serving.synthesis.harmonic_source import LOOKAHEAD
from dlpo_serving.synthesis.level import CEILING, FADE_S, KNEE, LevelShaper, limited
from dlpo_serving.synthesis.pauses import SENTENCE_PAUSE_S
from dlpo_serving.voices.synthesizer import Synthesizer
from tests.callers import fake_voice
from tests.fake_engine import CONTEXT, FRAMES_CONTEXT, FakeEngine

TEXT = "Noise becomes speech, step by step. Is it not strange? It is number 23!"
RATE = 22_050
FADE = round(FADE_S * RATE)


def test_windows_have_the_context_that_the_engine_asks_for() -> None:
    engine = FakeEngine()
    engine.context_frames = lambda steps: engine.manifest.context_frames(steps) + 5
    engine.denoise = Mock(wraps=engine.denoise)
    synthesizer = fake_voice(engine)
    next(synthesizer.stream(synthesizer.read(SpeechRequest(TEXT)), (8,)))
    (call,) = engine.denoise.call_args_list
    assert call.args[2].shape[1] == 8 + 3 * CONTEXT + 1 + 5


def test_each_sentence_has_its_own_noise_and_a_pause(synthesizer: Synthesizer) -> None:
    one = synthesizer.speak(SpeechRequest("Go home."))
    two = synthesizer.speak(SpeechRequest("Go home. Go home."))
    other = synthesizer.speak(SpeechRequest("Go home. Go home.", seed=1))

    pause = round(SENTENCE_PAUSE_S * 22_050)
    assert len(two) == 2 * len(one) + pause
    assert not two[len(one) : len(one) + pause].any()
    assert np.abs(two[: len(one)] - two[-len(one) :]).max() > 0.01
    assert np.abs(two - other).max() > 0.01
    np.testing.assert_array_equal(two, synthesizer.speak(SpeechRequest("Go home. Go home.")))


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"speed": math.nan}, "speed"),
        ({"pitch_semitones": -7}, "pitch_semitones"),
        ({"seed": -1}, "seed"),
        ({"steps": 2}, "steps"),
        ({"dictionary": {"dlpo": "D XX"}}, "dictionary"),
        ({"text": "?!... --"}, "text"),
        ({"text": "你好"}, "text"),
    ],
)
def test_a_bad_request_names_its_field(
    synthesizer: Synthesizer, values: dict[str, Any], field: str
) -> None:
    with pytest.raises(RequestError) as caught:
        synthesizer.read(SpeechRequest(**{"text": TEXT} | values))

    assert [violation.field for violation in caught.value.violations] == [field]


def test_a_voice_with_other_symbols_is_refused() -> None:
    engine = FakeEngine()
    engine.manifest = replace(engine.manifest, symbols=("a", "b"))

    with pytest.raises(BundleError, match="export it again"):
        fake_voice(engine)


def test_first_chunk_computes_only_the_frames_it_needs() -> None:
    engine = FakeEngine()
    engine.frames = Mock(wraps=engine.frames)
    synthesizer = fake_voice(engine)
    chunks = synthesizer.stream(synthesizer.read(SpeechRequest("A long sentence " * 10)))

    def asked() -> list[tuple[int, int]]:
        return [call.args[2:4] for call in engine.frames.call_args_list]

    next(chunks)
    first_block = 3 * CONTEXT + 1 + STREAM_LADDER[0] + LOOKAHEAD
    assert asked() == [(0, first_block + FRAMES_CONTEXT)]
    next(chunks)
    second_block = first_block + NEXT_BLOCKS[0]  # a small one: the second chunk is awaited too
    assert asked()[1:] == [(first_block - FRAMES_CONTEXT, second_block + FRAMES_CONTEXT)]
    list(chunks)
    assert asked()[2][0] == second_block - FRAMES_CONTEXT


@pytest.mark.parametrize("context", [FRAMES_CONTEXT, None])  # None: the voice doesn't tell
@pytest.mark.parametrize("speed", [0.5, 1.0, 2.0])
def test_the_first_chunk_takes_one_run_of_frames_at_any_speed(
    speed: float, context: int | None
) -> None:
    engine = FakeEngine()
    engine.manifest = replace(engine.manifest, frames_context=context)
    synthesizer = fake_voice(engine)
    chunks = synthesizer.stream(synthesizer.read(SpeechRequest("Many words " * 19, speed=speed)))

    next(chunks)
    assert engine.calls.count("frames") == 1
    list(chunks)
    assert (engine.calls.count("frames") == engine.calls.count("encoder")) == (context is None)


@pytest.mark.parametrize("speed", [0.5, 0.7, 1.4, 2.0])
@pytest.mark.parametrize("text", ["A", "Oh!", "Thank you.", "I am; you are."])
def test_short_texts_last_as_long_as_the_speed_says(
    synthesizer: Synthesizer, text: str, speed: float
) -> None:
    plain = len(synthesizer.speak(SpeechRequest(text)))

    assert len(synthesizer.speak(SpeechRequest(text, speed=speed))) * speed == pytest.approx(
        plain, abs=300 * max(speed, 1)
    )


@pytest.fixture
def speech() -> Waveform:
    return np.random.default_rng(3).normal(0, 0.5, 6000).astype(np.float32)


def test_cutting_changes_no_bit(speech: Waveform) -> None:
    shaper = LevelShaper(1.7, RATE)
    whole = shaper.apply(speech, first=True, last=True)
    for cuts in ([2400], [300, 900, 5700], [601, 602, 1777, 5000]):
        pieces = np.split(speech, cuts)
        ends = range(len(pieces))
        joined = [
            shaper.apply(piece, first=i == 0, last=i == ends[-1]) for i, piece in enumerate(pieces)
        ]
        np.testing.assert_array_equal(np.concatenate(joined), whole)


def test_limiter_is_smooth_and_exact_below_its_knee() -> None:
    loud = np.float32([0.9, 1, -1, 10, -1e6, 1e38, -3e38])
    assert (np.abs(limited(loud)) <= np.float32(CEILING)).all()
    assert (np.sign(limited(loud)) == np.sign(loud)).all()

    soft = np.linspace(-KNEE, KNEE, 1001, dtype=np.float32)[1:-1]
    np.testing.assert_array_equal(limited(soft), soft)

    rising = np.linspace(0, 4, 40_001)
    slope = np.diff(limited(rising.astype(np.float32)).astype(np.float64)) / np.diff(rising)
    assert (slope > 0).all()
    assert slope.max() < 1.01
    assert slope[np.abs(rising[1:] - KNEE) < 0.002].min() > 0.96


def test_both_ends_fade_and_the_middle_stays() -> None:
    flat = np.full(2000, 0.5, np.float32)
    shaped = LevelShaper(1.0, RATE).apply(flat, first=True, last=True)

    assert shaped[0] < 1e-3
    assert shaped[-1] < 1e-3
    assert (np.diff(shaped[:FADE]) > 0).all()
    assert (np.diff(shaped[-FADE:]) < 0).all()
    np.testing.assert_array_equal(shaped[FADE:-FADE], flat[FADE:-FADE])
    for length in (0, 1, 50):  # shorter than a fade
        short = LevelShaper(1.0, RATE).apply(np.ones(length, np.float32), first=True, last=True)
        assert len(short) == length
        assert (short < 0.5).all()


def speak(synthesizer: Synthesizer, inside: str, **settings: float) -> np.ndarray:
    request = SpeechRequest(f"<speak>{inside}</speak>", **{"ssml": True, **settings})  # type: ignore[arg-type]
    return synthesizer.speak(request)


def test_prosody_around_everything_is_that_of_the_request(synthesizer: Synthesizer) -> None:
    inside = "<prosody rate='120%' pitch='+2st'>Noise becomes speech.</prosody>"

    audio = speak(synthesizer, inside)

    asked = SpeechRequest("Noise becomes speech.", speed=1.2, pitch_semitones=2)
    np.testing.assert_array_equal(audio, synthesizer.speak(asked))


def test_chunks_joined_equal_the_whole_whatever_is_marked(synthesizer: Synthesizer) -> None:
    document = (
        "<speak>One <prosody pitch='high' volume='soft'>two <emphasis>three</emphasis></prosody>"
        " four<break time='50ms'/> five"
        " <prosody rate='x-slow' volume='silent'>six</prosody></speak>"
    )
    request = SpeechRequest(document, ssml=True)

    chunks = [c.samples for c in synthesizer.stream(synthesizer.read(request), (3, 11, 20))]

    np.testing.assert_allclose(np.concatenate(chunks), synthesizer.speak(request), atol=1e-6)


def test_breaks_last_as_long_as_they_say(synthesizer: Synthesizer) -> None:
    alone = len(speak(synthesizer, "Go home."))

    audio = speak(synthesizer, "<break time='1s'/>Go home.<break time='2s'/>", speed=1.0)

    assert len(audio) == alone + 3 * RATE
    assert not audio[:RATE].any()
    assert not audio[-2 * RATE :].any()


@pytest.mark.parametrize(
    ("settings", "inside"),
    [
        ({"speed": 1.5}, "<prosody rate='150%'>fast</prosody>"),
        ({"speed": 0.6}, "<prosody rate='x-slow'>slow</prosody>"),
        ({"pitch_semitones": 5}, "<prosody pitch='+2st'>high</prosody>"),
    ],
)
def test_request_and_ssml_together_respect_voice_limits(
    synthesizer: Synthesizer, settings: dict[str, float], inside: str
) -> None:
    speak(synthesizer, inside)
    with pytest.raises(RequestError, match=r"line 1, column 8: <prosody>: .* of the request's own"):
        speak(synthesizer, inside, ssml="strict", **settings)


def test_emphasis_gives_way_to_what_the_voice_can_do(synthesizer: Synthesizer) -> None:
    audio = speak(synthesizer, "<emphasis level='strong'>slow</emphasis>", speed=0.5)

    assert audio.any()


def test_phonemes_in_a_text_are_said_in_its_place() -> None:
    text = "Say [Kokoro](/kˈOkəɹO/), [dear world](/dˈɪɹ wˈɜɹld/)! See [this](/path/) too."
    read = fake_voice().read(SpeechRequest(text))
    words = [word for sentence in read.sentences for word in sentence.words]
    assert words[1].phonemes == ("K", "OW1", "K", "AH0", "R", "OW0")
    assert [text[word.start : word.end] for word in words] == [
        "Say", "Kokoro", "dear", "world", "See", "this", "too"
    ]  # fmt: skip
    assert [words[1].mark, words[3].mark] == [",", "!"]
    assert read.warnings == ("not spoken: /path/",)  # a link
