"""`say-as`: a number or a code -> the words that it is spoken as."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import ClassVar

from dlpo.text.common.forms import with_pause
from dlpo.text.common.language import Token
from dlpo.text.common.ssml.say_as import EXPECTED, SayAs
from dlpo.text.common.tables import any_key
from dlpo.text.en_us.abbreviations import ABBREVIATIONS
from dlpo.text.en_us.calendar import MONTHS, date_words, lasting_words
from dlpo.text.en_us.normalize import READER, word_of
from dlpo.text.en_us.numbers import digit_words, number_words, ordinal_words, year_words
from dlpo.text.en_us.tables import TABLES, table

_CARDINAL = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3}){1,9}|\d{1,100})?(?:\.\d{1,100})?")
_ORDINAL = re.compile(r"(\d{1,3}(?:,\d{3}){1,4}|\d{1,15})(?:st|nd|rd|th)?")
_TELEPHONE = re.compile(r"[\d\s()./+*#A-Za-z-]{1,60}")
_TELEPHONE_PART = re.compile(r"(?i:ext\.?|x(?=\s?\d))|\d+|[A-Za-z]|[+*#]")
_IN_TELEPHONES = {
    "+": "plus", "*": "star", "#": "pound", "x": "extension", "ext": "extension",
}  # fmt: skip
_CURRENCY_SIGNS = {"USD": "$", "GBP": "£", "EUR": "€", "JPY": "¥"}
_CODE = re.compile("|".join(_CURRENCY_SIGNS))
_UNIT_NAME = any_key({name for names in table("units").values() for name in names})
_NAMED_UNIT = re.compile(rf"(-?\d[\d,]{{0,20}}(?:\.\d{{1,20}})?)\s?((?i:{_UNIT_NAME}))")
_SIGNS = {sign: said.split() for sign, (_, _, said) in table("signs").items()}
_NUMBER = "a number, such as -1,234.5 or XIV"
_DIRECTIONS = TABLES.column("compass")
_COMPASS = re.compile(r"\b([NSEW])\.?(?= [A-Z])")
_SHORT = re.compile(r"\b[A-Z][a-z]{1,4}\b(?!\.)")


def _with_period(match: re.Match[str]) -> str:
    return match[0] + "." * (f"{match[0].lower()}." in ABBREVIATIONS)


class AmericanSayAs(SayAs):
    """See `SayAs`."""

    date_without_year = "md"
    clock = re.compile(
        r"\d{1,2}(?::\d\d){1,2}(?:\s?[ap]\.?m\.?)?|\d{1,2}\s?[ap]\.?m\.?", re.IGNORECASE
    )
    expected: ClassVar = {
        **EXPECTED,
        "cardinal": _NUMBER,
        "number": _NUMBER,
        "ordinal": "a whole number, such as 21, 21st or XIV",
        "date": "a date, such as 2026-11-20 or July 4, 1776",
        "time": "14:30 or 2:30 pm, or minutes and seconds, such as 1'21\"",
        "telephone": "a telephone number, such as +1 (555) 010-2000 ext. 4",
        "currency": "an amount with $, £, € or ¥, or USD, GBP, EUR or JPY, such as $45.20",
        "fraction": "a fraction, such as 3/4 or 1+1/2",
    }
    digit_words = staticmethod(digit_words)

    def tokens(self, content: str) -> Iterator[Token]:
        return READER.tokens(content, partial(word_of, listed=lambda word: True))

    def character(self, one: str) -> list[str]:
        is_letter = one.isalpha() and one.isascii()
        return [one.upper()] if is_letter else _SIGNS.get(one, [])

    def cardinal_or_ordinal(self, number: str, ordinal: bool) -> list[str]:
        if ordinal:
            match = _ORDINAL.fullmatch(number)
            return ordinal_words(match[1].replace(",", "")) if match else []
        is_number = _CARDINAL.fullmatch(number) and number[-1:].isdigit()
        return number_words(number) if is_number else []

    def date_words(self, day: str, month: int | None, year: str) -> list[str]:
        name = MONTHS[month - 1] if month else ""
        if day:
            return date_words(name, day, year) if name else ordinal_words(day)
        said = year_words(year) if year else []
        return [name, *said] if name else said

    def lasting(self, minutes: str, seconds: str, hours: str = "") -> list[str]:
        said = lasting_words(hours or "0", minutes or "0", seconds or "0")
        return [word for word in said if word != "and"]

    def telephone(self, content: str) -> list[str]:
        if not _TELEPHONE.fullmatch(content) or not re.search(r"\d", content):
            return []
        words: list[str] = []
        for part in _TELEPHONE_PART.findall(content):
            if part.isdigit():
                digits = digit_words(part)
                words += with_pause(digits) if len(digits) > 1 else digits
            else:
                words.append(_IN_TELEPHONES.get(part.lower().rstrip("."), part.upper()))
        return [*words[:-1], words[-1].rstrip(",")]

    def currency(self, content: str) -> list[str]:
        return super().currency(_CODE.sub(lambda code: _CURRENCY_SIGNS[code[0]], content))

    def address(self, content: str) -> list[str]:
        content = re.sub(r"(?<=\d)(?=[NSEW]\b)", " ", content)
        content = _COMPASS.sub(lambda match: _DIRECTIONS[match[1]], content)
        return self.read(_SHORT.sub(_with_period, content))

    def unit(self, content: str) -> list[str]:
        if named := _NAMED_UNIT.fullmatch(content):
            return [*number_words(named[1]), *named[2].lower().split()]
        return super().unit(content)
