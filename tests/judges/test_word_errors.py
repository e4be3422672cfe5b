from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpo.errors import InputError
from dlpo.judges.word_errors import (
    WordErrors,
    character_errors,
    edit_distance,
    pooled,
    word_errors,
    words_of,
)

WORDS = st.lists(st.sampled_from(["a", "bird", "was", "however"]), max_size=7)


def distance_by_definition(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    """The recursion that defines it, without a table."""

    @cache
    def from_(i: int, j: int) -> int:
        if i == len(a) or j == len(b):
            return len(a) - i + len(b) - j
        substituted = from_(i + 1, j + 1) + (a[i] != b[j])
        return min(substituted, from_(i + 1, j) + 1, from_(i, j + 1) + 1)

    return from_(0, 0)


@given(WORDS, WORDS)
def test_edit_distance_equals_its_recursive_definition(a: list[str], b: list[str]) -> None:
    assert edit_distance(a, b) == distance_by_definition(tuple(a), tuple(b))


def test_words_lose_case_and_punctuation_and_keep_apostrophes() -> None:
    assert words_of('Mr. Buxton’s "fellow-prisoners," didn\'t.') == [
        "mr", "buxton's", "fellow", "prisoners", "didn't",
    ]  # fmt: skip


def test_words_of_other_languages_keep_their_letters() -> None:
    assert words_of("¿Qué señor? ¡Pingüino_1!") == ["qué", "señor", "pingüino", "1"]
    assert words_of("man\u0303ana") == ["mañana"]  # decomposed


def test_rate_is_errors_over_words_of_the_reference() -> None:
    counted = word_errors("Bird was, however, discharged", "or was however the charged")
    assert counted == WordErrors(errors=3, words=4)
    assert counted.rate == 0.75


def test_pooling_weighs_clips_by_their_words() -> None:
    assert pooled([WordErrors(1, 2), WordErrors(0, 8)]).rate == 0.1


@pytest.mark.parametrize("reference", ["", " ", "..."])
def test_reference_without_words_is_refused(reference: str) -> None:
    with pytest.raises(InputError, match="no words"):
        word_errors(reference, "anything")


def test_characters_count_without_marks_and_capitals() -> None:
    assert character_errors("The prison, of old.", "the prisons of cold") == 2
