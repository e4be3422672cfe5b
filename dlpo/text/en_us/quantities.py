"""Ordinals, ranges, thousands and plain numbers -> spoken words."""

from __future__ import annotations

import re

from dlpo.text.common.forms import text_before
from dlpo.text.common.patterns import late
from dlpo.text.en_us.arithmetic import in_sum, sum_follows
from dlpo.text.en_us.context import BEFORE_GROUPS, STREET_AFTER, to_or_and, word_after
from dlpo.text.en_us.measures import of_place
from dlpo.text.en_us.numbers import (
    cardinal_words,
    code_words,
    digit_words,
    grouped_words,
    number_words,
    ordinal_words,
    pair_words,
    plain_number,
    scale_words,
    year_words,
)
from dlpo.text.en_us.tables import TABLES, any_of, word_list
from dlpo.text.en_us.technical import TERMS, version_words

# What precedes a number that is read digit by digit, in groups, or as a version.
_BEFORE_DIGITS = late(
    rf"(?i)(?:#|(?<!\S),{{2,16}}|\*{{4,16}}|\b(?:{any_of('have codes of digits')}"
    rf"|{TABLES.patterns('phrases before digits')})"
    r"(?: is| are|:)?|\b(?:number|no\.)(?: is|:)) ?(?:(?-i:[A-Z]{1,3}) )?(?:\d{3,6} ){0,6}$"
)
_BEFORE_SHORT_CODE = late(
    r"(?i)\b(?:te?xt|sms|reply|messag|send)[a-z]{0,3} (?:the (?:key)?(?:word|code) )?"
    r"(?:(?:(?-i:[A-Z][A-Z\d]{1,14})|[\"'][a-z\d]{1,15}[\"'])(?: or | and | )){1,3}"
    r"(?:to \d{5,6},? (?:or|and) [A-Z\d]{2,15} )?(?:to|at) (?:number )?$"
    r"|\btext (?:us|me|them) at $|(?:^|[.!?]\s)reply to $"
)
_BEFORE_COURSE = late(rf"\b(?:{any_of('courses')}) $")
_WORD_AFTER = late(r" ([a-z]{2,20})\b")
_AIRLINE = late(r"\b(?:American|United|Delta|Southwest|JetBlue|Alaska|Spirit|Frontier) $")
_FLIES = late(
    r" (?:(?:from|to) [A-Z]{3}\b|(?:is|has|was) (?:now |been )?(?:boarding|delayed|cancel|on time"
    r"|depart|arriv|landed)|(?:departs|arrives)\b)"
)
_FLIGHT = late(r"\b[Ff]lights? (?:(?:number|no\.|#) ?)?(?:[A-Z]{2} ?)?#?$")
_BEFORE_VERSION = late(rf"(?i)\b(?:{any_of('have versions')}) ?[≥≤<>]? ?$|[<>=~]=\s?$|\d,<$")
_PAIR = late(r"\d\d[-–]\d\d?")
_CODE = late(r"\d{1,6}-\d{1,6}")
_HOUSE = late(r"\d{1,3}-\d\d")  # of Queens
_BEFORE_CODE = late(
    r"(?i)\b(?:nmfc|p\.l\.|l\.)(?: no\.)? #?$|(?<!§)§ ?$|\b(?-i:No\.) $"
    rf"|\b(?:{any_of('have hyphenated numbers')}) (?:(?:number|no\.|num\.) )?#?$"
)
_LABEL_BEFORE = late(
    rf"(?i)\b(?!(?<=\bthe )(?:building|lot)\b)(?:{any_of('have parts with hyphens')}) "
    r"#?(?:\d{1,3}-\d{1,3}(?:, | and |,? to )){0,6}$"
)
_COUNTED_AFTER = late(r" (?:[a-z]{2,20}s|percent|people|of|times?)\b")
_SHORT_CODE = 5  # characters
_SHARED = late(r" (?:split|mix|blend|ratio|rule|deal|chance|odds|partners)")
_NO_NOUN = word_list("no nouns")
_RACES = frozenset(f"{n}{k}" for n in (10, 12, 15, 20, 25, 30, 50, 100) for k in "kK")
_BEFORE_RACE = late(
    r"(?i)\b(?:ran|runs?|running|raced?|jogged|finish(?:ed|es)?|completed|entered"
    r"|train(?:s|ed|ing)? for|form)"
    r"(?: (?:an?|the|my|your|his|her|our|their|first|another|last|charity|local)){1,3} $"
    r"|\bsign(?:ed|s|ing)? up for (?:an?|the) $|\b\d{1,2}[kK] (?:and|or) (?:an? )?$"
    r"|\b[58][kK]\b[^.!?$]{0,24}\b(?:and|or|an?|the) (?:an? )?$"
)
_AFTER_RACE = late(r"(?i) (?:(?:trail )?run|races?|runners?|course|personal best|filings?)\b")
_RACE_GOES_ON = late(
    r"(?i)[.,;:!?)]|\s?$"
    r"| (?:in|on|at|for|this|last|next|with|and|as|to|is|are|was|yesterday|today|tomorrow|every)\b"
)
_AFTER_LETTER = late(r"\d[A-Z]-?$|(?<![\w-])[A-Z]-$")  # 7B-113, C-130
_SERVICE = late(r"[2-8]11|988")
_CALLED = late(
    r"(?i)\b(?:call|dial|phone|text|tty)(?:s|ed|ing)?:? "
    r"(?:(?:[2-9]11|988)(?:,? (?:or|and)|,) ){0,2}$"
)
_OF_TIME = {
    "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year",
}  # fmt: skip
_LASTS_BEFORE = late(
    r"(?i)\b(?:every|last|past|wait|sleep|idle(?: for)?|time(?:s|d)?[ -]?out(?: after| of| is)?|eta"
    r"|duration|uptime|elapsed|interval|ttl|cooldown|retry in|expires in|refreshes)"
    r"(?:: ?|=| is | of | )$"
)
_IN_SPACE = late(
    r"(?i)\b(?:sw[iau]m\w{0,4}|ran|run|race|sprint|trees?|fence|track|trail|climb|depth|contour|avenue"
    r"|road|walls?|rope|pole|dive|dived|pool|hydrant|plant(?:ed)?|path|wires?|cables?|pipes?|water"
    r"|atmosphere|win|apart|behind|away|along|downloads|mark|steep"
    rf"|{TABLES.patterns('along a course')})\b"
)
_MANY_NEAR = late(
    rf"(?i)(?:every|(?<!the )(?:last|past)) \d{{0,3}} ?(?:{any_of('counted in millions')})\b"
    r"|\b(?:population|revenue|subscribers) [a-z ]{0,20}past $"
)
_ORDER_BEFORE = late(r"(?:^|[\n,;:&•–(-]\s{0,2}|\band )$")
_WON_AFTER = late(
    rf"(?i) (?:\w{{2,12}}[ -]){{0,2}}(?:{TABLES.patterns('who won')})\b"
    r"|(?-i: (?:Emmy|Oscar|Grammy|Tony)-)"
)
_SO_MANY_AFTER = late(
    r" (?:Platinum|(?:Faster|Longer|More|Better|Daily|Weekly|Cheaper|Bigger)"
    r"(?:[.!,;]|$| (?:than|with|bars|lasting)))"
)
_SCALE_AFTER = late(rf"(?i) (?:{any_of('by so many times')})\b")
_DONE_BEFORE = late(
    r"\b(?:[a-z]{3,16}ed|did|ran|went|won|lost|beat|hit|tried|been|it|you|me|him|her|them|us|this"
    r"|that) $"
)


