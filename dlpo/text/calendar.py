"""Written dates, years and times of day -> spoken words."""

from __future__ import annotations

import re

from dlpo.text.numbers import cardinal_words, digit_words, ordinal_words, plural_words, year_words

MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?)"
)
_DAY = r"(?:[12]\d|3[01]|0?[1-9])"
_YEAR = r"[12]\d{3}\b(?![,.]\d)"
_MERIDIEM = r"(?:\s?[ap]\.m\.|\s?[ap]m\b|\s?[AP]\.M\.|\s?[AP]M\b)"


def _month_word(written: str) -> str:
    return next(month for month in MONTHS if month.startswith(written.lower().rstrip(".")[:3]))


def date_words(month: str, day: str, year: str | None) -> list[str]:
    """``("july", "4", "1776")`` -> july fourth seventeen seventy six; or a year of two digits."""
    words = [month, *ordinal_words(day)]
    if not year:
        return words
    return words + (year_words(year) if len(year) == 4 else _minute_words(year))


def _iso_date(match: re.Match[str]) -> list[str]:
    return date_words(MONTHS[int(match["iso_month"]) - 1], match["iso_day"], match["iso_year"])


def _slash_date(match: re.Match[str]) -> list[str]:
    month, day, year = match["slash_month"], match["slash_day"], match["slash_year"]
    if int(month) > 12:  # as the rest of the world writes it
        month, day = day, month
    return date_words(MONTHS[int(month) - 1], day, year)


def _month_day(match: re.Match[str]) -> list[str]:
    year = match["md_year"]
    return date_words(_month_word(match["md_month"]), match["md_day"], year and year[-4:])


def _day_month(match: re.Match[str]) -> list[str]:
    words = ["the", *ordinal_words(match["dm_day"]), "of", _month_word(match["dm_month"])]
    before = match.string[max(0, match.start() - 4) : match.start()].lower()
    if before == "the ":
        words = words[1:]
    return words + (year_words(match["dm_year"][-4:]) if match["dm_year"] else [])


def _month_year(match: re.Match[str]) -> list[str]:
    return [_month_word(match["my_month"]), *year_words(match["my_year"][-4:])]


def _minute_words(minutes: str) -> list[str]:
    return ["oh", *digit_words(minutes[1])] if minutes[0] == "0" else cardinal_words(minutes)


def _meridiem_words(written: str | None) -> list[str]:
    return [letter.upper() for letter in written or "" if letter.isalpha()]


def _clock(match: re.Match[str]) -> list[str]:
    hour, minutes, seconds = match["clock_hour"], match["clock_minute"], match["clock_second"]
    meridiem = _meridiem_words(match["clock_meridiem"])
    words = cardinal_words(hour.lstrip("0") or "0")
    if minutes != "00":
        words += _minute_words(minutes)
    elif not meridiem and not seconds:
        words += ["hundred"] if int(hour) > 12 or int(hour) == 0 else ["o'clock"]
    if seconds:
        words += ["and", *cardinal_words(str(int(seconds))), "seconds"]
    return words + meridiem


def _hour(match: re.Match[str]) -> list[str]:
    return cardinal_words(str(int(match["hour"]))) + _meridiem_words(match["hour_meridiem"])


def _decade(match: re.Match[str]) -> list[str]:
    century, tens = match["decade_century"], match["decade_tens"] or match["decade_short"]
    if century and tens == "00":
        return plural_words(year_words(century + tens))
    return (cardinal_words(century) if century else []) + plural_words(cardinal_words(tens))


FORMS = {
    "iso_date": (
        rf"\b(?P<iso_year>[12]\d{{3}})-(?P<iso_month>0[1-9]|1[0-2])-(?P<iso_day>{_DAY})\b",
        _iso_date,
    ),
    "slash_date": (
        rf"(?<![\w/])(?=(?:1[0-2]|0?[1-9])/|\d\d/(?:1[0-2]|0?[1-9])/)(?P<slash_month>{_DAY})"
        rf"/(?P<slash_day>{_DAY})/(?P<slash_year>[12]\d{{3}}|\d\d)(?![\w/])",
        _slash_date,
    ),
    "month_day": (
        rf"\b(?P<md_month>{_MONTH})\s(?P<md_day>{_DAY})(?:st|nd|rd|th)?\b(?![:.,]\d)"
        rf"(?P<md_year>,?\s{_YEAR})?",
        _month_day,
    ),
    "day_month": (
        rf"\b(?P<dm_day>{_DAY})(?:st|nd|rd|th)?\s(?:of\s)?(?P<dm_month>{_MONTH}(?!\w))"
        rf"(?P<dm_year>,?\s{_YEAR})?",
        _day_month,
    ),
    "month_year": (rf"\b(?P<my_month>{_MONTH})(?P<my_year>,?\s{_YEAR})", _month_year),
    "clock": (
        r"(?<![\w:])(?P<clock_hour>[01]?\d|2[0-4]):(?P<clock_minute>[0-5]\d)"
        rf"(?::(?P<clock_second>[0-5]\d))?(?![\d:])(?P<clock_meridiem>{_MERIDIEM})?",
        _clock,
    ),
    "hour_form": (rf"\b(?P<hour>1[0-2]|0?[1-9])(?P<hour_meridiem>{_MERIDIEM})", _hour),
    "decade": (
        r"\b(?P<decade_century>[12]\d)?(?P<decade_tens>\d0)'?s\b|'(?P<decade_short>\d0)s\b",
        _decade,
    ),
}
"""Name of the form -> (pattern, function from its match to the spoken words)."""
