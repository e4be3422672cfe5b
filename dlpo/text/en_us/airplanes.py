"""Airplanes and airports -> spoken words: A320-200s, A321neo, 777-300ER, ATL→SEA."""

from __future__ import annotations

import re

from dlpo.text.common.forms import text_before
from dlpo.text.common.patterns import late
from dlpo.text.en_us.numbers import cardinal_words, code_words, plural_words
from dlpo.text.en_us.tables import any_of
from dlpo.text.en_us.technical import TERMS

AIRPORT = rf"(?:{any_of('airports')})"
BETWEEN_AIRPORTS = r"(?:\s?→\s?|[-–]| to )"
_LISTED = r"(?:,| and| or|, and|, or|/) ?"
_AIRPORT_BEFORE = late(rf"\b{AIRPORT}{_LISTED}$")
_AIRPORT_AFTER = late(rf"{_LISTED}{AIRPORT}\b|,? [Aa]irport\b")
_FLIGHT_BEFORE = late(
    r"(?i)\b(?:fl(?:y|ies|ew|ying|ights?)|depart\w{0,4}|arriv\w{1,3}|land(?:s|ed|ing)?|layover"
    r"|connect(?:s|ion|ing)?|nonstop|airport)\b[^.!?]{0,20}\b(?:to|from|at|in|via|into|depart) $"
    r"|\b(?:depart(?:s|ing)?|layover) $"
)
MODEL = r"(?:-(?P<variant>(?:10|[1-9])00|\d{1,2}))?"
_CITY_AFTER = late(r" (?!ASAP|AIRPORT|INTL|INTERNATIONAL|TODAY|ONLY|FLIGHT)[A-Z]{4,20}\b")


def airplane(match: re.Match[str]) -> list[str]:
    words = [*match["maker"]] if match["maker"] else []
    words += TERMS.get(match["number"]) or code_words(match["number"])
    if match["variant"]:
        words += cardinal_words(match["variant"])
    if suffix := match["suffix"]:
        words += [suffix] if suffix.islower() else [*suffix]
    return plural_words(words) if match["several"] else words


def models(match: re.Match[str]) -> list[str]:
    """F-16s, AK-47s, F-150s."""
    return plural_words(code_words(match[1]) if len(match[1]) > 2 else cardinal_words(match[1]))


def route(match: re.Match[str]) -> list[str] | None:
    """ATL→SEA; but not where all is in capitals."""
    if match.string.isupper():
        return None
    first, *others = re.findall(r"[A-Z]{3}", match[0])
    return [*first, *(word for other in others for word in ["to", *other])]


def airport(match: re.Match[str]) -> list[str] | None:
    """Fly to ORD, IAH, DEN and SEA; but "the SEA is rough"."""
    before = text_before(match)
    is_one = _FLIGHT_BEFORE.search(before) or _AIRPORT_BEFORE.search(before)
    is_one = is_one or _AIRPORT_AFTER.match(match.string, match.end())
    in_name = _CITY_AFTER.match(match.string, match.end())  # LAS VEGAS
    return [*match[0]] if is_one and not (in_name or match.string.isupper()) else None