def dotted(match: re.Match[str]) -> list[str]:
    first, *rest = match[0].split(".")
    if len(first) < 4 and all(len(part) == 3 for part in rest):  # 1.234.567
        return number_words(match[0])
    words = cardinal_words(first)
    for part in rest:
        words += ["point", *(cardinal_words(part) if len(part) < 3 else digit_words(part))]
    return words


def range(match: re.Match[str]) -> list[str] | None:
    first, last = match["range_first"], match["range_last"]
    if _is_code(match):
        return [word for part in (first, last) for word in _code_part(part)]
    if _PAIR.fullmatch(match[0]) and _is_pair(match):
        return cardinal_words(first) + cardinal_words(last)
    if sum_follows(match) or (in_sum(match) and not (match["close"] and _rises(first, last))):
        return None
    words = plain_number(first)
    if len(first) == 4 and len(last) == 2 and first[0] in "12":  # 1914-18
        return [*words, "to", *cardinal_words(last)]
    return [*words, to_or_and(match), *plain_number(last)]


def _is_code(match: re.Match[str]) -> bool:
    """Part no. 88-2041, CS 101-02, 41-25 Kissena Blvd; but pages 41-45, days 01-05."""
    if not _CODE.fullmatch(match[0]) or match.string.startswith("%", match.end()):
        return False
    of_street = _HOUSE.fullmatch(match[0]) and STREET_AFTER.match(match.string, match.end())
    section = match["range_last"][0] == "0" != match[0][0] and int(match["range_last"]) > 0
    named = len(match[0]) > _SHORT_CODE and _BEFORE_CODE.search(text_before(match))
    counts = _COUNTED_AFTER.match(match.string, match.end())
    falls = not _rises(match["range_first"], match["range_last"])
    labelled = falls and _LABEL_BEFORE.search(text_before(match))  # Table 2-1, room 4-2
    return bool(of_street or section or labelled or (named and not counts))


