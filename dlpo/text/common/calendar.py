"""Dates: patterns of what languages write alike, names by their beginnings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

from dlpo.text.common.tables import COMMON


@cache
def _in_numbers(before: tuple[str, ...], not_after: tuple[str, ...]) -> re.Pattern[str]:
    day = COMMON.pattern("{DAY}")
    whole = rf"(?<![\w/.])({day})([/.-])({day})(\2(?:[12]\d{{3}}|\d\d)(?![\w/]))"
    if not before:
        return re.compile(whole)
    preceded = "|".join(rf"(?<={re.escape(word)} )" for word in before)
    followed = "".join(rf"| {re.escape(word)}" for word in not_after)
    return re.compile(rf"{whole}|(?:{preceded})({day})(/)({day})(?![\w/%]|\.\d{followed})()")


def with_days_swapped(text: str, before: Sequence[str], not_after: Sequence[str]) -> str:
    """Text with the first two numbers of its dates in each other's place.

    ``before``, ``not_after``: words that make 5/3 a date without a year, and that make it none.
    """

    def swapped(date: re.Match[str]) -> str:
        first, sign, second, year = (found for found in date.groups() if found is not None)
        return f"{second}{sign}{first}{year}"

    return _in_numbers(tuple(before), tuple(not_after)).sub(swapped, text)


def day_and_month(match: re.Match[str], day_first: bool) -> tuple[str, int, str] | None:
    """The day, month and year of a DATE of habits.tsv; None if there is no such day or month.

    The day is first by habit, after a point, and where the other number is no month.
    """
    first, sign, second, year = (found for found in match.groups() if found is not None)
    day, month = (first, second) if day_first or sign == "." else (second, first)
    if int(month) > 12 and sign != ".":
        day, month = month, day
    return (day, int(month), year) if 0 < int(month) < 13 and 0 < int(day) < 32 else None


def full_name(names: Iterable[str], written: str) -> str:
    """The one of names in lower case that an abbreviation with three letters or more begins."""
    return next(name for name in names if name.startswith(written[:3].lower()))
