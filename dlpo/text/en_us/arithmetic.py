"""Signs between numbers: of sums, sizes, ratios and verses, and from one measure to another."""

from __future__ import annotations

import re

from dlpo.text.common.forms import only_after, text_before
from dlpo.text.common.patterns import late
from dlpo.text.en_us.context import to_or_and
from dlpo.text.en_us.numbers import UNIT, cardinal_words, pair_words
from dlpo.text.en_us.tables import TABLES, any_of

_MATHS = r"[\d.,\s()+*/xyz×÷^%–−-]{0,30}"
_SUM_BEFORE = late(
    rf"(?i)(?:\b(?:{TABLES.patterns('phrases before sums')})|[=+*×÷]) ?{_MATHS}[a-z]?$"
)
_SUM_AFTER = late(
    rf"{_MATHS}(?:=\s?(?:[-(?\d]|[a-z]\b|$)|\b(?:equals?|makes?|is) -?\d)"
    r"|[\d.,\s()–-]{0,20}[+*×÷]\s?\d"
)
_SIZE_BEFORE = late(
    rf"(?i)\b(?:{any_of('before sizes')}):? (?:\d[\d.,]{{0,8}}\"? ?x? ?){{1,3}}$"
    r"|(?:x ?|/)\d[\d.,]{0,8} ?$|#\d{1,2} $"
)
_SIZE_AFTER = late(
    r"\s?\d[\d.,]{0,8}(?: ?x ?\d{1,5}){0,2}"
    rf"(?:\s?(?:in|{UNIT})\b|[\"']|[ -](?!(?:{any_of('no nouns')})\b)[a-z]{{2}}|\s?x\b)"
)
_NOT_DIVIDED = late(
    r"(?i)\b(?:pages?|steps?|slides?|parts?|score[ds]?|rate[ds]?|rating|bp|pressure|levels?):? "
    r"(?:(?:is|was|of|it) )?\d{1,3} $|\b24 $|\d:\d\d $"
)
_WORKS = late(r"(?i)\b(?:work(?:s|ed|ing)?|employed|hired|teach(?:es)?|taught|go(?:es)?)(?: at)? $")
_IN_TIME = late(r"\bin \d{1,2}/[48]\b|\d/[48] time\b")
_OF_SERIES = late(
    r"(?i)\b(?:slides?|pages?|steps?|tracks?|photos?|image|lesson|question):? \d{1,3} $"
)
_RATIO_BEFORE = late(
    rf"(?i)\b(?:{any_of('before ratios')})(?: (?:is|are|was|of|to|by|in|an?|the|it|them|us)){{0,2}}"
    r":? ?$"
)
_RATIO_AFTER = late(r"(?i)[ -](?:ratio|odds|scale|mix|mixture|dilution|split|aspect|favorite)\b")
_MEETING_BEFORE = late(
    r"(?i)\b(?:weekly|biweekly|monthly|quarterly|my|our|your|his|her|their|every|next|last|this"
    r"|(?:schedule|book|have|had|need|want|cancel|skip|move) (?:a|the)) $"
)
_MEETING_AFTER = late(
    r"\s?[.,;!?)]|\s?$| (?:is|was|on|at|for|in|to|and|today|tomorrow|yesterday|this|next|meetings?"
    r"|calls?|sessions?|chats?|notes?|agenda)\b"
)
_MEETING_OPENS = late(r"(?:^|[\n\"“(:] ?|\b(?:[Aa]|[Tt]he) )$")
_WITH_SOMEBODY = late(r" with (?:my|your|our|his|her|their|[A-Z][a-z])")
_CLOCK = late(r"(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d)?")
_MINUTES = late(r"(?:2[5-9]|[3-9]\d):[0-5]\d")  # minutes and seconds of a race or film
_TIME_UNIT = late(r" (?:min(?:ute)?s?|hours?|hrs?)\b")
_WITHOUT_TO = ("16:9", "16:10", "21:9", "32:9")  # of screens
_NAMED_RATIO = late(r"(?i)(?<!aspect )(?<!screen )\bratio(?: is| are| was| of|:)? $")
_BOOK = late(
    rf"\b(?:{any_of('books of verses')}|(?:{any_of('abbreviated books')})\.?) "
    r"(?:\d{1,3}:\d{1,3}(?:[-–]\d{1,3})?[,;] ){0,3}$"
)
_POWER = late(r"\^\d$")
_POWER_OF_TEN = late(r"\s?10(?:\^|\*\*)")
_MEASURE_BEFORE = late(rf"\d\s?(?:%|[$£€¥]|{UNIT})$")
_MEASURED = late(rf"\d\s?(?:(?:in|{UNIT})\b\.?|[\"'])\s?$")
arithmetic_13 = only_after(_MEASURED, "by", 16)


