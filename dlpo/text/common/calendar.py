"""Dates: patterns of what languages write alike, names by their beginnings."""

from __future__ import annotations

import re
from collections.abc import Iterable

DAY = r"(?:[12]\d|3[01]|0?[1-9])"
MONTH = r"(?:1[0-2]|0?[1-9])"
ISO = (
    rf"\b(?P<iso_year>[12]\d{{3}})-(?P<iso_month>0[1-9]|1[0-2])-(?P<iso_day>{DAY})"
    r"(?:[T ](?P<iso_hour>[01]\d|2[0-3]):(?P<iso_minute>[0-5]\d)(?::(?P<iso_second>[0-5]\d))?"
    r"(?:\.\d{1,9})?(?P<iso_zone>Z|\+00:?00)?)?(?!\w)"
)
"""2026-11-22, 2026-11-22T05:45:03Z"""


_IN_NUMBERS = re.compile(
    rf"(?<![\w/.])({DAY})([/.-])({DAY})(\2(?:[12]\d{{3}}|\d\d)(?![\w/]))"
    rf"|(?<=(?:on|by) )({DAY})(/)({DAY})(?![\w/%]|\.\d| of)()"
)


def with_days_swapped(text: str) -> str:
    """Text with the first two numbers of its dates in each other's place."""

    def swapped(date: re.Match[str]) -> str:
        first, sign, second, year = (found for found in date.groups() if found is not None)
        return f"{second}{sign}{first}{year}"

    return _IN_NUMBERS.sub(swapped, text)


def full_name(names: Iterable[str], written: str) -> str:
    """The one of names in lower case that an abbreviation with three letters or more begins."""
    return next(name for name in names if name.startswith(written[:3].lower()))
