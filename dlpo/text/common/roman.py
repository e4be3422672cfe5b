"""Roman numerals."""

from __future__ import annotations

import re
from itertools import pairwise

ROMAN = r"M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})"
"""A pattern that also matches nothing at all."""
_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


def roman_value(numeral: str) -> int | None:
    """``"XIV"`` -> 14; None for what isn't a well-formed roman numeral."""
    if not numeral or not re.fullmatch(ROMAN, numeral):
        return None
    values = [_VALUES[letter] for letter in numeral] + [0]
    return sum(-value if value < following else value for value, following in pairwise(values))
