"""Days of the week, and months that may be other words, -> spoken words: M-F, Sat. & Sun."""

from __future__ import annotations

import re

from dlpo.text.common.calendar import full_name
from dlpo.text.common.forms import text_before
from dlpo.text.common.patterns import late
from dlpo.text.en_us.calendar import MONTH_NAME, MONTHS, NAMED_DAY
from dlpo.text.en_us.context import previous_word
from dlpo.text.en_us.tables import any_of, word_list, words_of

_WEEKDAYS = words_of("weekdays")
CAPITAL_DAY = r"\b(?:MON|TUES?|WED|THU(?:RS?)?|FRI|SAT|SUN)\b"
_DAY_AFTER = late(rf"(?: ?,|/|-|–|,? (?:&|and|or|to|thru|through)) ?{NAMED_DAY}")
_DAY_BEFORE = late(rf"{NAMED_DAY}\.?(?: ?,|/|-|–|,? (?:&|and|or|to|thru|through)) ?$")
_OF_DAY = late(r" (?:morning|afternoon|evening|night)s?\b|:\s|(?<=\.),| ?,? -?\d{1,3}°|(?<!Sun) , ")
_TIME_NEXT = late(
    r" (?:(?:at|from|by) |@ ?)(?:noon\b|midnight\b|\d{1,2}(?::\d\d)?"
    r"(?:\s?[ap]\.?m?\b|(?![\w%°-]|[.,:]\d| ?(?:km|mi|mph|ft|hours?|tables?)\b)))"
)
_BEFORE_SHORT_DAYS = word_list("before short days")
_NOT_BEFORE_DAYS = word_list("not before days") | {""}
_IN_CLAUSE = late(r"[A-Za-z] $")
_DAY_ENDS = late(
    r"\s?[,;:!?)]|\s?$|(?<=\.)\s|\s(?:works?|is|was|or|and|if|instead|for|because|when|after|before"
    r"|please|then|so|but|with)\b"
)
_BEFORE_DAY = late(rf"(?i)\b(?:{any_of('before days')}) $")
_BEFORE_MONTH = late(rf"(?i)\b(?:{any_of('before months')}|(?:end|start|month) of) $")
_NAME_AFTER = late(r"[-'’]|\s[A-Z]")
_LETTER_DAYS = {
    "M": "monday", "Tu": "tuesday", "T": "tuesday", "W": "wednesday", "Th": "thursday",
    "F": "friday", "Sa": "saturday", "Su": "sunday",
}  # fmt: skip
LETTER_DAY = r"(?:M|Tu|Th|T|W|F|Sa|Su)"
_SURE_DAYS = late(r"M[-–]F|M/W/F|MWF|T/?Th|.*(?:Tu|Th|Sa|Su)")  # others only before a time
_TIME_AFTER = late(r":? (?:\d{1,2}(?::\d\d)?\s?(?:[AaPp]\b|[AaPp]\.?[Mm]\b|[-–]|to )|@ ?\d|at \d)")
_HOURS_AFTER = late(
    r":? (?:@ ?|at )?(\d{1,2})(?::\d\d)?(?:\s?(?:[ap]m?\b|[AP]M\b)|(?: ?[-–] ?| to )(\d{1,3})|\b)"
)
_NO_DAYS = late(r" (?:ratio|sex|gender|transgender|curve|plot)\b")
LOWER_DAY = r"(?:mon|tues?|wed|thu(?:rs?)?|fri|sat|sun)"
_NO_WORDS = ("tue", "thu", "fri")
_OF_LOWER_DAYS = late(r"\b(on|by|free|next|this|last|every|until|till?|since|from|thru|through) $")
_OF_SUN = ("on", "every", "until")  # of "this sun" the star is meant
_OF_TWO_DAYS = late(r"\b(?:on|every|this|next) $")
_HOUR_AFTER = late(r":? (?:at |@ ?|from )?\d{1,2}(?::\d\d)?\s?(?:[ap]\.?m?\b|[-–])")
_OF_LOWER_DAY = late(
    rf",? (?:\d{{1,2}}/\d|(?:at|@) ?\d|{MONTH_NAME} \d|morning|afternoon|evening|night|noon"
    r"|\d{1,2}(?::\d\d)?(?: ?[ap]m?\b| ?[-–] ?\d))"
)
_LOWER_DAY_ENDS = late(r"\s?[,;!?)]|\.?\s*$|\.\s")


