"""Dates: patterns of what languages write alike, names by their beginnings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

DAY = r"(?:[12]\d|3[01]|0?[1-9])"
MONTH = r"(?:1[0-2]|0?[1-9])"
ISO = (
    rf"\b(?P<iso_year>[12]\d{{3}})-(?P<iso_month>0[1-9]|1[0-2])-(?P<iso_day>{DAY})"
    r"(?:[T ](?P<iso_hour>[01]\d|2[0-3]):(?P<iso_minute>[0-5]\d)(?::(?P<iso_second>[0-5]\d))?"
    r"(?:\.\d{1,9})?(?P<iso_zone>Z|\+00:?00)?)?(?!\w)"
)
"""2026-11-22, 2026-11-22T05:45:03Z"""


@cache
def _in_numbers(before: tuple[str, ...], not_after: tuple[str, ...]) -> re.Pattern[str]:
    whole = rf"(?<![\w/.])({DAY})([/.-])({DAY})(\2(?:[12]\d{{3}}|\d\d)(?![\w/]))"
    if not before:
        return re.compile(whole)
    preceded = "|".join(rf"(?<={re.escape(word)} )" for word in before)
    followed = "".join(rf"| {re.escape(word)}" for word in not_after)
    return re.compile(rf"{whole}|(?:{preceded})({DAY})(/)({DAY})(?![\w/%]|\.\d{followed})()")


def with_days_swapped(text: str, before: Sequence[str], not_after: Sequence[str]) -> str:
    """Text with the first two numbers of its dates in each other's place.

    ``before``, ``not_after``: words that make 5/3 a date without a year, and that make it none.
    """

    def swapped(date: re.Match[str]) -> str:
        first, sign, second, year = (found for found in date.groups() if found is not None)
        return f"{second}{sign}{first}{year}"

    return _in_numbers(tuple(before), tuple(not_after)).sub(swapped, text)


def full_name(names: Iterable[str], written: str) -> str:
    """The one of names in lower case that an abbreviation with three letters or more begins."""
    return next(name for name in names if name.startswith(written[:3].lower()))
