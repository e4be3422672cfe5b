"""Sets of tennis and averages of batting -> spoken words: 6-4, 3-6, 7-6 (5), .312."""

from __future__ import annotations

import re

from dlpo.text.common.scores import Sets
from dlpo.text.en_us.numbers import cardinal_words, code_words
from dlpo.text.en_us.tables import TABLES

_SETS = Sets(TABLES, "and", cardinal_words)
SETS_PATTERN = _SETS.pattern
sets = _SETS.words


def average(match: re.Match[str]) -> list[str]:
    """.312: three twelve; .304/.388/.632: three oh four, three eighty eight, six thirty two."""
    words: list[str] = []
    for digits in match[0].replace(".", "").split("/"):
        small = digits[0] == "0"
        *others, last = cardinal_words(str(int(digits))) if small else code_words(digits)
        words += [*["oh"] * small, *others, f"{last},"]
    return [*words[:-1], words[-1].rstrip(",")]