def named_day(match: re.Match[str]) -> list[str] | None:
    """A day or a month that may be another word, "Sat" or "Jan", by what is around it."""
    names = MONTHS if match[0][:3] in ("Jan", "Mar", "Jun") else _WEEKDAYS
    before, end = text_before(match, 24), match.end()
    beside_day = _DAY_AFTER.match(match.string, end) or _DAY_BEFORE.search(before)
    is_one = beside_day or (names is _WEEKDAYS and _is_weekday(match))
    after = _BEFORE_MONTH if names is MONTHS else _BEFORE_DAY
    if not (is_one or (not _name_follows(match) and after.search(before))):
        return None
    return [full_name(names, match[0])]


def _name_follows(match: re.Match[str]) -> bool:
    """Whether it is the first of two names: "Sat Singh"; but "Sat. Singh"."""
    return match[0][-1] != "." and _NAME_AFTER.match(match.string, match.end()) is not None


def _is_weekday(match: re.Match[str]) -> bool:
    """Saturday night, dinner Sat at 6, "See you Sun"; but "Sat at 7 tables", "the Sun at noon"."""
    text, end = match.string, match.end()
    if _OF_DAY.match(text, end):
        return True
    continues = _IN_CLAUSE.search(text_before(match, 2)) is not None
    previous = previous_word(match).lower() if continues else ""
    expected = previous in _BEFORE_SHORT_DAYS
    may_be = match[0] != "Sun" and previous not in _NOT_BEFORE_DAYS
    if (match[0][-1] == "." or expected or may_be) and _TIME_NEXT.match(text, end):
        return True
    return expected and _DAY_ENDS.match(text, end) is not None


def capital_days(match: re.Match[str]) -> list[str]:
    """MON-FRI."""
    between = "and" if "&" in match[0] else "to"
    return [full_name(_WEEKDAYS, match["first"]), between, full_name(_WEEKDAYS, match["last"])]


def _has_hours(match: re.Match[str]) -> bool:
    """Whether an hour or two follow: not "18-24"."""
    found = _HOURS_AFTER.match(match.string, match.end())
    return found is not None and all(int(hour or 0) < 13 for hour in found.groups())


def letter_days(match: re.Match[str]) -> list[str] | None:
    """M-F, Tu/Th, MWF; but "the M-F ratio"."""
    written, end = match[0], match.end()
    is_sure = _SURE_DAYS.fullmatch(written) and not _NO_DAYS.match(match.string, end)
    if not (is_sure or (_TIME_AFTER.match(match.string, end) and _has_hours(match))):
        return None
    days = [_LETTER_DAYS[day] for day in re.findall(LETTER_DAY, written)]
    if "-" in written or "–" in written:
        return [days[0], "to", days[-1]]
    return [*days[:-1], "and", days[-1]]


def lower_day(match: re.Match[str]) -> list[str] | None:
    """On fri, on wed, mon 11/18; "sat" and "sun" where they can't be words."""
    written, end = match[0], match.end()
    before = text_before(match, 12)
    found = _OF_LOWER_DAYS.search(before)
    if written[:3] in _NO_WORDS:
        is_day = True
    elif _OF_LOWER_DAY.match(match.string, end):
        opens = not before.strip() and not match.string.startswith(" at", end)
        is_day = bool(found or opens or before.endswith(" to ") or written == "mon")
    else:
        ends = written in ("mon", "wed") or _LOWER_DAY_ENDS.match(match.string, end)
        is_day = bool(found and ends and (written != "sun" or found[1] in _OF_SUN))
    return [full_name(_WEEKDAYS, written)] if is_day else None


def lower_days(match: re.Match[str]) -> list[str] | None:
    """mon-fri, sat & sun, on sat and sun; but "he sat and sun bathed"."""
    end = match.end()
    is_sure = not {match[1][:3], match[3][:3]}.isdisjoint(_NO_WORDS) or (
        match[2] in "-–&" and _LOWER_DAY_ENDS.match(match.string, end)
    )
    of_days = _OF_TWO_DAYS.search(text_before(match, 12)) or _HOUR_AFTER.match(match.string, end)
    if not (is_sure or of_days):
        return None
    between = {"-": "to", "–": "to", "&": "and"}.get(match[2], match[2])
    return [full_name(_WEEKDAYS, match[1]), between, full_name(_WEEKDAYS, match[3])]


def weekdays_2(match: re.Match[str]) -> list[str] | None:
    return [full_name(_WEEKDAYS, match[0])]


def weekdays_7(match: re.Match[str]) -> list[str] | None:
    return [full_name(_WEEKDAYS, match[0])]


def weekdays_9(match: re.Match[str]) -> list[str] | None:
    return [full_name(MONTHS, match[0])]


def weekdays_10(match: re.Match[str]) -> list[str] | None:
    return [full_name(_WEEKDAYS, match[0])]
