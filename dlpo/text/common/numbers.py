"""What languages do alike with numbers and their words: roman numerals, sets of tennis."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

from dlpo.text.common.forms import with_pause
from dlpo.text.common.patterns import late
from dlpo.text.common.tables import COMMON

_ROMAN = late(COMMON.pattern("{ROMAN}"))
_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_SET = re.compile(r"(\d)[-–](\d)(?:\s?\(([\d–-]{1,5})\))?(?:,? ([a-z]+))?")

pause_words = with_pause


def roman_value(numeral: str) -> int | None:
    """``"XIV"`` -> 14; None for what isn't a well-formed roman numeral."""
    if not numeral or not _ROMAN.fullmatch(numeral):
        return None
    values = [_VALUES[letter] for letter in numeral] + [0]
    return sum(-value if value < following else value for value, following in pairwise(values))


def roman_words(numeral: str) -> str:
    """The digits of a roman numeral: ``"xiv"`` -> 14."""
    return str(roman_value(numeral.upper()))


def said_sets(cardinal_words: Callable[[str], list[str]], written: str) -> list[str]:
    """The games of each set and the points of its end, ``"7-6 (5)"``, with a pause after it."""
    words: list[str] = []
    for first, second, tie_break, connective in _SET.findall(written):
        said = [*cardinal_words(first), *cardinal_words(second)]
        if tie_break:
            points = re.findall(r"\d+", tie_break)
            said = [*with_pause(said), *(word for one in points for word in cardinal_words(one))]
        words += [*said, connective] if connective else with_pause(said)
    return [*words[:-1], words[-1].rstrip(",")]
