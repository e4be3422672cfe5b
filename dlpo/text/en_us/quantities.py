"""Ranges, versions, parts of codes and plain numbers -> spoken words; rows say which is which."""

from __future__ import annotations

import re

from dlpo.text.en_us.arithmetic import in_sum, sum_follows
from dlpo.text.en_us.context import to_or_and
from dlpo.text.en_us.numbers import (
    cardinal_words,
    digit_words,
    grouped_words,
    number_words,
    pair_words,
    plain_words,
    year_words,
)
from dlpo.text.en_us.technical import TERMS


def dotted(match: re.Match[str]) -> list[str]:
    """1.2.10: one point two point ten; 1.234.567 is one number."""
    first, *rest = match[0].split(".")
    if len(first) < 4 and all(len(part) == 3 for part in rest):
        return number_words(match[0])
    words = cardinal_words(first)
    for part in rest:
        words += ["point", *(cardinal_words(part) if len(part) < 3 else digit_words(part))]
    return words


def range(match: re.Match[str]) -> list[str] | None:
    """Pages 5-10; but not a part of the sum 10 - 5 = 5."""
    first, last = match["first"], match["last"]
    rises = match["close"] and float(first.replace(",", "")) < float(last.replace(",", ""))
    if sum_follows(match) or (in_sum(match) and not rises):
        return None
    return [*plain_words(first), *to_or_and(match), *plain_words(last)]


def part_words(digits: str) -> list[str]:
    """``"02"`` -> oh two, ``"2005"`` -> two thousand five, ``"204"`` -> two oh four."""
    if len(digits) == 2:
        return pair_words(digits)
    return year_words(digits) if re.fullmatch(r"(?:19|20)\d\d", digits) else grouped_words(digits)


def number(match: re.Match[str]) -> list[str]:
    """A number that no row of a code reads."""
    return TERMS.get(match[0]) or plain_words(match[0])
