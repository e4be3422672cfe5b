"""`say-as`: a number or a code -> the words that it is spoken as."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from dlpo.text.common.language import Token
from dlpo.text.common.ssml.say_as import EXPECTED, SayAs
from dlpo.text.es.abbreviations import letter_words
from dlpo.text.es.calendar import MONTHS, date_words, duration_words, year_words
from dlpo.text.es.normalize import READER, word_of
from dlpo.text.es.numbers import cardinal_words, digit_words, ended_ordinal_words, number_words
from dlpo.text.es.tables import TABLES, table
from dlpo.text.es.technical import telephone_words

_ORDINAL = re.compile(r"(\d{1,4})\.?([ºª]|er|os|as|r[oa]|d[oa]|t[oa]|[mvn][oa])?")
_SIGNS = {sign: said.split() for sign, (_, _, said) in table("signs").items()}
_NUMBER = "a number, such as -1.234,5 or XIV"
_CARDINAL = re.compile(TABLES.pattern("-?{NUMBER}"))


class SpanishSayAs(SayAs):
    """See `SayAs`."""

    date_without_year = "dm"
    clock = re.compile(
        TABLES.pattern(r"\d\d?(?::\d\d){1,2}(?:{PERIOD}|\s?h)?|\d\d?(?:{PERIOD}|\s?h)")
    )
    expected: ClassVar = {
        **EXPECTED,
        "cardinal": _NUMBER,
        "number": _NUMBER,
        "ordinal": "a whole number, such as 21, 21.ª or XIV",
        "date": "a date, such as 2026-11-20 or 20/11/2026",
        "time": "14:30 or 2:30 p. m., or minutes and seconds, such as 1'21\"",
        "telephone": "a telephone number, such as +52 55 1234 5678",
        "currency": "an amount with a sign or a code, such as $45,20 or USD 45",
    }
    digit_words = staticmethod(digit_words)

    def tokens(self, content: str) -> Iterator[Token]:
        return READER.tokens(content, word_of, shouted=False)

    def character(self, one: str) -> list[str]:
        return letter_words(one) or _SIGNS.get(one, [])

    def cardinal_or_ordinal(self, number: str, ordinal: bool) -> list[str]:
        if not ordinal:
            return number_words(number) if _CARDINAL.fullmatch(number) else []
        match = _ORDINAL.fullmatch(number)
        return ended_ordinal_words(int(match[1]), match[2] or "") if match else []

    def date_words(self, day: str, month: int | None, year: str) -> list[str]:
        if day:
            return date_words(day, month, year) if month else cardinal_words(day)
        said = year_words(year) if year else []
        return [MONTHS[month - 1], *["de"] * bool(said), *said] if month else said

    def lasting(self, minutes: str, seconds: str, hours: str = "") -> list[str]:
        return duration_words(hours or "0", minutes, seconds)

    def telephone(self, content: str) -> list[str]:
        written = re.fullmatch(r"[\d\s()./+-]{0,30}\d[\d\s()./+-]{0,30}", content)
        return telephone_words(content) if written else []
