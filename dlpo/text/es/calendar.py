"""Written dates and times of day -> spoken words."""

from __future__ import annotations

import re

from dlpo.text.common.calendar import day_and_month, full_name
from dlpo.text.common.forms import text_before, with_pause
from dlpo.text.common.numbers import roman_value
from dlpo.text.common.patterns import late
from dlpo.text.es.numbers import cardinal_words
from dlpo.text.es.tables import any_of, words_of

MONTHS = words_of("months")
WEEKDAYS = words_of("weekdays")
LETTERS = "LMXJVSD"  # of the days of the week
_ARTICLE_BEFORE = late(
    r"(?i)\b(?:entre|hasta|desde|(?:antes|después|a partir) de"
    r"|entre (?:las? )?\d\d?(?::\d\d)?(?: ?[ap]\.? ?m\.?| ?hr?s?\.?)? y"
    rf"|({any_of('before times')})) $"
)
_CAPITAL_AFTER = late(r" (?!Hora|Tiempo)[A-ZÁÉÍÓÚÑ][a-záéíóúñ]")
_PLAIN = str.maketrans("áé", "ae")
_NIGHT = 7  # the hour from which p. m. is night


def day_words(written: str) -> list[str]:
    """Of a month: the first is an ordinal."""
    return ["primero"] if int(written) == 1 else cardinal_words(str(int(written)))


def month_words(written: str) -> list[str]:
    """A month as a number, "09" or "IX", or by its name or the beginning of that."""
    if written.isdigit():
        return [MONTHS[int(written) - 1]]
    if number := roman_value(written):
        return [MONTHS[number - 1]]
    return [full_name(MONTHS, re.sub("(?i)^set", "sep", written))]


def year_words(year: str) -> list[str]:
    """A year; one of two digits is of this century up to 49."""
    if len(year) == 2:
        year = ("20" if year < "50" else "19") + year
    return cardinal_words(year)


def weekday_words(written: str) -> list[str]:
    """A day of the week by its letter, "X", or the beginning of its name, "mie"."""
    if len(written) == 1:
        return [WEEKDAYS[LETTERS.index(written)]]
    begin = written[:3].lower().translate(_PLAIN)
    return [next(day for day in WEEKDAYS if day.translate(_PLAIN).startswith(begin))]


def date_words(day: str, month: int, year: str | None) -> list[str]:
    """``("3", 5, "2024")`` -> tres de mayo de dos mil veinticuatro."""
    words = [*day_words(day), "de", MONTHS[month - 1]]
    return words + (["de", *year_words(year)] if year else [])


def date(match: re.Match[str]) -> list[str] | None:
    """5/6/2024; 5/26/2024 can't be else."""
    found = day_and_month(match, day_first=True)
    return date_words(*found) if found else None


def iso_date(match: re.Match[str]) -> list[str]:
    words = date_words(match["iso_day"], int(match["iso_month"]), match["iso_year"])
    if not match["iso_hour"]:
        return words
    hour, minute = match["iso_hour"], match["iso_minute"]
    exact = (second := match["iso_second"] or "").strip("0") != ""
    clock = duration_words(hour, minute, second) if exact else clock_words(hour, minute)
    return [*words, "a", "las", *clock]


def clock_words(hour: str, minutes: str, period: str = "") -> list[str]:
    """A time of day: siete y quince, catorce treinta, dieciséis horas.

    ``period``: the words after an hour of twelve, of the morning, say.
    """
    words = cardinal_words(str(int(hour)), "f")
    if int(minutes) == 0:
        return words + (["horas"] if (int(hour) > 12 or int(hour) == 0) and not period else [])
    if int(hour) == 0:
        return [*words, "horas", "con", *cardinal_words(str(int(minutes))), "minutos"]
    if int(hour) < 13:
        half = int(minutes) == 30
        return [*words, "y", *(["media"] if half else cardinal_words(str(int(minutes))))]
    return [*words, *cardinal_words(minutes)]


def duration_words(hours: str, minutes: str, seconds: str) -> list[str]:
    """Hours, minutes and seconds; those that are zero aren't said."""
    words: list[str] = []
    units = ((hours, "hora", "f"), (minutes, "minuto", "m"), (seconds, "segundo", "m"))
    for number, one, gender in units:
        if int(number or 0):
            words += [*cardinal_words(str(int(number)), gender), one + "s" * (int(number) != 1)]
    return words or ["cero", "segundos"]


def _period_words(written: str | None, hour: int) -> list[str]:
    if not written:
        return []
    if written.strip()[0] in "aA":
        return ["de", "la", "noche" if hour == 12 else "mañana"]
    if hour == 12:
        return ["del", "mediodía"]
    return ["de", "la", "noche" if _NIGHT <= hour < 12 else "tarde"]


def clock(match: re.Match[str]) -> list[str]:
    """10:30, 10:30:15, 8.30 h, 8 p. m.; "entre 10:00" has an article."""
    found = match.groupdict()
    hour, minutes = match["hour"], found.get("minute") or "00"
    if seconds := found.get("second"):
        return duration_words(hour, minutes, seconds)
    period = _period_words(match["period"], int(hour))
    words = clock_words(hour, minutes, " ".join(period))
    if found.get("horas") and words[-1] != "horas" and int(minutes) == 0:
        words.append("hora" if int(hour) == 1 else "horas")
    if limit := _ARTICLE_BEFORE.search(text_before(match)):  # cita 3:30 pm, hasta 6 pm
        words = [*["a"] * bool(limit[1]), "la" if int(hour) == 1 else "las", *words]
    words += period
    ends = match[0].endswith(".") and _CAPITAL_AFTER.match(match.string, match.end())
    return with_pause(words) if ends else words  # 8 a. m. Regreso 5 p. m.


def hours_and_minutes(match: re.Match[str]) -> list[str]:
    """1h30, 1 h 40 min, 2:30 horas."""
    half = ":" in match[0] and int(match[1]) and match[2] == "30"
    words = duration_words(match[1], "" if half else match[2], "")
    return [*words, "y", "media"] if half else words


def verse(match: re.Match[str]) -> list[str]:
    """Of a chapter: 3:16, 5,3-12, 6:33,34."""
    numbers = re.findall(r"([-–])?(\d+)", match[0])
    return [w for to, n in numbers for w in [*["a"] * bool(to), *cardinal_words(n)]]
