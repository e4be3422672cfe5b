"""Where sentences end, and where overlong ones are cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dlpo.text.common.sentences import pieces
from dlpo.text.symbols import MARKS


def test_a_long_sentence_is_cut_after_its_strongest_late_mark() -> None:
    marks = [",", " ", ",", ";", " ", " ", " ", "."]
    assert list(pieces([10] * 8, marks, 60)) == [slice(0, 4), slice(4, 8)]


@given(
    st.lists(st.tuples(st.integers(1, 12), st.sampled_from(MARKS)), max_size=80),
    st.integers(12, 60),
)
def test_pieces_keep_every_word_in_order_and_within_the_limit(
    words: list[tuple[int, str]], limit: int
) -> None:
    lengths, marks = [w[0] for w in words], [w[1] for w in words]
    found = list(pieces(lengths, marks, limit))
    assert [index for piece in found for index in range(piece.start, piece.stop)] == list(
        range(len(words))
    )
    assert all(sum(lengths[piece]) <= limit for piece in found)
