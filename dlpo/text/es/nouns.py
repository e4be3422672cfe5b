"""The gender of the noun that a number stands before, guessed from its ending and two lists."""

from __future__ import annotations

import re

from dlpo.text.es.tables import any_of, word_list

_FEMININE, _MASCULINE = word_list("feminine nouns"), word_list("masculine nouns")
_NOT_NOUNS, _ARTICLES = word_list("not nouns"), word_list("feminine articles")
_FEMININE_ENDING = re.compile(
    r"(?:a|[cgnstx]i[oó]n(?:es)?|[dt]ad(?:es)?|as|umbres?|tud(?:es)?|ez|triz|trices)$"
)
_MASCULINE_ENDING = re.compile(rf"(?:{any_of('masculine endings')})$")
_NEXT = re.compile(r"(?:\s[youea]\s[\d.,]{1,20})?\s{1,2}(?:mil\s)?([a-záéíóúüñ]{2,40})")
_BEFORE = re.compile(r"([A-Za-záéíóúüñ]{2,40})\s{1,2}$")
_MANY = re.compile(r"(?:mil)?(?:millón|millones|billón|billones)")


def gender_of(noun: str) -> str:
    """``m`` or ``f``."""
    if noun in _FEMININE:
        return "f"
    if noun in _MASCULINE or _MASCULINE_ENDING.search(noun):
        return "m"
    return "f" if _FEMININE_ENDING.search(noun) else "m"


def noun_after(text: str, place: int, one: bool = False) -> str:
    """The noun that follows at a place, perhaps after mil; "" for any other word.

    ``one``: the noun may be in the singular.
    """
    match = _NEXT.match(text, place)
    if match is None or match[1] in _NOT_NOUNS:
        return ""
    return match[1] if one or match[1].endswith("s") or _MANY.fullmatch(match[1]) else ""


def gender_at(text: str, start: int, end: int, one: bool = False) -> str:
    """That of the noun which a number ``text[start:end]`` counts; "" if there is none."""
    before = _BEFORE.search(text, max(0, start - 42), start)
    if before and before[1].lower() in _ARTICLES:
        return "f"
    noun = noun_after(text, end, one)
    return gender_of(noun) if noun else ""