def _code_part(digits: str) -> list[str]:
    """``"02"`` -> oh two, ``"2005"`` -> two thousand five, ``"204"`` -> two oh four."""
    if len(digits) == 2:
        return pair_words(digits)
    return year_words(digits) if re.fullmatch(r"(?:19|20)\d\d", digits) else grouped_words(digits)


def _is_pair(match: re.Match[str]) -> bool:
    """A 50-50 split, the 80-20 rule, 24-7."""
    first, last = int(match["range_first"]), int(match["range_last"])
    shares = first + last == 100 and (
        first > last or _SHARED.match(match.string, match.end()) is not None
    )
    return first == last or shares or (first, last) == (24, 7)


def _rises(first: str, last: str) -> bool:
    return float(first.replace(",", "")) < float(last.replace(",", ""))


def many(match: re.Match[str]) -> list[str] | None:
    """5M users; but "Llama 70B is"."""
    if word_after(match) in _NO_NOUN:
        return None
    return thousands(match)


def _is_race(match: re.Match[str]) -> bool:
    """A 10K run, she finished the 10K in May; but not "we ran a 10K test"."""
    text, end = match.string, match.end()
    if _AFTER_RACE.match(text, end):
        return True
    return bool(_BEFORE_RACE.search(text_before(match)) and _RACE_GOES_ON.match(text, end))


def thousands(match: re.Match[str]) -> list[str] | None:
    """20k; but "row 12K", and a 10K race."""
    if of_place(match):
        return None
    if match[0] in _RACES and _is_race(match):
        return [*number_words(match[0][:-1]), "K"]
    return [*number_words(match[0][:-1]), *scale_words(match[0][-1])]


def _is_course(match: re.Match[str], before: str) -> bool:
    """Econ 201; but "In Chemistry 101 people failed"."""
    return _BEFORE_COURSE.search(before) is not None and not _counts(match)


def _counts(match: re.Match[str]) -> bool:
    """Whether a number stands before what it counts."""
    counted = _WORD_AFTER.match(match.string, match.end())
    return counted is not None and counted[1] not in _NO_NOUN


