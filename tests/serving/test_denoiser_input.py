"""Sentences as windows: how they are cut, the pace and pitch of words, the harmonic source."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dlpo.audio import harmonic_source
from dlpo.text import Sentence, TextFrontEnd
from dlpo_serving.engines.fake_engine import FRAMES_CONTEXT, FakeEngine
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesis.denoiser_input import (
    LOOKAHEAD,
    DenoiserInput,
    HarmonicSource,
    cut,
    sizes_of,
)

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


@pytest.mark.parametrize(
    ("asked", "beside", "of_words"),
    [
        ({"speed": 1.3}, {"speed": 1.0}, {"speed": [1.3]}),
        ({"pitch_semitones": 3}, {}, {"pitch_semitones": [2]}),
    ],
)
def test_prosody_of_all_words_is_that_of_the_request(
    front_end: TextFrontEnd,
    asked: dict[str, float],
    beside: dict[str, float],
    of_words: dict[str, list[float]],
) -> None:
    one = prepared(sentence_with(front_end), replace(REQUEST, **asked))
    other = prepared(sentence_with(front_end, **of_words), replace(REQUEST, **beside))

    assert one.timing == other.timing
    for expected, made in zip(all_of(one), all_of(other), strict=True):
        np.testing.assert_array_equal(made, expected)


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


ladders = st.lists(st.integers(1, 70), min_size=1, max_size=5)


@given(frames=st.integers(1, 3000), context=st.integers(0, 60), ladder=ladders)
def test_chunks_cover_the_sentence_once_and_in_order(
    frames: int, context: int, ladder: list[int]
) -> None:
    chunks = list(cut(frames, context, sizes_of(ladder)))

    covered = [frame for chunk in chunks for frame in range(chunk.start, chunk.stop)]
    assert covered == list(range(frames))


@given(frames=st.integers(1, 3000), context=st.integers(0, 60), ladder=ladders)
def test_windows_have_full_context_except_at_the_ends_of_the_sentence(
    frames: int, context: int, ladder: list[int]
) -> None:
    for chunk in cut(frames, context, sizes_of(ladder)):
        assert chunk.window_start == chunk.start - context or chunk.window_start == 0
        assert chunk.window_stop == chunk.stop + context or chunk.window_stop == frames
        assert 0 <= chunk.window_start <= chunk.start < chunk.stop <= chunk.window_stop <= frames


def test_the_last_rung_repeats() -> None:
    assert list(islice(sizes_of([8, 16, 32]), 5)) == [8, 16, 32, 32, 32]


def test_a_small_rest_joins_the_last_chunk() -> None:
    stops = [chunk.stop for chunk in cut(34, 5, sizes_of([10]))]

    assert stops == [10, 20, 34]


def test_sizes_run_on_from_one_sentence_to_the_next() -> None:
    sizes = sizes_of([5, 50])
    first = list(cut(5, 0, sizes))
    second = list(cut(50, 0, sizes))

    assert [chunk.stop for chunk in first] == [5]
    assert [chunk.stop for chunk in second] == [50]


HOP, RATE = 300, 22_050


def whole(f0: np.ndarray) -> np.ndarray:
    return HarmonicSource(HOP, RATE).extend(f0, len(f0))


def contour(voiced: list[bool]) -> np.ndarray:
    track = 180 + 40 * np.sin(np.arange(len(voiced)) / 9)
    return np.where(voiced, track, 0).astype(np.float32)


@given(
    voiced=st.lists(st.booleans(), min_size=2, max_size=60),
    cuts=st.lists(st.integers(1, 59), max_size=6),
)
def test_pieces_joined_equal_the_whole(voiced: list[bool], cuts: list[int]) -> None:
    f0 = contour(voiced)
    stops = [*sorted({cut for cut in cuts if cut < len(f0)}), len(f0)]
    source = HarmonicSource(HOP, RATE)

    pieces = [source.extend(f0[: stop + LOOKAHEAD], stop) for stop in stops]

    np.testing.assert_allclose(np.concatenate(pieces), whole(f0), atol=1e-6)


def test_where_the_voice_never_pauses_it_is_the_source_of_training() -> None:
    f0 = contour([True] * 50)

    np.testing.assert_allclose(whole(f0), harmonic_source(f0), atol=1e-4)


def test_unvoiced_frames_are_silent() -> None:
    source = whole(contour([True] * 5 + [False] * 5 + [True] * 5)).reshape(15, HOP)

    assert not source[6:9].any()
    assert source[:5].any(axis=1).all()
    assert source[10:].any(axis=1).all()


@pytest.mark.parametrize("onset_hz", [100.0, 300.0])
def test_a_voice_sets_in_at_its_own_pitch(onset_hz: float) -> None:
    f0 = np.array([200.0] * 5 + [0.0] * 5 + [onset_hz] * 40, np.float32)

    tail = whole(f0)[10 * HOP :]

    spectrum = np.abs(np.fft.rfft(tail * np.hanning(len(tail))))
    fundamental = spectrum[: int(1.5 * onset_hz * len(tail) / RATE)].argmax() * RATE / len(tail)
    assert abs(fundamental - onset_hz) < 2
