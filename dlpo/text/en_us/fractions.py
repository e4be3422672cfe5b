"""Fractions -> spoken words; rows say which of them are scores, steps, shares or sizes."""

from __future__ import annotations

import re

from dlpo.text.common.forms import text_before
from dlpo.text.common.patterns import late
from dlpo.text.en_us.context import word_after
from dlpo.text.en_us.numbers import UNITS, cardinal_words, number_words, ordinal_words, plural_words
from dlpo.text.en_us.tables import word_list

_ARTICLE_BEFORE = late(r"(?i)\b(?:an?|the|this|that|per) $")
_DENOMINATORS = {"2": "half", "4": "quarter"}
_VOWELS = ("8", "11", "18", "80")  # of which one is an eighth
_NO_NOUN = word_list("no nouns")


def share_words(written: str) -> list[str]:
    """``"5/8"`` -> five eighths."""
    above, _, below = written.partition("/")
    part = [_DENOMINATORS[below]] if below in _DENOMINATORS else ordinal_words(below)
    return [*cardinal_words(above), *plural_words(part)]


def fraction(match: re.Match[str]) -> list[str]:
    """1 1/2 cups, a 1/2-inch bolt, 2/3rds; 118/76 is over."""
    whole = match["whole"]
    above = match["above"]
    below = match["below"]
    words = [*number_words(whole), "and"] if whole else []
    unit = (match["unit"] or "").replace('"', "in")
    one, many = UNITS.get(unit if unit in UNITS else unit.rstrip("."), ("", ""))
    if match["unit"] == '"' and (word_after(match) or "and") not in _NO_NOUN:
        many = one  # an 8 1/2" x 11" sheet
    if not 0 < int(above) < int(below) <= 100:
        return [*words, *cardinal_words(above), "over", *cardinal_words(below), *many.split()]
    if above != "1":
        return [*words, *share_words(f"{above}/{below}"), *(many if whole else one).split()]
    is_named = below in _DENOMINATORS and match["ending"] in (None, "nd")
    part = [_DENOMINATORS[below]] if is_named else ordinal_words(below)
    if not whole and _ARTICLE_BEFORE.search(text_before(match, 8)):  # a 1/2-inch bolt
        return [*part, *one.split()]
    article = "an" if below in _VOWELS else "a"
    words.append(article if whole or one or below == "2" else "one")
    return [*words, *part, *(many if whole else one).split()]