def number(match: re.Match[str]) -> list[str]:
    number, before = match[0], text_before(match)
    if re.fullmatch(r"\d+\.\d+", number) and _BEFORE_VERSION.search(before):
        return version_words(number)
    if not number.isdigit() or len(number) < 2:
        return plain_number(number)
    flies = _FLIES.match(match.string, match.end()) and _AIRLINE.search(before)
    if flies or _FLIGHT.search(before):  # UA 1549
        return grouped_words(number)
    if _SERVICE.fullmatch(number) and _CALLED.search(before):
        counted = _WORD_AFTER.match(match.string, match.end())
        if counted is None or counted[1] in _NO_NOUN or not counted[1].endswith(("s", "people")):
            return digit_words(number)
    is_code = len(number) in (4, 5, 6) and not _counts(match)
    if is_code and _BEFORE_SHORT_CODE.search(text_before(match, 60)):
        return digit_words(number)
    if found := _BEFORE_DIGITS.search(before):
        continues = found[0][-2:-1].isdigit()
        if continues or len(number) > 3 or (len(number) > 2 and found[0] != "#"):
            return digit_words(number)
    if len(number) == 3 and _AFTER_LETTER.search(before):  # 7B-113
        return code_words(number)
    after_letters = len(number) in (4, 5) and re.search(r"\b[A-Z]{2,4} $", before)
    if len(number) > 2 and (
        after_letters
        or BEFORE_GROUPS.search(before)
        or _is_course(match, before)
        or STREET_AFTER.match(match.string, match.end())
    ):
        return code_words(number)
    return TERMS.get(number) or plain_number(number)


def ago(match: re.Match[str]) -> list[str]:
    """5m ago, 2d 3h ago."""
    unit = _OF_TIME[match[2]]
    return [*cardinal_words(match[1]), unit + "s" * (match[1] != "1")]


def repeated(match: re.Match[str]) -> list[str] | None:
    """Failed 3x, called you 5x."""
    is_done = _DONE_BEFORE.search(text_before(match))
    return [*cardinal_words(match[1]), "times"] if is_done else None


def lasting(match: re.Match[str]) -> list[str] | None:
    """Every 5m, in the last 15m, ETA 12m; but "Depth 15m", "swam the last 50m"."""
    before, number = text_before(match, 60), int(match[1])
    near = before + match.string[match.end() : match.end() + 60]
    is_short = number in (1, 2, 3) or (number % 5 == 0 and number <= 90)
    is_sure = is_short or not before.endswith(("every ", "last ", "past "))
    if _MANY_NEAR.search(near):  # past 1m views
        return [*cardinal_words(match[1]), "million"]
    lasts = is_sure and _LASTS_BEFORE.search(before) and not _IN_SPACE.search(near)
    return ago(match) if lasts else None


def ordered(match: re.Match[str]) -> list[str] | None:
    """2x Burger, 1x Fries; but "a 4x Champion", "2x Faster", "3x Zoom"."""
    number = cardinal_words(match[1])
    if match[1] == "1":
        return number if _ORDER_BEFORE.search(text_before(match)) else None
    if _WON_AFTER.match(match.string, match.end()):
        return [*number, "time"]
    if _SO_MANY_AFTER.match(match.string, match.end()):
        return [*number, "times"]
    scaled = _SCALE_AFTER.match(match.string, match.end())
    return number if _ORDER_BEFORE.search(text_before(match)) and not scaled else None


def quantities_2(match: re.Match[str]) -> list[str] | None:
    return ["hundreds" if match[1] == "00" else "thousands"]


def quantities_3(match: re.Match[str]) -> list[str] | None:
    return ordinal_words(match[0][:-2].replace(",", ""))


def quantities_4(match: re.Match[str]) -> list[str] | None:
    return [
        *cardinal_words(match[1] or match[3]),
        *(["plus", *cardinal_words(match[2])] if match[2] else []),
    ]
