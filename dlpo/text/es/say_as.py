"""`say-as`: a number or a code -> the words that it is spoken as."""

from __future__ import annotations

import re

from dlpo.text.common.roman import roman_value
from dlpo.text.common.ssml import say_as
from dlpo.text.es.abbreviations import spelled
from dlpo.text.es.calendar import MONTHS, date_words, duration_words, year_words
from dlpo.text.es.normalize import tokens
from dlpo.text.es.numbers import (
    NUMBER,
    cardinal_words,
    digit_words,
    number_words,
    ordinal_words,
)
from dlpo.text.es.tables import table
from dlpo.text.es.technical import telephone_words

_ORDINAL = re.compile(r"(\d{1,4})\.?([ºª]|er|os|as|r[oa]|d[oa]|t[oa]|[mvn][oa])?")
_SIGNS = {sign: said.split() for sign, (_, _, said) in table("signs").items()}


def said_as(kind: str, content: str, format: str = "") -> list[str]:
    """See `Language`."""
    return say_as.said_as(_KINDS, kind, content, format)


def _cardinal(content: str, format: str) -> list[str]:
    if value := roman_value(content):
        return cardinal_words(str(value))
    return number_words(content) if re.fullmatch(rf"-?{NUMBER}", content) else []


def _ordinal(content: str, format: str) -> list[str]:
    if value := roman_value(content):
        return ordinal_words(value)
    match = _ORDINAL.fullmatch(content)
    if match is None:
        return []
    end = match[2] or ""
    gender = "f" if end == "ª" or end.endswith(("a", "as")) else "m"
    return ordinal_words(int(match[1]), gender, short=end == "er")


def _characters(content: str, format: str) -> list[str]:
    said = (spelled(c) or digit_words(c) or _SIGNS.get(c, []) for c in content)
    return [word for words in said for word in words]


def _digits(content: str, format: str) -> list[str]:
    return digit_words(content) if re.fullmatch(r"[\d\s.,-]{1,1000}", content) else []


def _date(content: str, format: str) -> list[str]:
    if not format and re.fullmatch(r"\d\d?[/.-]\d\d?", content):
        format = "dm"
    if not format:
        return _as_written(content, format)
    found = say_as.date_fields(content, format)
    month = MONTHS[int(found["m"]) - 1] if "m" in found else ""
    if "d" in found:
        return date_words(found["d"], month, found.get("y")) if month else _cardinal(found["d"], "")
    year = year_words(found["y"]) if "y" in found else []
    return [month, *["de"] * bool(year), *year] if month else year


def _time(content: str, format: str) -> list[str]:
    if lasts := say_as.duration(content):
        return duration_words("0", *lasts)
    return _as_written(content, format)


def _telephone(content: str, format: str) -> list[str]:
    is_number = re.fullmatch(r"[\d\s()./+-]{0,30}\d[\d\s()./+-]{0,30}", content)
    return telephone_words(content) if is_number else []


def _as_written(content: str, format: str) -> list[str]:
    read = tokens(content, shouted=False)
    return say_as.as_written(content, read) if re.search(r"\d", content) else []


_NUMBER = "a number, such as -1.234,5 or XIV"
_CHARACTERS = "letters, digits or signs"
_KINDS: say_as.Kinds = {
    "cardinal": (_cardinal, _NUMBER),
    "number": (_cardinal, _NUMBER),
    "ordinal": (_ordinal, "a whole number, such as 21, 21.ª or XIV"),
    "characters": (_characters, _CHARACTERS),
    "spell-out": (_characters, _CHARACTERS),
    "digits": (_digits, "digits"),
    "date": (_date, "a date, such as 2026-11-20 or 20/11/2026"),
    "time": (_time, "14:30 or 2:30 p. m., or minutes and seconds, such as 1'21\""),
    "telephone": (_telephone, "a telephone number, such as +52 55 1234 5678"),
    "currency": (_as_written, "an amount with a sign or a code, such as $45,20 or USD 45"),
    "fraction": (_as_written, "a fraction, such as 3/4 or 1 1/2"),
    "unit": (_as_written, "a number and a unit, such as 10 kg"),
}
