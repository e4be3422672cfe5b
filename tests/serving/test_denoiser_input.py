"""Sentences as windows: how they are cut, the pace and pitch of words, the harmonic source."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dlpo.audio import PulseJitter, harmonic_source
from dlpo.bundle import Bundle
from dlpo.frame_grid import PUBLISHED_GRID, FrameGrid
from dlpo.text import Sentence
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesis.chunks import cut, sizes_of
from dlpo_serving.synthesis.denoiser_input import NEXT_BLOCKS, DenoiserInput, pitch_noise
from dlpo_serving.synthesis.harmonic_source import LOOKAHEAD, PIECE, HarmonicSource
from tests.callers import front_end
from tests.fake_engine import FRAMES_CONTEXT, FakeEngine

TEXT = "It goes up, and down again, as long as you like it."
STEPS = 3
HOP = PUBLISHED_GRID.hop_length
RATE = PUBLISHED_GRID.sample_rate_hz
REQUEST = SpeechRequest(TEXT, speed=0.9, pitch_semitones=1)


def sentence_with(**of_word: list[float]) -> Sentence:
    """The words of `TEXT`, each with the next of the values, over and over."""
    (sentence,) = front_end().process(TEXT).sentences
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


def test_a_slow_word_lasts_longer_and_no_other_does() -> None:
    plain = sentence_with()
    slow = [replace(word, speed=0.5 if word.word == "again" else 1) for word in plain.words]

    lengths, slowed = (
        np.array([word.stop - word.start for word in prepared(sentence).timing.words])
        for sentence in (plain, replace(plain, words=tuple(slow)))
    )

    longer = np.array([word.word == "again" for word in plain.words])
    assert slowed[longer] == pytest.approx(2 * lengths[longer], abs=600)  # a frame at each end
    assert abs(slowed - lengths)[~longer].max() <= 300


def test_times_of_words_are_those_of_the_audio_at_any_speed() -> None:
    sentence = sentence_with(speed=[0.5, 2.0, 1.0, 0.7])

    inputs = prepared(sentence, replace(REQUEST, speed=1.0))

    edges = [edge for word in inputs.timing.words for edge in (word.start, word.stop)]
    assert edges == sorted(edges)
    assert edges[-1] <= inputs.frames * 300
    conditioning, source = all_of(inputs)
    assert conditioning.shape[2] == source.shape[1] == inputs.frames
    assert np.isfinite(conditioning).all()


class Watched(FakeEngine):
    """Keeps what it is asked for; its conditioning tells the pitch, so that wrong runs are seen."""

    def __init__(self) -> None:
        super().__init__()
        self.pitches: list[float] = []
        self.lengths: list[int] = []

    def frames(self, encoding, counts, start, stop, pitch_semitones):  # type: ignore[no-untyped-def]
        made = super().frames(encoding, counts, start, stop, pitch_semitones)
        self.pitches.append(pitch_semitones)
        self.lengths.append(stop - start)
        return replace(made, conditioning=made.conditioning + np.float32(pitch_semitones))


def watched(sentence: Sentence) -> tuple[Watched, DenoiserInput, NDArray[np.float32]]:
    """The engine, and the conditioning of the whole sentence."""
    engine = Watched()
    inputs = DenoiserInput(engine, sentence, REQUEST, STEPS, 0)
    return engine, inputs, all_of(inputs)[0]


def test_pitch_batch_equals_single_runs_at_little_cost() -> None:
    pitches = [-2.0, 0.0, 3.0]
    sentence = sentence_with(pitch_semitones=pitches)

    engine, inputs, conditioning = watched(sentence)

    assert set(engine.pitches) == {1 + pitch for pitch in pitches}
    starts = [0, *(word.start // 300 for word in inputs.timing.words[1:]), inputs.frames]
    for index, (start, stop) in enumerate(pairwise(starts)):
        _, _, alone = watched(sentence_with(pitch_semitones=[pitches[index % 3]]))
        np.testing.assert_array_equal(conditioning[:, :, start:stop], alone[:, :, start:stop])
    runs = len(engine.lengths)
    assert runs <= len(sentence.words) + 3  # a block each, and where blocks end anyway
    assert sum(engine.lengths) <= inputs.frames + 2 * FRAMES_CONTEXT * runs


@pytest.mark.parametrize("speed", [0.5, 0.55, 0.6, 0.65])
def test_a_small_rest_joins_the_block_before_it(speed: float) -> None:
    engine, inputs, _ = watched(sentence_with(speed=[speed]))
    assert sum(NEXT_BLOCKS) < inputs.frames < sum(NEXT_BLOCKS) + NEXT_BLOCKS[-1] / 2
    assert len(engine.lengths) == 1 + len(NEXT_BLOCKS)


def test_volume_follows_the_words() -> None:
    inputs = prepared(sentence_with(volume_db=[0.0, -6.0, 6.0, float("-inf")]))
    gain = inputs.volume(0, inputs.frames)
    assert gain is not None

    middles = [(word.start + word.stop) // 2 for word in inputs.timing.words]

    expected = [1.0, 10 ** (-6 / 20), 10 ** (6 / 20), 0.0]
    assert gain[middles] == pytest.approx([expected[i % 4] for i in range(len(middles))], rel=1e-5)


@given(
    frames=st.integers(1, 3000),
    context=st.integers(0, 60),
    ladder=st.lists(st.integers(1, 70), min_size=1, max_size=5),
)
def test_chunks_tile_the_sentence_with_full_context(
    frames: int, context: int, ladder: list[int]
) -> None:
    end = 0
    for chunk in cut(frames, context, sizes_of(ladder)):
        assert chunk.start == end < chunk.stop
        end = chunk.stop
        assert chunk.window_start == max(chunk.start - context, 0)
        assert chunk.window_stop == min(chunk.stop + context, frames)
    assert end == frames


def test_last_chunk_size_repeats_and_small_rests_join() -> None:
    sizes = sizes_of([5, 10])

    stops = [[chunk.stop for chunk in cut(frames, 5, sizes)] for frames in (5, 34)]

    assert stops == [[5], [10, 20, 34]]


def whole(f0: np.ndarray, grid: FrameGrid = PUBLISHED_GRID) -> np.ndarray:
    return HarmonicSource(grid).extend(f0, len(f0))


def contour(voiced: list[bool]) -> np.ndarray:
    track = 180 + 40 * np.sin(np.arange(len(voiced)) / 9)
    return np.where(voiced, track, 0).astype(np.float32)


@given(
    voiced=st.lists(st.booleans(), min_size=2, max_size=3 * PIECE),
    cuts=st.lists(st.integers(1, 3 * PIECE), max_size=6),
)
def test_pieces_joined_equal_the_whole(voiced: list[bool], cuts: list[int]) -> None:
    f0 = contour(voiced)
    stops = [*sorted({cut for cut in cuts if cut < len(f0)}), len(f0)]
    source = HarmonicSource(PUBLISHED_GRID)

    pieces = [source.extend(f0[: stop + LOOKAHEAD], stop) for stop in stops]

    np.testing.assert_allclose(np.concatenate(pieces), whole(f0), atol=1e-6)


def test_source_is_trained_noise_or_silence_in_pauses() -> None:
    f0 = contour([True] * 2 * PIECE)
    for grid in (PUBLISHED_GRID, replace(PUBLISHED_GRID, taper_hz=5000.0)):
        np.testing.assert_allclose(whole(f0, grid), harmonic_source(f0, grid), atol=1e-4)

    source = whole(contour([True] * 5 + [False] * 5 + [True] * 5)).reshape(15, HOP)
    assert not source[6:9].any()
    assert source[[*range(5), *range(10, 15)]].any(axis=1).all()


@pytest.mark.parametrize("onset_hz", [100.0, 300.0])
def test_a_voice_sets_in_at_its_own_pitch(onset_hz: float) -> None:
    f0 = np.array([200.0] * 5 + [0.0] * 5 + [onset_hz] * 40, np.float32)

    tail = whole(f0)[10 * HOP :]

    spectrum = np.abs(np.fft.rfft(tail * np.hanning(len(tail))))
    fundamental = spectrum[: int(1.5 * onset_hz * len(tail) / RATE)].argmax() * RATE / len(tail)
    assert abs(fundamental - onset_hz) < 2


def test_each_sentence_draws_its_own_pitch_and_the_same_again(embedded_fp32: Bundle) -> None:
    of_voice = embedded_fp32.manifest
    first, second, again = (pitch_noise(of_voice, 5, seed=3, index=index) for index in (0, 1, 0))
    assert first is not None
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)


def test_voices_have_tunes_of_their_own_where_the_bundle_says_so(embedded_fp32: Bundle) -> None:
    shared = replace(embedded_fp32.manifest, own_pitch_noise=False)
    own = replace(shared, own_pitch_noise=True)
    drawn = {
        (name, who): pitch_noise(of.with_voice(who), 5, seed=3, index=0)
        for name, of in (("shared", shared), ("own", own))
        for who in ("lj", "heart", "lj*0.3+heart*0.7")
    }
    of_lj, of_heart, of_mix = (drawn["own", who] for who in ("lj", "heart", "lj*0.3+heart*0.7"))
    assert np.array_equal(drawn["shared", "lj"], drawn["shared", "heart"])  # as in 1.0
    assert not np.array_equal(of_lj, of_heart)
    assert not np.array_equal(of_lj, drawn["shared", "lj"])
    assert np.array_equal(of_mix, of_heart)  # the largest share


def rough(jitter: float = 0.02) -> HarmonicSource:
    return HarmonicSource(PUBLISHED_GRID, PulseJitter(jitter, np.random.default_rng([1, 2])))


def test_jitter_moves_each_pulse_by_itself() -> None:
    f0 = np.full(100, RATE / 220, np.float32)
    even, moved = (source.extend(f0, 100) for source in (HarmonicSource(PUBLISHED_GRID), rough()))

    def places(source: np.ndarray) -> np.ndarray:
        """Of the greatest sample of each period, in periods."""
        period = 220
        whole = source[period // 2 :][: (len(source) // period - 1) * period]
        return whole.reshape(-1, period).argmax(1) / period

    assert np.ptp(places(even)) < 0.02
    displaced = places(moved) - places(even)
    assert 0.015 < displaced.std() < 0.025
    assert abs(np.corrcoef(displaced[:-1], displaced[1:])[0, 1]) < 0.3


@given(cuts=st.lists(st.integers(1, 59), max_size=6))
def test_jitter_does_not_depend_on_the_pieces(cuts: list[int]) -> None:
    f0 = contour([True] * 20 + [False] * 15 + [True] * 25)
    stops = [*sorted(set(cuts)), len(f0)]
    source = rough()
    pieces = [source.extend(f0[: stop + LOOKAHEAD], stop) for stop in stops]
    np.testing.assert_allclose(np.concatenate(pieces), rough().extend(f0, len(f0)), atol=1e-5)
