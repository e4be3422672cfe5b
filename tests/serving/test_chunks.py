"""Cutting a sentence into chunks."""

from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from dlpo_serving.synthesis.denoiser_input import cut, sizes_of

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
