"""Times of words, phonemes and marks, and the gain of a sentence."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpo.text import Mark, Sentence, TextFrontEnd, Word
from dlpo_serving.synthesis.timing import Volume, per_symbol, sentence_timing

HOP_LENGTH = 300
SENTENCE = Sentence(
    "Hi, Bob!",
    "hi bob",
    (Word("hi", ("HH", "AY1"), ",", 0, 2), Word("bob", ("B", "AA1", "B"), "!", 4, 7)),
    marks=(Mark("start", 0), Mark("name", 1), Mark("end", 2)),
)
COUNTS = np.array([2, 1, 3, 4, 0, 5, 1, 6])  # ^ HH AY1 , B AA1 B !


def test_words_last_from_their_first_to_their_last_phoneme() -> None:
    timing = sentence_timing(SENTENCE, COUNTS, HOP_LENGTH)

    assert [(w.word, w.start, w.stop) for w in timing.words] == [
        ("hi", 600, 1800), ("bob", 3000, 4800),
    ]  # fmt: skip
    assert [(w.text_start, w.text_end) for w in timing.words] == [(0, 2), (4, 7)]
    assert timing.samples == 22 * HOP_LENGTH


def test_marks_stand_at_their_word_or_at_the_end() -> None:
    marks = sentence_timing(SENTENCE, COUNTS, HOP_LENGTH).marks

    assert [(m.name, m.sample) for m in marks] == [("start", 600), ("name", 3000), ("end", 6600)]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 9), min_size=60, max_size=60), st.integers(1, 500))
def test_times_are_those_of_the_symbols_one_by_one(numbers: list[int], hop_length: int) -> None:
    sentence = FRONT_END.process("The quick, brown fox jumps over it: why not?").sentences[0]
    counts = np.array(numbers[: len(sentence.symbol_ids())])
    place = counts[0] * hop_length  # an independent walk over the row of symbols
    remaining = iter(counts[1:])
    expected, pauses = [], [counts[0] * hop_length]
    for word in sentence.words:
        for phoneme in word.phonemes:
            stop = place + next(remaining) * hop_length
            expected.append((phoneme, place, stop))
            place = stop
        pauses.append(next(remaining) * hop_length)
        place += pauses[-1]

    timing = sentence_timing(sentence, counts, hop_length)

    found = [phoneme for word in timing.words for phoneme in word.phonemes]
    assert [(p.phoneme, p.start, p.stop) for p in found] == expected
    assert sum(p.stop - p.start for p in found) + sum(pauses) == timing.samples == place


FRONT_END = TextFrontEnd()


def test_a_value_of_a_word_holds_for_its_phonemes_and_its_mark() -> None:
    words = (SENTENCE.words[0], replace(SENTENCE.words[1], speed=2.0))
    assert per_symbol(replace(SENTENCE, words=words), "speed").tolist() == [1, 1, 1, 1, 2, 2, 2, 2]


def test_gain_is_constant_but_for_short_ramps() -> None:
    level_db = np.array([0.0] * 4 + [-20.0] * 4 + [-math.inf] * 4)
    volume = Volume(level_db, HOP_LENGTH, 22_050)

    gain = volume.gain(0, 12)

    assert gain.dtype == np.float32
    assert gain.shape == (12 * HOP_LENGTH,)
    near = 60  # samples: half a ramp of 5 ms
    np.testing.assert_allclose(gain[: 1200 - near], 1)
    np.testing.assert_allclose(gain[1200 + near : 2400 - near], 0.1, rtol=1e-6)
    np.testing.assert_array_equal(gain[2400 + near :], 0)
    assert np.abs(np.diff(gain)).max() < 0.9 / 100  # no click


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([0.0, -6.0, 6.0, -math.inf]), min_size=1, max_size=20),
    st.integers(0, 20),
    st.sampled_from([(300, 22_050), (1, 22_050), (64, 48_000)]),
)
def test_gain_does_not_depend_on_how_it_is_cut(
    levels: list[float], at: int, sizes: tuple[int, int]
) -> None:
    volume = Volume(np.array(levels), *sizes)
    at = min(at, len(levels))

    whole = volume.gain(0, len(levels))

    parts = np.concatenate([volume.gain(0, at), volume.gain(at, len(levels))])
    np.testing.assert_array_equal(parts, whole)
    linear = [10 ** (level / 20) for level in levels]
    assert whole.min() >= np.float32(min(linear))
    assert whole.max() <= np.float32(max(linear))


def test_gain_reaches_every_level_midway_through_a_frame() -> None:
    levels = np.array([0.0, -6.0, 0.0, 6.0])

    gain = Volume(levels, HOP_LENGTH, 22_050).gain(0, 4)

    assert gain[HOP_LENGTH // 2 :: HOP_LENGTH] == pytest.approx(10 ** (levels / 20), rel=1e-6)
