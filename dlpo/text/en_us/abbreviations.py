"""Abbreviations and initials."""

from __future__ import annotations

import re

from dlpo.text.common.abbreviations import InContext
from dlpo.text.common.forms import text_before
from dlpo.text.common.patterns import late
from dlpo.text.en_us.context import INITIAL, name_follows, previous_word
from dlpo.text.en_us.tables import TABLES, any_of, word_list
from dlpo.text.en_us.technical import term_words

# Keyed without a period if they are expanded anywhere, and with it if only where it is written,
# since they are also words or parts of words.
ABBREVIATIONS = TABLES.words("abbreviations")
IN_CONTEXT = InContext(TABLES, "abbreviations_in_context", "A-Za-z'&/", own_periods=True)
_LETTERED_THINGS = word_list("lettered things")
_TWO_INITIALS = late(r"\s?[A-Z]\.")
_BEFORE_PRONOUNS = ("and", "or", "than", "am", "was", "is", "do", "did", "can", "will", "have")
_BEFORE_INITIALS = word_list("before initials")
# Of these a letter is no initial: "from A to B. Traffic", "the key of D. Then".
_NO_NAMES = late(r"\b(?:(?!I\b)[A-Z]\d{0,2},? [a-z]{2,7}|(?:key|grade|type|value|letter) of) $")
_SPECIES = late(rf"\s(?:{any_of('species')})\b")


def small_name(match: re.Match[str]) -> list[str] | None:
    """E. coli, V. van Dijk; but "plan B. then"."""
    is_thing = previous_word(match).lower() in _LETTERED_THINGS | {"a", "an", "the"}
    return None if is_thing and not _SPECIES.match(match.string, match.end()) else [match[0][0]]


def abbreviation(match: re.Match[str]) -> list[str] | None:
    """One that means the same anywhere, or an initial; but "9 AM EST.", "option A. Then"."""
    key = match[0].rstrip(".").lower()
    if INITIAL.match(match.string, match.end() - 1) and len(key) == 1:
        return [key.upper()] if match[0][0].isupper() and _is_initial(match) else None
    is_term = match[0].isupper() and term_words(match[0].rstrip(".")) is not None
    if is_term and not name_follows(match):  # but MT. EVEREST
        return None
    return ABBREVIATIONS.get(key) or ABBREVIATIONS.get(f"{key}.")


def _is_initial(match: re.Match[str]) -> bool:
    """Whether a letter begins a name: "by M. Johnson"; but "so am I.", "vitamin C. Then"."""
    previous = previous_word(match)
    if _TWO_INITIALS.match(match.string, match.end()):
        return match[0] != "I." or previous not in _BEFORE_PRONOUNS
    if match[0] == "I." or previous.lower() in _LETTERED_THINGS:
        return False
    if match[0] == "Q." and not previous:  # and A.
        return False
    return not previous.islower() or (
        previous in _BEFORE_INITIALS
        and name_follows(match)
        and not _NO_NAMES.search(text_before(match))
    )


def initials(match: re.Match[str]) -> list[str]:
    written, apostrophe, ending = match[0].lower().partition("'")
    key = written.rstrip(".")
    words = [letter.upper() for letter in key if letter.isalpha()]
    return ABBREVIATIONS.get(f"{key}.") or [*words[:-1], words[-1] + apostrophe + ending]
