"""Written dates, years and times of day -> spoken words; days of the week are in `weekdays`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dlpo.text.common.calendar import DAY, ISO, MONTH, full_name
from dlpo.text.common.forms import text_before
from dlpo.text.common.patterns import late
from dlpo.text.en_us.context import to_or_and
from dlpo.text.en_us.numbers import (
    cardinal_words,
    digit_words,
    ordinal_words,
    pair_words,
    plural_words,
    year_words,
)
from dlpo.text.en_us.tables import any_of, words_of

MONTHS = words_of("months")
MONTH_NAME = (
    rf"(?:{'|'.join(map(str.title, MONTHS))}"
    r"|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?)"
)
YEAR = r"[12]\d{3}\b(?![,.]\d)"
WEEKDAY = r"\b(?:Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun)"
_CENTURIES = ("20", "19")  # of years of two digits, those from 50 are of the second
_BEFORE_DASH = late(
    rf"(?:\b\d\d?|[ap]\.?m\.?|[AP]M|\d[apAP]|:\d\d|\d(?:st|nd|rd|th)|/\d{{4}}|{WEEKDAY}\.?|{MONTH_NAME}|day)$"
)
_BEFORE_NAMED_DAY = late(
    rf"(?:{WEEKDAY}\.?|{MONTH_NAME}(?:\s\d\d?)?|day|\d(?:st|nd|rd|th)"
    rf"|(?:{WEEKDAY}\.?|day),?\s\d\d?/\d\d?(?:/\d\d)?)$"
)
_BEFORE_NOON = late(
    r"(?i)(?:[ap]\.?m\.?|\d[ap]|:\d\d|noon|midnight"
    rf"|(?:[,:]|{WEEKDAY}\.?|\b(?:from|open|at|hours|between)) (?:[1-9]|1[0-2]))$"
)
NAMED_DAY = rf"(?:(?:{MONTH_NAME})(?![a-z])|{WEEKDAY}(?:s|nes|rs|ur)?(?:day)?\b)"
_BEFORE_DAY = late(rf"(?i)\b(?:{any_of('articles')}|{any_of('determiners')}|happy) $")
_SMALL_NUMERAL = late(r"\b(?:[Pp]ages?|pp\.) [ivxl]{1,7}$")
_OF_TIMES = late(
    r" (?:[A-Z][a-z]|fashion|music|style|babies|child|themed|nostalgia|playlist|vibe|cartoon|sitcom"
    r"|(?:kid|rock|hit|movie|song|band|show|party|look(?! at\b)|pop|ballad|tune|classic"
    r"|outfit)s?\b)"
)
_ONE_TIMER = late(
    r"(?i)\b(?:an?|to|for|after|within|every|about|under|over|wait|sleep|timeout|rest) $"
    r"|\b(?:retr(?:y|ies|ying)|again|starts?|refresh\w{0,3}|expires?|restart\w{0,3}|closes?|ends?"
    r"|reconnect\w{0,3}) in $|\b(?:timeout|delay|interval|ttl|limit|cooldown) (?:is|was|of|to) $"
    r"|\b(?:after|timeout|delay|interval|ttl|wait|duration|time|elapsed|every|rest|hold|plank|limit"
    r"|remaining|latency)(?:: ?|=)$|°[CF] $"
)
_MERIDIEM_NEXT = late(r"\s?[-–]\s?\d{1,2}(?::[0-5]\d)?\s?[AaPp]\.?\s?[Mm]\b")
_LASTING = late(
    r"(?i)\b(?:took|takes|take|lasted|lasts|last|ran|runs|runtime|duration|length|elapsed"
    r"|time of|for|in|of|record)(?: (?:is|was))?:? $"
)
MERIDIEM = r"(?:\s?[ap]\.m\.|\s?[ap]m\b|\s?[AP]\.M\.|\s?[AP]M\b)"
BRIEF = r"[apAP]\b(?!'|-[A-Za-z]|\.\w)"  # 2:15p
_BEFORE_HOUR = late(
    r"(?i)(?:\b(?:tu|th|sa|su|at|from|by|until|till?|before|after|around|opens?|closes?|starts?|ends?|between)"
    rf"|@|{WEEKDAY}[a-z]{{0,6}}\.?,?|\d[ap] (?:to|and|or)) $|\d[ap]\s?[-–]\s?$"
)
_AFTER_HOUR = late(
    r"(?:\s?[-–]\s?| (?:to|and|or) )(?:\d{1,2}(?::\d\d)?[apAP]\b|noon|midnight)| [ECMP][SD]?T\b"
    rf"|,? (?:on )?(?:today|tomorrow|tonight|sharp|daily|{NAMED_DAY})"
)
_FIRST_HOUR_BEFORE = late(r"(?<![\d/.:])\d{1,2}(?::\d\d)?\s?[-–]\s?$")  # 5-7p
_SIZED_BEFORE = late(r"(?i)\b(?:sizes?|pages?|pp?\.|petites?) \d{1,2}[-–]$")
_PLAYERS_AFTER = late(r"(?i) (?:board|game|co-op|players?|petite)\b")
_NO_HOUR_BEFORE = late(
    r"(?i)\b(?:chapters?|rows?|seats?|figures?|questions?|units?|sections?|appendix|rooms?|costs?)"
    r" (?:\d{1,2}[ap](?:\s?[-–]\s?| (?:to|and|or) ))?$"
)
_COMES_BEFORE = late(
    r"(?i)\b(?:be|there|here|home|back|ready|done|leav(?:e|ing)|arriv(?:e|ing)|meet|com(?:e|ing)"
    r"|see you|see u|pick (?:me|you|us|him|her|them) up|dinner|lunch|breakfast|work|practice|class"
    r") (?:at|by|till?|until|around|@) ?$"
)
_OF_CODE = late(
    r"(?i)\b(?:codes?|pins?|passcodes?|passwords?|extensions?|ext\.?|badges?) [a-z@]{1,6} ?$"
)
_EVENT_BEFORE = late(
    r"(?i)\b(?:class(?:es)?|meetings?|practice|shows?|games?|doors)"
    r" (?:start|open|close|end|begin)s? (?:at|by|around|@) ?$"
)
_OF_TIME_AFTER = late(r" ?[ap]\.?m\b| (?:tonight|tomorrow|sharp)\b")
_CLAUSE_AFTER = late(
    r"[,;!?)]|\.?\s*$|\.\s| (?:and|or|so|if|but|for|with|w/|then|please|pls|ok|on|in|today)\b"
)
ISO = ISO
MONTH = MONTH
DAY = DAY


def date_words(month: str, day: str, year: str | None) -> list[str]:
    """``("july", "4", "1776")`` -> july fourth seventeen seventy six; ``"25"`` is the year 2025."""
    words = [month, *ordinal_words(day)]
    if not year:
        return words
    return words + year_words(year if len(year) == 4 else _CENTURIES[year >= "50"] + year)


def iso_date(match: re.Match[str]) -> list[str]:
    words = date_words(MONTHS[int(match["iso_month"]) - 1], match["iso_day"], match["iso_year"])
    if match["iso_hour"]:
        words += ["at", *_clock_words(match["iso_hour"], match["iso_minute"], match["iso_second"])]
    return words + (["U", "T", "C"] if match["iso_zone"] else [])


def year_first(match: re.Match[str]) -> list[str]:
    return date_words(MONTHS[int(match["iso_month"]) - 1], match["iso_day"], match["iso_year"])


def slash_date(match: re.Match[str]) -> list[str]:
    month = match["slash_month"]
    day = match["slash_day"]
    year = match["slash_year"]
    if int(month) > 12 or match["slash"] == ".":  # day first, as outside America
        month, day = day, month
    return date_words(MONTHS[int(month) - 1], day, year)


def month_day(match: re.Match[str]) -> list[str]:
    words = date_words(full_name(MONTHS, match["md_month"]), match["md_day"], None)
    if match["md_to"]:
        words += [to_or_and(match), *ordinal_words(match["md_to"])]
    return words + (year_words(match["md_year"][-4:]) if match["md_year"] else [])


def day_month(match: re.Match[str]) -> list[str]:
    words = ["the", *ordinal_words(match["dm_day"]), "of", full_name(MONTHS, match["dm_month"])]
    if _BEFORE_DAY.search(text_before(match, 8)):
        words = words[1:]
    return words + (year_words(match["dm_year"][-4:]) if match["dm_year"] else [])


def month_year(match: re.Match[str]) -> list[str]:
    return [full_name(MONTHS, match["my_month"]), *year_words(match["my_year"][-4:])]


def _meridiem_words(written: str | None) -> list[str]:
    letters = [letter.upper() for letter in written or "" if letter.isalpha()]
    return [*letters, "M"] if len(letters) == 1 else letters


def clock(match: re.Match[str]) -> list[str]:
    text, hour = match.string, match["clock_hour"]
    minutes = match["clock_minute"]
    seconds = match["clock_second"]
    lasts = hour in (*"0123456789", "00") or _LASTING.search(text_before(match, 24))
    if seconds and lasts and not match["clock_meridiem"]:
        return _lasting(hour, minutes, seconds)
    meridiem = _meridiem_words(match["clock_meridiem"])
    if minutes == "00" and not (meridiem or seconds) and _MERIDIEM_NEXT.match(text, match.end()):
        return cardinal_words(hour.lstrip("0") or "0")  # 9:00-9:15 AM
    return _clock_words(hour, minutes, seconds, meridiem)


def lap(match: re.Match[str]) -> list[str]:
    """3:43.13: a time of a race."""
    minutes, seconds, parts = match.groups()
    words = [*cardinal_words(str(int(minutes))), *pair_words(seconds)]
    return [*words, "point", *digit_words(parts)]


def _lasting(hours: str, minutes: str, seconds: str) -> list[str]:
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


def spent(match: re.Match[str]) -> list[str] | None:
    """1h 23m, 2m30s."""
    hours, minutes, seconds = (part or "0" for part in match.groups())
    return _lasting(hours, minutes, seconds) if match[1] or match[3] else None


def military(match: re.Match[str]) -> list[str] | None:
    """0930 hours: oh nine thirty; but "the code at 0451"."""
    if match[3] and _OF_CODE.search(text_before(match, 24)):
        return None
    hour, minutes = match[1] or match[3], match[2] or match[4]
    return pair_words(hour) + (["hundred"] if minutes == "00" else pair_words(minutes))


def loose_clock(match: re.Match[str]) -> list[str] | None:
    """There by 630, at 730 tonight; but "rose by 250", "at 450 degrees", "come by 900"."""
    before, end = text_before(match, 30), match.end()
    is_time = _OF_TIME_AFTER.match(match.string, end) or _EVENT_BEFORE.search(before)
    if not is_time and match[2] != "00":
        is_time = _COMES_BEFORE.search(before) and _CLAUSE_AFTER.match(match.string, end)
    if not is_time:
        return None
    return cardinal_words(match[1]) + (pair_words(match[2]) if match[2] != "00" else [])


def hour(match: re.Match[str]) -> list[str]:
    return cardinal_words(str(int(match["hour"]))) + _meridiem_words(match["hour_meridiem"])


def brief_hour(match: re.Match[str]) -> list[str] | None:
    """At 8a, 8a-5p; but not "question 8a"."""
    if _NO_HOUR_BEFORE.search(text_before(match, 30)):
        return None
    before = _BEFORE_HOUR.search(text_before(match, 20))
    if match["hour_meridiem"] in "pP":
        sized = _SIZED_BEFORE.search(text_before(match, 24))
        if not (sized or _PLAYERS_AFTER.match(match.string, match.end())):
            before = before or _FIRST_HOUR_BEFORE.search(text_before(match, 8))
    return hour(match) if before or _AFTER_HOUR.match(match.string, match.end()) else None


def dash(match: re.Match[str]) -> list[str] | None:
    """A dash between two times, days, months or numerals is spoken."""
    following, before = match.string[match.end()], text_before(match, 16)
    if following.isdigit() and before.lower().endswith(("noon", "midnight")):
        return ["to"]
    if following in "ivx":
        return ["to"] if _SMALL_NUMERAL.search(before) else None
    if following in "IVX":
        return ["to"] if before.endswith(("I", "V", "X")) else None
    if match.string.startswith(("noon", "midnight"), match.end()):
        is_range = following == "m" or not before.endswith("12")  # 12 noon
        return ["to"] if is_range and _BEFORE_NOON.search(before) else None
    is_between = (_BEFORE_NAMED_DAY if following.isalpha() else _BEFORE_DASH).search(before)
    return [to_or_and(match)] if is_between else None


def short_year(match: re.Match[str]) -> list[str]:
    """'08: oh eight, '00: two thousand."""
    digits = match[0][1:]
    return year_words("2000") if digits == "00" else pair_words(digits)


def decade(match: re.Match[str]) -> list[str] | None:
    of_timer = _ONE_TIMER.search(text_before(match, 24)) and not match["decade_century"]
    if of_timer and not _OF_TIMES.match(match.string, match.end()):  # a 30s timer, not 60s America
        return None
    century, tens = match["decade_century"], match["decade_tens"] or match["decade_short"]
    if tens == "00":  # the '00s
        return plural_words(year_words((century or "20") + tens))
    return (cardinal_words(century) if century else []) + plural_words(cardinal_words(tens))
