"""Numbers in words."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpo.text.common.numbers import roman_value
from dlpo.text.en_us.numbers import (
    cardinal_words,
    number_words,
    ordinal_words,
    year_words,
)

Words = Callable[[str], list[str]]
SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
VALUES = {word: value for value, word in enumerate(SMALL.split())} | {
    word: 10 * value for value, word in enumerate(TENS.split(), 2)
}
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}


def value_of(words: list[str]) -> int:
    """Words back to a number, by another way than they were made."""
    total = group = 0
    for word in words:
        if word == "hundred":
            group *= 100
        elif word in SCALES:
            total, group = total + group * SCALES[word], 0
        else:
            group += VALUES[word]
    return total + group


@given(st.integers(min_value=0, max_value=10**15 - 1))
def test_cardinal_says_the_number_it_is_given(number: int) -> None:
    assert value_of(cardinal_words(str(number))) == number


@given(st.integers(min_value=1, max_value=3999))
def test_roman_numerals_are_read_back(number: int) -> None:
    digits = [
        ("M", 1000), ("CM", 900), ("D", 500), ("CD", 400), ("C", 100), ("XC", 90), ("L", 50),
        ("XL", 40), ("X", 10), ("IX", 9), ("V", 5), ("IV", 4), ("I", 1),
    ]  # fmt: skip
    written, rest = "", number
    for numeral, value in digits:
        written += numeral * (rest // value)
        rest %= value
    assert roman_value(written) == number


@pytest.mark.parametrize("wrong", ["", "IIII", "VX", "IC", "ABC", "xiv"])
def test_malformed_roman_numeral_has_no_value(wrong: str) -> None:
    assert roman_value(wrong) is None


@pytest.mark.parametrize(
    ("words", "digits", "spoken"),
    [
        (cardinal_words, "007", "zero zero seven"), (cardinal_words, "1" * 16, "one " * 15 + "one"),
        (ordinal_words, "1", "first"), (ordinal_words, "12", "twelfth"),
        (ordinal_words, "30", "thirtieth"), (ordinal_words, "100", "one hundredth"),
        (year_words, "1905", "nineteen oh five"), (year_words, "1900", "nineteen hundred"),
        (year_words, "2000", "two thousand"), (year_words, "2009", "two thousand nine"),
        (year_words, "2010", "twenty ten"), (year_words, "1005", "one thousand five"),
        (year_words, "476", "four hundred seventy six"),
        (number_words, ".5", "point five"), (number_words, "-1,000.14", "minus one thousand point"
                                                                        " one four"),
    ],
)  # fmt: skip
def test_numbers_are_read_as_an_american_does(words: Words, digits: str, spoken: str) -> None:
    assert " ".join(words(digits)) == spoken
