"""`say-as`: a number or a code -> the words that it is spoken as."""

from __future__ import annotations

import re
from collections.abc import Callable

from dlpo.text.es.abbreviations import spelled
from dlpo.text.es.calendar import MONTHS, date_words, duration_words, year_words
from dlpo.text.es.normalize import tokens
from dlpo.text.es.numbers import (
    NUMBER,
    cardinal_words,
    digit_words,
    number_words,
    ordinal_words,
    roman_value,
)
from dlpo.text.es.tables import table
from dlpo.text.es.technical import telephone_words

_DATE_FIELDS = {"d": r"0?[1-9]|[12]\d|3[01]", "m": r"0?[1-9]|1[0-2]", "y": r"\d{4}|\d\d"}
_DATE_FORMATS = ("dmy", "mdy", "ymd", "ydm", "dm", "md", "my", "ym", "d", "m", "y")
_ORDINAL = re.compile(r"(\d{1,4})\.?([ºª]|er|os|as|r[oa]|d[oa]|t[oa]|[mvn][oa])?")
_DURATION = re.compile(r"(?:(\d{1,4})')?(?:(\d{1,4})(?:\"|''))?")
_TELEPHONE = re.compile(r"[\d\s()./+-]{1,60}")
_SIGNS = {sign: said.split() for sign, (_, _, said) in table("signs").items()}


def said_as(kind: str, content: str, format: str = "") -> list[str]:
    """The words of ``<say-as interpret-as=kind format=format>content</say-as>``.

    Args:
        kind: one of the standard's or the big vendors' values.
        content: readable text (see `Characters`).
        format: of a date, such as ``dmy``; of a time, where it changes nothing.

    Raises:
        ValueError: what is wrong, and what was expected.
    """
    if kind not in _KINDS:
        raise ValueError(f"interpret-as={kind!r}; expected {', '.join(_KINDS)}")
    say, expected = _KINDS[kind]
    content = " ".join(content.split())
    words = say(content, format)
    if not words:
        raise ValueError(f"{kind}: got {content!r}; expected {expected}")
    return words


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
    words: list[str] = []
    for character in content:
        letters = spelled(character)
        words += letters or digit_words(character) or _SIGNS.get(character, [])
    return words


def _digits(content: str, format: str) -> list[str]:
    return digit_words(content) if re.fullmatch(r"[\d\s.,-]{1,1000}", content) else []


def _date(content: str, format: str) -> list[str]:
    if not format and re.fullmatch(r"\d\d?[/.-]\d\d?", content):
        format = "dm"
    if not format:
        return _as_written(content) if re.search(r"\d", content) else []
    if format not in _DATE_FORMATS:
        raise ValueError(f"date: format={format!r}; expected {', '.join(_DATE_FORMATS)}")
    fields = r"[\s./-]?".join(f"(?P<{field}>{_DATE_FIELDS[field]})" for field in format)
    match = re.fullmatch(fields, content)
    if match is None:
        raise ValueError(f"date: got {content!r}; expected digits that fit format={format!r}")
    found = match.groupdict()
    month = MONTHS[int(found["m"]) - 1] if "m" in found else ""
    if "d" in found:
        return date_words(found["d"], month, found.get("y")) if month else _cardinal(found["d"], "")
    year = year_words(found["y"]) if "y" in found else []
    return [month, *["de"] * bool(year), *year] if month else year


def _time(content: str, format: str) -> list[str]:
    match = _DURATION.fullmatch(content)
    if match and (match[1] or match[2]):
        return duration_words("0", match[1] or "0", match[2] or "0")
    return _as_written(content) if re.search(r"\d", content) else []


def _telephone(content: str, format: str) -> list[str]:
    is_number = _TELEPHONE.fullmatch(content) and re.search(r"\d", content)
    return telephone_words(content) if is_number else []


def _as_written(content: str) -> list[str]:
    """The normalizer's words if it reads all of it as one token; empty otherwise."""
    found = list(tokens(content, shouted=False))
    return list(found[0].words) if len(found) == 1 and found[0].end == len(content) else []


def _written_number(content: str, format: str) -> list[str]:
    return _as_written(content) if re.search(r"\d", content) else []


_NUMBER = "a number, such as -1.234,5 or XIV"
_CHARACTERS = "letters, digits or signs"
_KINDS: dict[str, tuple[Callable[[str, str], list[str]], str]] = {  # function, what it expects
    "cardinal": (_cardinal, _NUMBER),
    "number": (_cardinal, _NUMBER),
    "ordinal": (_ordinal, "a whole number, such as 21, 21.ª or XIV"),
    "characters": (_characters, _CHARACTERS),
    "spell-out": (_characters, _CHARACTERS),
    "digits": (_digits, "digits"),
    "date": (_date, "a date, such as 2026-11-20 or 20/11/2026"),
    "time": (_time, "14:30 or 2:30 p. m., or minutes and seconds, such as 1'21\""),
    "telephone": (_telephone, "a telephone number, such as +52 55 1234 5678"),
    "currency": (_written_number, "an amount with a sign or a code, such as $45,20 or USD 45"),
    "fraction": (_written_number, "a fraction, such as 3/4 or 1 1/2"),
    "unit": (_written_number, "a number and a unit, such as 10 kg"),
}
