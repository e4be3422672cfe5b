"""`say-as`: a number or a code -> the words that it is spoken as."""

from __future__ import annotations

import re

from dlpo.text.common.roman import roman_value
from dlpo.text.common.ssml import say_as
from dlpo.text.en_us.calendar import MONTHS, date_words
from dlpo.text.en_us.normalize import tokens
from dlpo.text.en_us.numbers import (
    digit_words,
    number_words,
    ordinal_words,
    year_words,
)
from dlpo.text.en_us.tables import table

_CARDINAL = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3}){1,9}|\d{1,100})?(?:\.\d{1,100})?")
_ORDINAL = re.compile(r"(\d{1,3}(?:,\d{3}){1,4}|\d{1,15})(?:st|nd|rd|th)?")
_TIME = re.compile(r"\d{1,2}(?::\d\d){1,2}(?:\s?[ap]\.?m\.?)?|\d{1,2}\s?[ap]\.?m\.?", re.IGNORECASE)
_TELEPHONE = re.compile(r"[\d\s()./+*#A-Za-z-]{1,60}")
_TELEPHONE_PART = re.compile(r"(?i:ext\.?|x(?=\s?\d))|\d+|[A-Za-z]|[+*#]")
_TELEPHONE_SIGNS = {"+": "plus", "*": "star", "#": "pound"}
_CURRENCY = re.compile(
    r"([$£€¥]|USD|GBP|EUR|JPY)?\s?(\d[\d,]{0,40}(?:\.\d{1,4})?(?:\s?[a-z]{1,8})?)"
    r"\s?(USD|GBP|EUR|JPY)?"
)
_CURRENCY_SIGNS = {"USD": "$", "GBP": "£", "EUR": "€", "JPY": "¥"}
_FRACTION = re.compile(r"(?:(\d{1,9})(?:\s?\+\s?|\s))?(\d{1,3})\s?/\s?(\d{1,3})")
_UNIT = re.compile(r"-?\d[\d,.]{0,40}\s?[A-Za-zµ°/%]{1,8}")
_SIGNS = {sign: said.split() for sign, (_, _, said) in table("signs").items()}


def said_as(kind: str, content: str, format: str = "") -> list[str]:
    """See `Language`."""
    return say_as.said_as(_KINDS, kind, content, format)


def _cardinal(content: str, format: str) -> list[str]:
    value = roman_value(content)
    if value is not None:
        return number_words(str(value))
    is_number = _CARDINAL.fullmatch(content) and content[-1:].isdigit()
    return number_words(content) if is_number else []


def _ordinal(content: str, format: str) -> list[str]:
    value = roman_value(content)
    match = _ORDINAL.fullmatch(content if value is None else str(value))
    return ordinal_words(match[1].replace(",", "")) if match else []


def _characters(content: str, format: str) -> list[str]:
    words: list[str] = []
    for character in content:
        if character.isdigit():
            words += digit_words(character)
        elif character.isalpha() and character.isascii():
            words.append(character.upper())
        else:
            words += _SIGNS.get(character, [])
    return words


def _digits(content: str, format: str) -> list[str]:
    return digit_words(content) if re.fullmatch(r"[\d\s.,-]{1,1000}", content) else []


def _date(content: str, format: str) -> list[str]:
    if not format and re.fullmatch(r"\d\d?[/.-]\d\d?", content):
        format = "md"
    if not format:
        return _as_written(content) if re.search(r"\d", content) else []
    found = say_as.date_fields(content, format)
    month = MONTHS[int(found["m"]) - 1] if "m" in found else ""
    if "d" in found:
        if month:
            return date_words(month, found["d"], found.get("y"))
        return ordinal_words(found["d"])
    year = year_words(found["y"]) if "y" in found else []
    return [month, *year] if month else year


def _time(content: str, format: str) -> list[str]:
    if _TIME.fullmatch(content):
        return _as_written(content)
    words: list[str] = []
    lasts = say_as.duration(content) or ("", "")
    for number, unit in zip(lasts, ("minute", "second"), strict=True):
        if number:
            words += [*number_words(str(int(number))), unit + ("s" if int(number) != 1 else "")]
    return words


def _telephone(content: str, format: str) -> list[str]:
    if not _TELEPHONE.fullmatch(content) or not re.search(r"\d", content):
        return []
    words: list[str] = []
    for part in _TELEPHONE_PART.findall(content):
        if part.isdigit():
            *digits, last = digit_words(part)
            words += [*digits, f"{last}," if digits else last]
        elif part in _TELEPHONE_SIGNS:
            words.append(_TELEPHONE_SIGNS[part])
        elif part[0] in "xX" or len(part) > 1:
            words.append("extension")
        else:
            words.append(part.upper())
    return [*words[:-1], words[-1].rstrip(",")]


def _currency(content: str, format: str) -> list[str]:
    match = _CURRENCY.fullmatch(content)
    code = match and (match[1] or match[3])
    if match is None or not code:
        return []
    return _as_written(_CURRENCY_SIGNS.get(code, code) + match[2])


def _fraction(content: str, format: str) -> list[str]:
    match = _FRACTION.fullmatch(content)
    return _as_written(f"{match[1] or ''} {match[2]}/{match[3]}".strip()) if match else []


def _unit(content: str, format: str) -> list[str]:
    return _as_written(content) if _UNIT.fullmatch(content) else []


def _as_written(content: str) -> list[str]:
    return say_as.as_written(content, tokens(content, lambda word: True))


_NUMBER = "a number, such as -1,234.5 or XIV"
_CHARACTERS = "letters, digits or signs"
_KINDS: say_as.Kinds = {
    "cardinal": (_cardinal, _NUMBER),
    "number": (_cardinal, _NUMBER),
    "ordinal": (_ordinal, "a whole number, such as 21, 21st or XIV"),
    "characters": (_characters, _CHARACTERS),
    "spell-out": (_characters, _CHARACTERS),
    "digits": (_digits, "digits"),
    "date": (_date, "a date, such as 2026-11-20 or July 4, 1776"),
    "time": (_time, "14:30 or 2:30 pm, or minutes and seconds, such as 1'21\""),
    "telephone": (_telephone, "a telephone number, such as +1 (555) 010-2000 ext. 4"),
    "currency": (_currency, "an amount with $, £, € or ¥, or USD, GBP, EUR or JPY, such as $45.20"),
    "fraction": (_fraction, "a fraction, such as 3/4 or 1+1/2"),
    "unit": (_unit, "a number and a unit, such as 10 kg"),
}
