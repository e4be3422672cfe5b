"""Addresses in the United States: "1200 W 5th St., Apt. 4, Miami, FL 33131"."""

from __future__ import annotations

import re

from dlpo.text.common.forms import text_before
from dlpo.text.common.tables import any_key
from dlpo.text.es.numbers import cardinal_words, digit_words
from dlpo.text.es.tables import TABLES

_STATES = TABLES.words("us_states")
_ROADS = TABLES.words("us_roads")
_SIDES = TABLES.words("us_sides")
SIDE = rf"(?:{any_key(_SIDES)})"
_ORDINAL = r"\d{1,3}(?:st|nd|rd|th)"
NAME = rf"(?:{_ORDINAL}|[A-Z][\w'-]{{1,20}}(?: [A-Z][\w'-]{{1,20}}){{0,2}})"
ROAD = rf"(?:{any_key(_ROADS)})\b"
_NUMBER_AND_NAME = re.compile(rf"(?:\b\d{{1,5}} (?:{SIDE}\.? )?{NAME}|\b{_ORDINAL}) $")
_CITY = re.compile(r"\b[A-ZÁÉÍÓÚÑ][a-záéíóúüñ]+, $")
_AFTER_CITY = re.compile(r"[.,;:!?)]|$| (?:y|al?|el|en|del?|con|para|por|los|que)\b")
_ALONE = ("AZ", "FL", "GA", "IL", "NC", "NJ", "NM", "NV", "NY", "TN", "TX", "UT", "WA")
"""codes that a city alone can precede; others mean more and need a zip code"""
_CALIFORNIAN = re.compile(r"\b(?:Los|San|Santa|Long|Sacramento|Fresno|Oakland)\b[^,]{0,14}, $")
STATES = any_key(_STATES)


def sided(match: re.Match[str]) -> list[str]:
    return [*cardinal_words(match[1]), *_SIDES[match[2]]]


def ordinal(match: re.Match[str]) -> list[str]:
    from dlpo.text.en_us.numbers import ordinal_words  # with the first such address

    return ordinal_words(match[1])


def road(match: re.Match[str]) -> list[str] | None:
    return _ROADS[match[1]] if _NUMBER_AND_NAME.search(text_before(match, 60)) else None


def state(match: re.Match[str]) -> list[str] | None:
    """With its zip code, or after a city."""
    name, code = _STATES[match[1]], match[2]
    if code:
        return [*name, *digit_words(code.replace("-", ""))]
    before = text_before(match)
    in_city = _CITY.search(before) and _AFTER_CITY.match(match.string, match.end())
    is_state = match[1] in _ALONE or (match[1] == "CA" and _CALIFORNIAN.search(before))
    return name if in_city and is_state else None
