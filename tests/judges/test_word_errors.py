from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpo.errors import InputError
from dlpo.judges.word_errors import (
    WordErrors,
    character_errors,
    counted,
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
    found = word_errors("Bird was, however, discharged", "or was however the charged")
    assert found == WordErrors(errors=3, words=4, added=1)
    assert found.rate == 0.75


@pytest.mark.parametrize(
    ("heard", "left_out", "added", "repeated"),
    [
        ("the bird was free", 0, 0, 0),
        ("the bird free", 1, 0, 0),
        ("a burden was free", 0, 0, 0),
        ("the the bird was free", 0, 1, 1),
        ("the bird the bird was free", 0, 2, 2),
        ("so the bird was free", 0, 1, 0),
        ("the bird was free the", 0, 1, 0),
        ("", 4, 0, 0),
        ("the bird was free free free", 0, 2, 2),
    ],
)
def test_errors_by_kind(heard: str, left_out: int, added: int, repeated: int) -> None:
    found = word_errors("the bird was free", heard)
    assert (found.left_out, found.added, found.repeated) == (left_out, added, repeated)


def ways(a: tuple[str, ...], b: tuple[str, ...]) -> set[tuple[int, int, int]]:
    """Every way to explain what was heard: how many are changed, left out, added."""
    if not a or not b:
        return {(0, len(a), len(b))}
    found = {(c + (a[0] != b[0]), d, e) for c, d, e in ways(a[1:], b[1:])}
    found |= {(c, d + 1, e) for c, d, e in ways(a[1:], b)}
    return found | {(c, d, e + 1) for c, d, e in ways(a, b[1:])}


@given(WORDS.filter(len).map(lambda words: words[:5]), WORDS.map(lambda words: words[:5]))
def test_fewest_errors_and_then_most_changed(a: list[str], b: list[str]) -> None:
    found = counted(a, b)
    changed = found.errors - found.left_out - found.added
    best = min(ways(tuple(a), tuple(b)), key=lambda way: (sum(way), -way[0]))
    assert (changed, found.left_out, found.added) == best


def test_pooling_weighs_clips_by_their_words() -> None:
    both = pooled([WordErrors(1, 2, added=1, repeated=1), WordErrors(0, 8)])
    assert both == WordErrors(1, 10, added=1, repeated=1)
    assert both.rate == 0.1
    assert pooled([]) == WordErrors(0, 0)


@pytest.mark.parametrize("reference", ["", " ", "..."])
def test_reference_without_words_is_refused(reference: str) -> None:
    with pytest.raises(InputError, match="no words"):
        word_errors(reference, "anything")


def test_characters_count_without_marks_and_capitals() -> None:
    assert character_errors("The prison, of old.", "the prisons of cold") == 2
