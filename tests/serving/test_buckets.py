"""Buckets: any window fits, and its audio does not depend on the bucket that it fell into."""

from __future__ import annotations

import numpy as np
import pytest

from dlpo.errors import EngineError, InputError
from dlpo_serving.engine import Floats
from dlpo_serving.engines.buckets import Bucket, Buckets, PaddedInputs, Piece, denoise_in_buckets
from dlpo_serving.engines.fake_engine import CONTEXT, HOP_LENGTH, FakeEngine

STEPS = 3
MARGIN = STEPS * CONTEXT + 1  # as `Manifest.context_frames` of the fake
SMALL = Buckets(frames=(24, 40), batch=(1, 2))
LARGE = Buckets(frames=(300,), batch=(8,))


def window(batch: int, frames: int, seed: int = 0) -> tuple[Floats, Floats, Floats]:
    generator = np.random.default_rng(seed)
    shapes = (batch, 2, frames), (batch, frames, HOP_LENGTH), (1, batch, frames, HOP_LENGTH)
    conditioning, source, noise = (generator.standard_normal(s, np.float32) for s in shapes)
    return conditioning, source, noise


def denoise(buckets: Buckets, inputs: tuple[Floats, Floats, Floats]) -> Floats:
    """As an engine does it: one set of arrays for a bucket, used again and again."""
    engine = FakeEngine()
    arrays = {bucket: PaddedInputs.zeros(bucket, 2, 1, HOP_LENGTH) for bucket in buckets.all}

    def run(piece: Piece) -> Floats:
        padded = arrays[piece.bucket]
        padded.fill(piece, *inputs)
        assert padded.noise.shape == (1, *piece.bucket, HOP_LENGTH)
        return engine.denoise(STEPS, *padded)

    return denoise_in_buckets(run, buckets, MARGIN, inputs[1].shape)


@pytest.mark.parametrize(
    ("batch", "frames", "expected"),
    [(1, 1, Bucket(1, 24)), (1, 17, Bucket(1, 24)), (1, 18, Bucket(1, 40)), (2, 33, Bucket(2, 40))],
)
def test_smallest_bucket_that_holds_window_and_margin_is_chosen(
    batch: int, frames: int, expected: Bucket
) -> None:
    assert SMALL.choose(batch, frames, MARGIN) == expected


@pytest.mark.parametrize(("batch", "frames"), [(3, 1), (1, 34)])
def test_window_beyond_the_largest_bucket_has_none(batch: int, frames: int) -> None:
    with pytest.raises(EngineError, match=r"with 7 of context .* the largest bucket, 2 x 40"):
        SMALL.choose(batch, frames, MARGIN)


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("frames", [1, 17, 18, 33, 34, 40, 67, 151])
def test_audio_does_not_depend_on_the_buckets(batch: int, frames: int) -> None:
    inputs = window(batch, frames)

    np.testing.assert_allclose(denoise(SMALL, inputs), denoise(LARGE, inputs), atol=1e-6)


@pytest.mark.parametrize("frames", [20, 90])
def test_audio_equals_that_without_buckets_up_to_the_margin_before_the_end(frames: int) -> None:
    inputs = window(2, frames)

    made = denoise(SMALL, inputs)

    plain = FakeEngine().denoise(STEPS, *inputs)
    np.testing.assert_allclose(made[:, :-MARGIN], plain[:, :-MARGIN], atol=1e-6)


def test_padding_repeats_the_last_conditioning_and_is_silent() -> None:
    inputs = window(1, 10)
    (piece,) = SMALL.pieces(1, 10, MARGIN)
    zeros = PaddedInputs.zeros(Bucket(2, 24), 2, 1, HOP_LENGTH)
    padded = PaddedInputs(*(np.full_like(array, 7.0) for array in zeros))

    padded.fill(piece, *inputs)

    np.testing.assert_array_equal(padded.conditioning[0, :, :10], inputs[0][0])
    np.testing.assert_array_equal(padded.conditioning[0, :, 10:], inputs[0][0][:, [-1] * 14])
    np.testing.assert_array_equal(padded.noise[0, 0, :10], inputs[2][0, 0])
    assert not padded.conditioning[1].any()
    for array in (padded.source, padded.noise[0]):
        assert not array[0, 10:].any()
        assert not array[1].any()


def test_what_an_earlier_window_left_behind_is_not_heard() -> None:
    longer, shorter = window(2, 30, seed=1), window(1, 3, seed=2)
    padded = PaddedInputs.zeros(Bucket(2, 40), 2, 1, HOP_LENGTH)
    fresh = PaddedInputs.zeros(Bucket(2, 40), 2, 1, HOP_LENGTH)
    piece = Piece(Bucket(2, 40), slice(0, 1), 0, 3, 0, 3)

    padded.fill(Piece(Bucket(2, 40), slice(0, 2), 0, 30, 0, 30), *longer)
    padded.fill(piece, *shorter)

    fresh.fill(piece, *shorter)
    for array, expected in zip(padded, fresh, strict=True):
        np.testing.assert_array_equal(array, expected)


def test_a_piece_inside_a_window_reads_real_frames_on_both_sides() -> None:
    pieces = SMALL.pieces(1, 100, MARGIN)

    assert [(piece.start, piece.stop) for piece in pieces] == [
        (0, 33),
        (33, 59),
        (59, 85),
        (85, 100),
    ]
    assert [(piece.read_start, piece.read_stop) for piece in pieces[:3]] == [
        (0, 40),
        (26, 66),
        (52, 92),
    ]
    assert pieces[-1].read_start == 78
    assert pieces[-1].read_stop == 100


def test_buckets_that_are_all_context_say_what_to_use() -> None:
    with pytest.raises(EngineError, match="40 frames, but 40 of them are context; use one of 80"):
        SMALL.pieces(1, 100, 20)


@pytest.mark.parametrize("sizes", [(), (0, 4), (8, 4), (4, 4)])
def test_sizes_that_do_not_ascend_are_refused(sizes: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"frames is .*; expected whole numbers from 1, ascending"):
        Buckets(frames=sizes)
