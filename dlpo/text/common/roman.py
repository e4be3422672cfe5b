"""Roman numerals."""

from __future__ import annotations

from itertools import pairwise

from dlpo.text.common.patterns import late
from dlpo.text.common.tables import COMMON

_ROMAN = late(COMMON.pattern("{ROMAN}"))
_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


def roman_value(numeral: str) -> int | None:
    """``"XIV"`` -> 14; None for what isn't a well-formed roman numeral."""
    if not numeral or not _ROMAN.fullmatch(numeral):
        return None
    values = [_VALUES[letter] for letter in numeral] + [0]
    return sum(-value if value < following else value for value, following in pairwise(values))