def in_sum(match: re.Match[str]) -> bool:
    """Whether what is found is in a problem, a sum or an equation."""
    return sum_follows(match) or _SUM_BEFORE.search(text_before(match, 60)) is not None


def sum_follows(match: re.Match[str]) -> bool:
    """Whether the rest of a sum, or its result, is after the match."""
    return _SUM_AFTER.match(match.string, match.end()) is not None


def minus(match: re.Match[str]) -> list[str] | None:
    return ["minus"] if in_sum(match) or _POWER.search(text_before(match, 3)) else None


def divided(match: re.Match[str]) -> list[str] | None:
    """10 / 2, page 3 / 12; but not 24 / 7."""
    before = text_before(match)
    if _OF_SERIES.search(before):
        return ["of"]
    return None if _NOT_DIVIDED.search(before) else ["divided", "by"]


def times_or_by(match: re.Match[str]) -> list[str]:
    """7 x 8, but 3 by 5 inches and a 4 by 6 photo."""
    is_spaced = text_before(match, 1) == " "
    if _POWER_OF_TEN.match(match.string, match.end()):
        return ["times"]
    if in_sum(match) and (is_spaced or sum_follows(match)):
        return ["times"]
    is_size = _SIZE_AFTER.match(match.string, match.end()) or _SIZE_BEFORE.search(
        text_before(match, 60)
    )
    return ["by" if is_size or not is_spaced else "times"]


def to_between(match: re.Match[str]) -> list[str]:
    """A dash between two times or days."""
    return [to_or_and(match)]


def to(match: re.Match[str]) -> list[str] | None:
    """20%-30%, 5kg - 10kg."""
    if not _MEASURE_BEFORE.search(text_before(match, 16)):
        return None
    return ["minus" if in_sum(match) else to_or_and(match)]


def verse(match: re.Match[str]) -> list[str] | None:
    if not _BOOK.search(text_before(match, 60)):
        return None
    *words, last = cardinal_words(match["chapter"])
    verse = cardinal_words(match["verse"])
    comma = "," * (match["chapter"][-1] == "0" and len(match["verse"]) == 1)  # not twenty three
    words += [last + comma, *verse]
    ends = [one for one in (match["verse_to"], match["verse_last"]) if one]
    return words + ["to"] * bool(ends) + [word for one in ends for word in cardinal_words(one)]


def ratio(match: re.Match[str]) -> list[str] | None:
    """3:1, 16:9, 1:10 where it is no time of day, and the minutes and seconds of 52:31."""
    parts = match[0].split(":")
    is_ratio = _RATIO_BEFORE.search(text_before(match, 30)) or _RATIO_AFTER.match(
        match.string, match.end()
    )
    is_share = len(parts) == 2 and int(parts[0]) + int(parts[1]) == 100
    if _MINUTES.fullmatch(match[0]) and not (is_ratio or is_share):
        minutes, seconds = parts
        if seconds != "00":
            return cardinal_words(minutes) + pair_words(seconds)
        if _TIME_UNIT.match(match.string, match.end()):
            return cardinal_words(minutes)
        one = text_before(match, 2).lower() == "a "
        return [*cardinal_words(minutes), "minute" if one else "minutes"]
    is_time = _CLOCK.fullmatch(match[0]) is not None
    if any(part[0] == "0" != part for part in parts) or (is_time and not is_ratio):
        return None
    first, *others = map(cardinal_words, parts)
    named = match[0] in _WITHOUT_TO and not _NAMED_RATIO.search(text_before(match))
    between = [] if is_share or named else ["to"]
    return first + [word for other in others for word in [*between, *other]]


def one_on_one(match: re.Match[str]) -> list[str] | None:
    """Our weekly 1:1, a 1:1 with Sam, two 1:1s; but "mix it 1:1 with water", "our 1:1 mapping"."""
    before, end = text_before(match, 24), match.end()
    is_meeting = _MEETING_BEFORE.search(before)
    if _WITH_SOMEBODY.match(match.string, end):
        is_meeting = is_meeting or _MEETING_OPENS.search(before)
    elif not _MEETING_AFTER.match(match.string, end):
        is_meeting = None
    if not (is_meeting or match[1]):
        return None
    return ["one", "on", "ones" if match[1] else "one"]


def _scale(match: re.Match[str]) -> list[str]:
    """1:50,000 of a map."""
    first, second = (part for part in match.groups() if part)
    return [*cardinal_words(first), "to", *cardinal_words(second.replace(",", ""))]


def time_signature(match: re.Match[str]) -> list[str] | None:
    """12/8 time, in 4/4; but "on 6/1 and 6/8"."""
    before = text_before(match)
    if _WORKS.search(before) and match[1]:
        return None
    if before.endswith((" and ", " or ")) and match[3] and not _IN_TIME.search(before):
        return None
    return [word for part in match.groups() if part for word in cardinal_words(part)]
