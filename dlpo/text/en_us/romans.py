"""Roman numerals: of rulers, chapters, centuries, pages and stages."""

from __future__ import annotations

import re

from dlpo.text.common.forms import text_before
from dlpo.text.common.patterns import late
from dlpo.text.common.roman import ROMAN, roman_value
from dlpo.text.en_us.context import INITIAL, previous_word
from dlpo.text.en_us.numbers import cardinal_words, ordinal_words, year_words
from dlpo.text.en_us.tables import any_of, word_list

# After these a roman numeral is a plain number: chapter four, world war two.
_NUMBERED_THINGS = word_list("numbered things")
# After these a numeral of one letter is an ordinal too: elizabeth the first.
_REGNAL_NAMES = word_list("regnal names")
_ENDS_WITH_NUMERAL = ("Act", "Chapter", "Class", "Part", "Phase", "Stage", "Type", "Volume", "War")
_RULERS = word_list("names of many rulers")  # but "I saw Pedro I knew"
_TITLES = word_list("titles of rulers")
_SAID_BY_ME = late(  # the book I read, not "type I diabetes"
    r",? (?:am|was|have|had|will|would|can|could|should|must|may|might|do|did|don't|didn't"
    rf"|can't|couldn't|won't|never|always|really|just|also|once|still|{any_of('I do')})\b"
)
_VERB_AFTER = late(r" (?!and\b|or\b|of\b|to\b|was king|reigned)[a-z]")
_STAGES = ("stage", "phase", "type", "group", "class", "grade", "category", "level")
_THE_ONE = late(r"\b(?:the|every|each|this|that|any) [a-z]{4,8} $")
_CENTURY = late(r"(?:st|nd|rd|th)?[ -](?:[Cc]entur|[Cc]\.)")
_NAMESAKE = late(
    rf"\b(?:(?i:{any_of('given names')}) (?:[A-Z]\. )?|(?:[A-Z]\. ){{1,3}})"
    rf"(?!(?:{any_of('parts of names of places')})\b)[A-Z][A-Za-z']{{1,20}},? $"
)
_ONLY_NUMERALS = word_list("numerals that are no words")
_SEQUELS = word_list("have sequels")
_NUMERAL_BESIDE = late(r",? (?:(?:and|or|to|through) )?[IVX]{2,5}\b|[-–][IVX]{1,5}[A-C]?\b")
_NUMERAL_BEFORE = late(r"\b[IVX]{2,5},? (?:(?:and|or|to|through) )?$|\b[IVX]{1,5}[-–]$")
ROMAN = ROMAN


def roman(match: re.Match[str]) -> list[str] | None:
    value = roman_value(match[0])
    previous = previous_word(match)
    of_thing = previous in _ENDS_WITH_NUMERAL  # World War I. Then
    is_letter = len(match[0]) == 1 and (
        match[0] not in "IVX" or (INITIAL.match(match.string, match.end()) and not of_thing)
    )
    if value is None or is_letter:
        return None
    if _CENTURY.match(match.string, match.end()):
        return ordinal_words(str(value))
    if len(match[0]) > 3 and match[0][0] == "M" and value < 2100:  # MCMLXXIV
        return year_words(str(value))
    if match[0] in _ONLY_NUMERALS or (len(match[0]) > 1 and _near_numeral(match)):
        plain = cardinal_words(str(value))
    else:
        plain = None
    part_of_range = re.search(r"\b[IVX]{1,5}[-–]$", text_before(match, 7))
    if (
        match[0] == "I"
        and previous.islower()
        and _SAID_BY_ME.match(match.string, match.end())
        and (previous not in _STAGES or _THE_ONE.search(text_before(match)))
    ):
        return None
    if (
        match[0] == "I"
        and text_before(match, 2) == ", "
        and _VERB_AFTER.match(match.string, match.end())
    ):  # Henry, I said
        return None
    is_many = previous.lower().removesuffix("s") in _NUMBERED_THINGS and _near_numeral(match)
    if previous.lower() in _NUMBERED_THINGS or part_of_range or is_many:
        return cardinal_words(str(value))
    of_namesake = len(match[0]) > 1 and value < 6 and _NAMESAKE.search(text_before(match, 60))
    of_many = len(match[0]) > 1 and previous.lower() in _RULERS
    is_ruler = previous.lower() in _REGNAL_NAMES or of_many
    if (is_ruler and previous[0].isupper()) or of_namesake:
        return ["the", *ordinal_words(str(value))]
    of_name = match[0] != "I" and not match.string.startswith("-", match.end())  # X-ray
    after_letters = of_name and re.search(r"\b[A-Z]{2,}\s$", text_before(match))  # GTA V
    if previous[:1].isupper() and value < 40 and (len(match[0]) > 1 or after_letters):
        titled = not _TITLES.isdisjoint(text_before(match, 60).lower().split()[-3:])
        return ["the", *ordinal_words(str(value))] if titled else cardinal_words(str(value))
    if (
        len(match[0]) > 1
        and value < 11
        and re.search(r"\b[A-Z]\d{1,3}[RSC]? $", text_before(match, 8))
    ):
        return cardinal_words(str(value))  # a camera: A7 IV
    if match[0] == "V" and previous[:1].isupper() and previous[1:].islower():
        following = match.string[match.end() : match.end() + 1]
        is_name = following in ("", ".", ",", "!", "?", ":", ";", ")", '"', "'")
        return cardinal_words("5") if is_name or previous.lower() in _SEQUELS else None
    return plain


def staged(match: re.Match[str]) -> list[str] | None:
    """Stage IIIB, type IIa."""
    is_last = _NUMERAL_BEFORE.search(text_before(match, 7)) is not None  # stages I-IIIA
    if previous_word(match).lower() not in _NUMBERED_THINGS and not is_last:
        return None
    return [*cardinal_words(str(roman_value(match[1]))), match[2].upper()]


def small_roman(match: re.Match[str]) -> list[str] | None:
    """Of a page or an item: page iv, (ii)."""
    value = roman_value(match[0].upper())
    of_range = text_before(match, 1) not in ("-", "–") or text_before(match, 2)[:1] in "ivxl"
    return cardinal_words(str(value)) if value is not None and of_range else None


def _near_numeral(match: re.Match[str]) -> bool:
    """Whether another numeral is beside it: IX and XI."""
    before = text_before(match, 14)
    return (
        _NUMERAL_BESIDE.match(match.string, match.end()) is not None
        or _NUMERAL_BEFORE.search(before) is not None
    )
