"""Written dates, years and times of day -> spoken words; rows say which number is one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dlpo.text.common.calendar import day_and_month, full_name
from dlpo.text.en_us.numbers import cardinal_words, ordinal_words, pair_words, year_words
from dlpo.text.en_us.tables import TABLES, words_of

MONTHS = words_of("months")
_WEEKDAYS = words_of("weekdays")
_LETTER_DAYS = TABLES.column("letter_days")
_LETTERS = re.compile("Tu|Th|Sa|Su|[MTWF]")
_CENTURIES = ("20", "19")  # of years of two digits, those from 50 are of the second


def month_words(written: str) -> list[str]:
    """``"03"``, ``"Mar."`` -> march."""
    return [MONTHS[int(written) - 1] if written.isdigit() else full_name(MONTHS, written)]


def weekday_words(written: str) -> list[str]:
    """``"Sat."`` -> saturday."""
    return [full_name(_WEEKDAYS, written)]


def letter_days(match: re.Match[str]) -> list[str]:
    """M-F: monday to friday; MWF: monday, wednesday and friday."""
    *days, last = (_LETTER_DAYS[day] for day in _LETTERS.findall(match[0]))
    is_range = "-" in match[0] or "–" in match[0]
    return [days[0], "to", last] if is_range else [*days, "and", last]


def full_year_words(digits: str) -> list[str]:
    """``"1776"`` -> seventeen seventy six; ``"25"`` is the year 2025."""
    return year_words(digits if len(digits) == 4 else _CENTURIES[digits >= "50"] + digits)


def date_words(month: str, day: str, year: str | None) -> list[str]:
    """``("july", "4", "1776")`` -> july fourth seventeen seventy six."""
    return [month, *ordinal_words(day), *(full_year_words(year) if year else [])]


def date(match: re.Match[str]) -> list[str] | None:
    """12/25/2026, 25.12.2026."""
    if not (found := day_and_month(match, day_first=False)):
        return None
    day, month, year = found
    return date_words(MONTHS[month - 1], day, year)


def iso_date(match: re.Match[str]) -> list[str]:
    """2026-11-22T05:45:03Z."""
    words = date_words(MONTHS[int(match["iso_month"]) - 1], match["iso_day"], match["iso_year"])
    if match["iso_hour"]:
        words += ["at", *_clock_words(match["iso_hour"], match["iso_minute"], match["iso_second"])]
    return words + (["U", "T", "C"] if match["iso_zone"] else [])


def meridiem_words(written: str | None) -> list[str]:
    """``"p.m."``, ``"p"`` -> P M."""
    letters = [letter.upper() for letter in written or "" if letter.isalpha()]
    return [*letters, "M"] if len(letters) == 1 else letters


def minutes_words(digits: str) -> list[str]:
    """Of a time without a colon: ``"30"`` -> thirty, ``"00"`` -> hundred."""
    return ["hundred"] if digits == "00" else pair_words(digits)


def clock(match: re.Match[str]) -> list[str]:
    """2:15p, 14:30:05; 1:02:03 without a part of the day lasts that long."""
    hour, seconds = match["hour"], match["second"]
    meridiem = meridiem_words(match["period"])
    if seconds and not meridiem and hour in (*"0123456789", "00"):
        return lasting_words(hour, match["minute"], seconds)
    return _clock_words(hour, match["minute"], seconds, meridiem)


def spent(match: re.Match[str]) -> list[str] | None:
    """1h 23m, 2m30s."""
    hours, minutes, seconds = (part or "0" for part in match.groups())
    return lasting_words(hours, minutes, seconds) if match[1] or match[3] else None


def lasting_words(hours: str, minutes: str, seconds: str) -> list[str]:
    """1:02:03: one hour two minutes and three seconds."""
    words: list[str] = []
    for number, unit in ((hours, "hour"), (minutes, "minute"), (seconds, "second")):
        if int(number):
            words += ["and"] * bool(words and unit == "second")
            words += [*cardinal_words(str(int(number))), unit + "s" * (int(number) != 1)]
    return words or ["zero", "seconds"]


def _clock_words(
    hour: str, minutes: str, seconds: str | None, meridiem: Sequence[str] = ()
) -> list[str]:
    words = cardinal_words(hour.lstrip("0") or "0")
    if minutes != "00":
        words += pair_words(minutes)
    elif not meridiem and not seconds:
        words += ["hundred"] if int(hour) > 12 or int(hour) == 0 else ["o'clock"]
    if seconds:
        words += ["and", *cardinal_words(str(int(seconds))), "seconds"]
    return [*words, *meridiem]
