"""Addresses in the United States: "1200 W 5th St., Apt. 4, Miami, FL 33131"."""

from __future__ import annotations

from dlpo.text.common.tables import any_key
from dlpo.text.es.tables import TABLES

_STATES = TABLES.words("us_states")
_ROADS = TABLES.words("us_roads")
_SIDES = TABLES.words("us_sides")
STATES = any_key(_STATES)
SIDE = rf"(?:{any_key(_SIDES)})"
ROAD = rf"(?:{any_key(_ROADS)})\b"
NAME = r"(?:\d{1,3}(?:st|nd|rd|th)|[A-Z][\w'-]{1,20}(?: [A-Z][\w'-]{1,20}){0,2})"
side_words = _SIDES.__getitem__
road_words = _ROADS.__getitem__
state_words = _STATES.__getitem__


def ordinal_words(written: str) -> list[str]:
    """In English, as the names of streets are said."""
    from dlpo.text.en_us.numbers import ordinal_words  # with the first such address

    return ordinal_words(written)
