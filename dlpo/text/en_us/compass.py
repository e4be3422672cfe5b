"""Directions and coordinates: a northwest wind, I-5 South, 12 E. Oak Street, 40.7 degrees north."""

from __future__ import annotations

import re

from dlpo.text.common.forms import text_before
from dlpo.text.common.patterns import late
from dlpo.text.en_us.tables import any_of

_ROAD_BEFORE = late(
    rf"(?:\b(?:\d{{1,3}}(?:st|nd|rd|th)|[A-Z][a-z]{{1,20}}) (?:{any_of('streets')})\b\.?,?"
    rf"|\b(?:{any_of('roads')})[ -]\d{{1,3}}) $"
)
_HEADING = late(r"(?i)\b(?:(?:head|go|drive|continue|then|walk|turn|travel)(?:ing)?|headed) $")
_MOVES = late(r"(?i)\b(?:mov(?:e|es|ed|ing)|track(?:s|ing)|drift(?:s|ing)) $")
_SPEED_AFTER = late(r" (?:at \d|of |through |and |toward)|[,;.]|$")
_ROAD_AFTER = late(
    r" (?:lanes?|ramps?|traffic|on-ramps?|off-ramps?|exits?|Hwy|Highway|Rte|Route)\b"
    r"| (?:I|US|SR|CA)[- ]?\d"
)
COORDINATE_BEFORE = late(
    r"(?i:\b(?:lat|long?|latitude|longitude)\b)\.?:? \d{1,3}(?:\.\d{1,9})?°? ?$"
    r"|\d\.\d{1,9}°? ?[NS],? \d{1,3}\.\d{1,9}°? ?$"
)
DIRECTIONS = {"N": "north", "S": "south", "E": "east", "W": "west"}


def road_way(match: re.Match[str]) -> list[str] | None:
    """I-80 EB, SB lanes."""
    of_road = _ROAD_AFTER.match(match.string, match.end())
    if not of_road and not _ROAD_BEFORE.search(text_before(match)):
        return None
    return [DIRECTIONS[match[0][0]] + "bound"]


def compass_after(match: re.Match[str]) -> list[str] | None:
    """2nd Ave N, Hwy 61 N, I-5 S, head W on Main St; but not "then E. Smith"."""
    before = text_before(match)
    moves = _MOVES.search(before) and _SPEED_AFTER.match(match.string, match.end())
    heads = _HEADING.search(before) and not match.string.startswith(".", match.end())
    return compass(match) if heads or moves or _ROAD_BEFORE.search(before) else None


def compass(match: re.Match[str]) -> list[str]:
    letters = match[0].strip("° .")
    apart, joined = letters[:-2], letters[-2:]  # north northeast
    words = [*(DIRECTIONS[one] for one in apart), "".join(DIRECTIONS[one] for one in joined)]
    return ["degrees"] * (match[0][0] == "°") + words
