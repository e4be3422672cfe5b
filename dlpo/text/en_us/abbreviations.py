"""Abbreviations and initials."""

from __future__ import annotations

import re

from dlpo.text.common.abbreviations import InContext
from dlpo.text.en_us.context import INITIAL, name_follows
from dlpo.text.en_us.tables import TABLES
from dlpo.text.en_us.technical import term_words

# Keyed without a period if they are expanded anywhere, and with it if only where it is written,
# since they are also words or parts of words.
ABBREVIATIONS = TABLES.words("abbreviations")
IN_CONTEXT = InContext(TABLES, "abbreviations_in_context", "A-Za-z'&/", own_periods=True)


def abbreviation(match: re.Match[str]) -> list[str] | None:
    """One that means the same anywhere, or a letter before a capital; but "9 AM EST."."""
    key = match[0].rstrip(".").lower()
    if INITIAL.match(match.string, match.end() - 1) and len(key) == 1:
        return [key.upper()] if match[0][0].isupper() else None
    is_term = match[0].isupper() and term_words(match[0].rstrip(".")) is not None
    if is_term and not name_follows(match):  # but MT. EVEREST
        return None
    return ABBREVIATIONS.get(key) or ABBREVIATIONS.get(f"{key}.")


def initials(match: re.Match[str]) -> list[str]:
    written, apostrophe, ending = match[0].lower().partition("'")
    key = written.rstrip(".")
    words = [letter.upper() for letter in key if letter.isalpha()]
    return ABBREVIATIONS.get(f"{key}.") or [*words[:-1], words[-1] + apostrophe + ending]
