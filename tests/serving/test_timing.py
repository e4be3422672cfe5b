"""How long symbols last at a speed, when words and marks are heard, and the gain of a sentence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dlpo.errors import EngineError
from dlpo.text import TextFrontEnd
from dlpo_serving.synthesis.timing import (
    SHORTEST_SOUND,
    SLOWEST_SOUNDS,
    DurationWarp,
    Volume,
    paced,
    sentence_timing,
    whole_frames,
    with_end,
)

SPEEDS = st.floats(0.5, 2.0)
# Three words: ^ a b , c . d e !
MARKS = np.array([True, False, False, True, False, True, False, False, True])
END = 4  # least frames of the last symbol
DURATIONS = np.array([0, 4.2, 11.3, 14.6, 8.1, 0, 2.2, 9.4, 4.4], np.float32)
lengths = st.lists(st.floats(0, 40, width=32), min_size=9, max_size=9).map(
    lambda values: np.array(values, np.float32)
)
HOP_LENGTH = 300
FRONT_END = TextFrontEnd()


def at(
    speed: float, durations: NDArray[np.float32] = DURATIONS, marks: NDArray[np.bool_] = MARKS
) -> NDArray[np.float64]:
    return paced(durations, marks, np.full(len(durations), speed))


def pace(speed: float, durations: NDArray[np.float32] = DURATIONS) -> DurationWarp:
    marks, speeds = MARKS[: len(durations)], np.full(len(durations), speed)
    return DurationWarp.at(durations, marks, speeds, END)


@settings(deadline=None)
@given(lengths, SPEEDS)
def test_a_speed_is_what_the_whole_lasts(durations: NDArray[np.float32], speed: float) -> None:
    whole = durations.sum(dtype=np.float64) / speed
    assert at(speed, durations).sum() == pytest.approx(whole)
    assert (at(speed, durations) >= 0).all()


@settings(deadline=None)
@given(lengths, SPEEDS, SPEEDS)
def test_nothing_lasts_longer_at_a_higher_speed(
    durations: NDArray[np.float32], one: float, other: float
) -> None:
    slow, fast = sorted((one, other))
    # But for floors that the time is too short for: then the shortest sounds share it.
    if durations[~MARKS].clip(max=SHORTEST_SOUND).sum() <= durations[~MARKS].sum() / fast:
        assert (at(fast, durations) <= at(slow, durations) + 1e-6).all()


def test_speed_one_changes_no_bit() -> None:
    np.testing.assert_array_equal(at(1.0), DURATIONS.astype(np.float64))
    same = pace(1.0)
    np.testing.assert_array_equal(same.counts, same.own)
    np.testing.assert_array_equal(same.places, np.arange(same.counts.sum()))
    frames = np.random.default_rng(0).normal(size=(1, 3, len(same.places))).astype(np.float32)
    np.testing.assert_array_equal(same.read(frames, 5, 20), frames[:, :, 5:20])
    f0 = np.where(frames[0, 0] > 0, 200 + frames[0, 0], 0)
    np.testing.assert_array_equal(same.read_f0(f0, 5, 20), f0[5:20])


def test_hurried_sounds_keep_their_floor() -> None:
    hurried = at(1.8)
    sounds = ~MARKS

    assert (hurried[sounds] >= np.minimum(DURATIONS[sounds], SHORTEST_SOUND) - 1e-6).all()
    assert hurried[6] == pytest.approx(DURATIONS[6])  # shorter than the floor by itself
    np.testing.assert_allclose(hurried[MARKS], DURATIONS[MARKS] / 1.8)
    shares = hurried[[1, 4, 2]] / DURATIONS[[1, 4, 2]]  # from short to long
    assert shares[0] > shares[1] > shares[2]


@pytest.mark.parametrize(
    ("speed", "durations", "marks"),
    [
        *((speed, DURATIONS, MARKS) for speed in (SLOWEST_SOUNDS, 0.8, 0.99)),  # a little slower
        (2.0, [0, 3.0, 2.0, 0], [True, False, False, True]),  # too short for any floor
        (2.0, [0, 12, 12, 0], [True, False, False, True]),  # a word without pauses to use
        (0.5, [0, 12, 12, 0], [True, False, False, True]),
    ],
)
def test_all_is_drawn_out_or_shortened_alike(speed: float, durations: Any, marks: Any) -> None:
    made = at(speed, np.float32(durations), np.array(marks))
    np.testing.assert_allclose(made, np.float32(durations) / speed)


def test_very_slow_words_are_parted_by_pauses() -> None:
    slow, sounds = at(0.5), ~MARKS
    left = (2 - 1 / SLOWEST_SOUNDS) * DURATIONS[sounds].sum()

    np.testing.assert_allclose(slow[[3, 5]] - 2 * DURATIONS[[3, 5]], left / 3, rtol=1e-6)
    drawn = slow[sounds] / DURATIONS[sounds]
    np.testing.assert_allclose(drawn, drawn[0])
    assert 1 / SLOWEST_SOUNDS < drawn[0] < 2
    np.testing.assert_allclose(slow[[0, 8]], 2 * DURATIONS[[0, 8]])  # before and after: no more


@pytest.mark.parametrize("speed", [0.5, 0.75, 0.93, 1.1, 1.5, 2.0])
def test_frames_are_read_in_order_and_from_their_own_symbol(speed: float) -> None:
    spoken = pace(speed)

    assert (spoken.own >= whole_frames(DURATIONS))[~MARKS].all()
    assert spoken.counts.sum() == len(spoken.places)
    assert (np.diff(spoken.places) >= 0).all()
    assert spoken.places[0] >= 0
    assert spoken.places[-1] <= spoken.own.sum() - 1
    symbols = np.repeat(np.arange(9), spoken.counts)
    begins = np.cumsum(spoken.own) - spoken.own
    read_from = spoken.places + 0.5
    assert (read_from >= begins[symbols]).all()
    assert (read_from <= (begins + spoken.own)[symbols]).all()


def test_frames_interpolate_and_f0_never_mixes_with_silence() -> None:
    spoken = pace(1.7)
    ramp = np.arange(spoken.own.sum(), dtype=np.float32)
    f0 = np.where(ramp % 5 < 3, 200, 0).astype(np.float32)

    np.testing.assert_allclose(spoken.read(ramp[None, None], 3, 9)[0, 0], spoken.places[3:9])
    np.testing.assert_allclose(spoken.read_f0(ramp + 100, 3, 9), spoken.places[3:9] + 100)
    assert set(spoken.read_f0(f0, 0, len(spoken.places))) == {0.0, 200.0}


@settings(deadline=None)
@given(lengths, SPEEDS)
def test_own_frames_are_all_that_is_read(durations: NDArray[np.float32], speed: float) -> None:
    spoken = pace(speed, durations)
    total = len(spoken.places)
    frames = np.ones((1, 1, spoken.own.sum()), np.float32)
    for stop in (1, (total + 1) // 2, total):
        known = spoken.own_frames(stop)
        assert 1 <= known <= spoken.own.sum()
        unknown = frames.copy()
        unknown[:, :, known:] = np.nan
        assert np.isfinite(spoken.read(unknown, 0, stop)).all()


@pytest.mark.parametrize("speed", [0.5, 1.0, 2.0])
def test_frames_never_vanish_altogether(speed: float) -> None:
    assert whole_frames(np.zeros(3, np.float32)).sum() == 1
    spoken = pace(speed, np.zeros(9, np.float32))
    assert len(spoken.places) == spoken.counts.sum() == spoken.own.sum() > 0


@pytest.mark.parametrize("duration", [math.nan, math.inf, -1.0, 1e6])
def test_broken_durations_are_an_engine_error(duration: float) -> None:
    with pytest.raises(EngineError, match="the voice is broken"):
        pace(1.0, np.array([1.0, duration], np.float32))


@pytest.mark.parametrize(("last", "speed", "ended"), [(0, 1.0, 4), (9, 1.0, 9), (0, 2.0, 2)])
def test_a_sentence_ends_in_frames_for_its_last_phoneme_to_fade(
    last: int, speed: float, ended: int
) -> None:
    counts = np.array([3, 0, 5, last])
    assert with_end(counts, speed, END).tolist() == [3, 0, 5, ended]
    assert counts[-1] == last


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
    assert sum(p.stop - p.start for p in found) + sum(pauses) == place


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
