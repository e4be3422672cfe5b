"""A sentence whose words have a pace, a pitch and a volume of their own."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from dlpo.text import Sentence, TextFrontEnd
from dlpo_serving.engines.fake_engine import FRAMES_CONTEXT, FakeEngine
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesis.denoiser_input import DenoiserInput

TEXT = "It goes up, and down again, as long as you like it."
STEPS = 3
REQUEST = SpeechRequest(TEXT, speed=0.9, pitch_semitones=1)


def sentence_with(front_end: TextFrontEnd, **of_word: list[float]) -> Sentence:
    """The words of `TEXT`, each with the next of the values, over and over."""
    (sentence,) = front_end.process(TEXT).sentences
    words = tuple(
        replace(word, **{name: values[index % len(values)] for name, values in of_word.items()})
        for index, word in enumerate(sentence.words)
    )
    return replace(sentence, words=words)


def prepared(sentence: Sentence, request: SpeechRequest = REQUEST) -> DenoiserInput:
    return DenoiserInput(FakeEngine(), sentence, request, STEPS, 0)


def all_of(inputs: DenoiserInput) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Conditioning and source of the whole sentence."""
    window = inputs.window(0, inputs.frames)
    return window.conditioning, window.source


def test_speed_of_all_words_is_that_of_the_request(front_end: TextFrontEnd) -> None:
    asked = prepared(sentence_with(front_end), replace(REQUEST, speed=1.3))
    marked = prepared(sentence_with(front_end, speed=[1.3]), replace(REQUEST, speed=1.0))

    assert marked.timing == asked.timing
    for one, other in zip(all_of(asked), all_of(marked), strict=True):
        np.testing.assert_array_equal(one, other)


def test_pitch_of_all_words_is_that_of_the_request(front_end: TextFrontEnd) -> None:
    asked = prepared(sentence_with(front_end), replace(REQUEST, pitch_semitones=3))
    marked = prepared(sentence_with(front_end, pitch_semitones=[2]))

    for one, other in zip(all_of(asked), all_of(marked), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_slow_word_lasts_longer_and_no_other_does(front_end: TextFrontEnd) -> None:
    plain = sentence_with(front_end)
    slow = replace(
        plain, words=tuple(replace(w, speed=0.5 if w.word == "again" else 1) for w in plain.words)
    )

    lengths = [w.stop - w.start for w in prepared(plain).timing.words]
    slowed = [w.stop - w.start for w in prepared(slow).timing.words]

    index = [word.word for word in plain.words].index("again")
    assert slowed[index] == pytest.approx(2 * lengths[index], abs=600)  # a frame at each end
    others = [
        abs(a - b) for i, (a, b) in enumerate(zip(lengths, slowed, strict=True)) if i != index
    ]
    assert max(others) <= 300


def test_times_of_words_are_those_of_the_audio_at_any_speed(front_end: TextFrontEnd) -> None:
    sentence = sentence_with(front_end, speed=[0.5, 2.0, 1.0, 0.7])

    inputs = prepared(sentence, replace(REQUEST, speed=1.0))

    assert inputs.timing.samples == inputs.frames * 300
    edges = [edge for word in inputs.timing.words for edge in (word.start, word.stop)]
    assert edges == sorted(edges)
    conditioning, source = all_of(inputs)
    assert conditioning.shape[2] == source.shape[1] == inputs.frames
    assert np.isfinite(conditioning).all()


def test_frames_of_each_pitch_are_those_of_a_run_at_that_pitch(front_end: TextFrontEnd) -> None:
    pitches = [-2.0, 0.0, 3.0]
    asked: list[float] = []

    class Watched(FakeEngine):
        def frames(self, encoding, counts, start, stop, pitch_semitones):  # type: ignore[no-untyped-def]
            made = super().frames(encoding, counts, start, stop, pitch_semitones)
            asked.append(pitch_semitones)
            # Conditioning tells the pitch too, so that frames of a wrong run are seen.
            return replace(made, conditioning=made.conditioning + np.float32(pitch_semitones))

    def watched(sentence: Sentence) -> tuple[DenoiserInput, NDArray[np.float32]]:
        inputs = DenoiserInput(Watched(), sentence, REQUEST, STEPS, 0)
        return inputs, all_of(inputs)[0]

    inputs, conditioning = watched(sentence_with(front_end, pitch_semitones=pitches))
    assert set(asked) == {1 + pitch for pitch in pitches}
    starts = [0, *(word.start // 300 for word in inputs.timing.words[1:]), inputs.frames]
    for index, (start, stop) in enumerate(pairwise(starts)):
        alone = watched(sentence_with(front_end, pitch_semitones=[pitches[index % 3]]))[1]
        np.testing.assert_array_equal(conditioning[:, :, start:stop], alone[:, :, start:stop])


def test_plain_text_takes_one_run_for_each_block(front_end: TextFrontEnd) -> None:
    engine = FakeEngine()
    inputs = DenoiserInput(engine, sentence_with(front_end), REQUEST, STEPS, 0)
    runs = 0
    while inputs.missing_block(inputs.frames):
        before = inputs.missing_block(inputs.frames)
        inputs.compute_block()
        runs += 1
        assert before <= inputs.frames + 2 * FRAMES_CONTEXT
    assert engine.calls.count("frames") == runs == 3


def test_volume_is_none_where_nothing_changes(front_end: TextFrontEnd) -> None:
    assert prepared(sentence_with(front_end)).volume(0, 10) is None


def test_volume_follows_the_words(front_end: TextFrontEnd) -> None:
    inputs = prepared(sentence_with(front_end, volume_db=[0.0, -6.0, 6.0, float("-inf")]))
    gain = inputs.volume(0, inputs.frames)
    assert gain is not None

    middles = [(word.start + word.stop) // 2 for word in inputs.timing.words]

    expected = [1.0, 10 ** (-6 / 20), 10 ** (6 / 20), 0.0]
    assert gain[middles] == pytest.approx([expected[i % 4] for i in range(len(middles))], rel=1e-5)


def test_a_pitch_of_its_own_costs_a_word_no_more_than_the_context_around_it(
    front_end: TextFrontEnd,
) -> None:
    computed: list[int] = []

    class Watched(FakeEngine):
        def frames(self, encoding, counts, start, stop, pitch_semitones):  # type: ignore[no-untyped-def]
            computed.append(stop - start)
            return super().frames(encoding, counts, start, stop, pitch_semitones)

    sentence = sentence_with(front_end, pitch_semitones=[-2.0, 0.0, 1.0, 2.0])
    inputs = DenoiserInput(Watched(), sentence, REQUEST, STEPS, 0)
    inputs.window(0, inputs.frames)

    assert len(computed) <= len(sentence.words) + 3  # a block each, and where blocks end anyway
    assert sum(computed) <= inputs.frames + 2 * FRAMES_CONTEXT * len(computed)
