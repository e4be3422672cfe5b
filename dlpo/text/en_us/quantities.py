"""Written measures, fractions, ordinals and plain numbers -> spoken words."""

from __future__ import annotations

import re

from dlpo.text.common.forms import Forms, text_before
from dlpo.text.common.patterns import late
from dlpo.text.en_us.abbreviations import COORDINATE_BEFORE, DIRECTIONS
from dlpo.text.en_us.arithmetic import in_sum, sum_follows
from dlpo.text.en_us.attributes import describes_noun
from dlpo.text.en_us.money import SIGN
from dlpo.text.en_us.numbers import (
    NUMBER,
    SCALE,
    TO,
    UNIT,
    UNITS,
    cardinal_words,
    code_words,
    digit_words,
    grouped_words,
    number_words,
    ordinal_words,
    plural_words,
    scale_words,
    year_words,
)
from dlpo.text.en_us.tables import TABLES, any_of, word_list
from dlpo.text.en_us.technical import TERMS, version_words

_POWERS = {"2": ["squared"], "3": ["cubed"]}
# What precedes a number that is read digit by digit, in groups, or as a version.
_BEFORE_DIGITS = late(
    rf"(?i)(?:#|(?<!\S),{{2,16}}|\*{{4,16}}|\b(?:{any_of('have codes of digits')}"
    rf"|{TABLES.patterns('phrases before digits')})"
    r"(?: is| are|:)?|\b(?:number|no\.)(?: is|:)) ?(?:(?-i:[A-Z]{1,3}) )?(?:\d{3,6} ){0,6}$"
)
_BEFORE_SHORT_CODE = late(
    r"(?i)\b(?:te?xt|sms|reply|messag|send)[a-z]{0,3} (?:the (?:key)?(?:word|code) )?"
    r"(?:(?:(?-i:[A-Z][A-Z\d]{1,14})|[\"'][a-z\d]{1,15}[\"'])(?: or | and | )){1,3}"
    r"(?:to \d{5,6},? (?:or|and) [A-Z\d]{2,15} )?(?:to|at) (?:number )?$|\btext (?:us|me|them) at $"
)
_BEFORE_GROUPS = late(
    rf"(?i)\b(?:{any_of('have grouped numbers')}) $|\b(?:US|I|SR|CA)-$"
    r"|\b[Bb]link-$|\b[Pp]ort is $"
    r"|(?-i:\b(?:Forms?|[Uu]nit|IRS Pub\.|Publication|[Tt]rain [Nn]o\.|Train|H\.\s?R\.)) $"
)
_BEFORE_COURSE = late(rf"\b(?:{any_of('courses')}) $")
_WORD_AFTER = late(r" ([a-z]{2,20})\b")
_AIRLINE = late(r"\b(?:American|United|Delta|Southwest|JetBlue|Alaska|Spirit|Frontier) $")
_FLIES = late(
    r" (?:(?:from|to) [A-Z]{3}\b|(?:is|has|was) (?:now |been )?(?:boarding|delayed|cancel|on time"
    r"|depart|arriv|landed)|(?:departs|arrives)\b)"
)
_FLIGHT = late(r"\b[Ff]lights? (?:(?:number|no\.|#) ?)?(?:[A-Z]{2} ?)?#?$")
_BEFORE_VERSION = late(rf"(?i)\b(?:{any_of('have versions')}) ?[≥≤<>]? ?$|[<>=~]=\s?$")
_LETTERS = frozenset(unit for unit in UNITS if len(unit) == 1)
_STREET = late(
    r"[A-Z]?\s(?:[NSEW]\.?\s(?=\d{1,3}(?:st|nd|rd|th)\b)"
    r"|(?:[NSEW]\.?\s)?(?:(?:St|Mt|Ft)\.\s)?(?:\d{1,3}(?:st|nd|rd|th)|[A-Z]\w{1,20}(?:\s[A-Z][a-z]{1,20})?)\s"
    rf"(?:{any_of('streets')})\b)"
)
_LETTERED = late(
    rf"(?i)\b(?:{any_of('have lettered numbers')})(?: (?:is|are|was|no\.|number)|:)? #?"
    r"(?:\d{1,3}[A-Z](?:, | and | or | to |-|/)){0,3}$"
)
_SECOND_SEAT = late(r"(?:, | and | or | to |-|/)\d{1,3}[A-Z]\b")
_ARTICLE_BEFORE = late(r"(?i)\b(?:an?|the|this|that|per) $")
_PINTS_AFTER = late(rf"\.?\)? (?:{TABLES.patterns('hold pints')})\b")
_POINTS_AFTER = late(rf" (?:{TABLES.patterns('are in points')})\b")
_OF_ROAD = late(r"\b(?:SR|US|CR|FM|[Hh]wy\.?|Highway|Rte\.?|Route|Interstate|I)[ -]$")
_DENOMINATORS = {"2": "half", "4": "quarter"}
_SAID_PLAINLY = ("24/7", "9/11", "7/11", "20/20")

_PAIR = late(r"\d\d[-–]\d\d?")
_SHARED = late(r" (?:split|mix|blend|ratio|rule|deal|chance|odds|partners)")
_AIRPLANE = late(r"7[0-8]7-(?:[1-9]00|\d{1,2})")
_AFTER_MARK = late(r" ([A-Za-z]{2,20})\b")
_BEFORE_DISTANCE = late(r"(?i)\b(?:in|after|within|for|about|go|drive|walk) $")
_NO_NOUN = word_list("no nouns")
_OPEN_QUOTATION = late(r"(?:^|[\s(\[])\"[^\"]{0,300}$")
_RACES = frozenset(f"{n}{k}" for n in (10, 12, 15, 20, 25, 30, 50, 100) for k in "kK")
_BEFORE_RACE = late(
    r"(?i)\b(?:ran|runs?|running|raced?|jogged|finish(?:ed|es)?|completed|entered"
    r"|train(?:s|ed|ing)? for|form)"
    r"(?: (?:an?|the|my|your|his|her|our|their|first|another|last|charity|local)){1,3} $"
    r"|\b\d{1,2}[kK] (?:and|or) (?:an? )?$"
)
_AFTER_RACE = late(r"(?i) (?:(?:trail )?run|races?|runners?|course|personal best|filings?)\b")
_RACE_GOES_ON = late(
    r"(?i)[.,;:!?)]|\s?$"
    r"| (?:in|on|at|for|this|last|next|with|and|as|to|yesterday|today|tomorrow|every)\b"
)
_PRICED = late(rf"\d\s?(?:x|[%¢]|{SCALE}|{SIGN}|(?:{UNIT})(?:\^[23])?(?:/(?:{UNIT}))?)?$")
_PLURAL = late(r"\b[a-z]{3,20}s$")
_COUNTED_PLURAL = late(r"\d (?!adults|parents)[a-z]{3,20}(?<!s)s$")  # 2 items/person
_COUNTED = late(r"\b\d{1,4} ?(?!days?|hours?|hrs?|h\b)[a-z]{1,15}$")
_TIMES = word_list("follow a slash after plurals")
_PROPORTION = late(r"\d\d/\d\d")
_IN_ROW = late(rf"(?i)\b(?:{any_of('come in a row')}) $")
_FULL_MARKS = ("5", "10", "20", "25", "50", "100")
_OF_WHOLE = late(r" (?:of|inch|mile|hour|cup|second)\b")
_OF_EYES = late(r"(?i)\b(?:vision|acuity|eyes?|eyesight|snellen)\b[^.!?;]{0,24}$")
_EYES_AFTER = late(r" (?:\w{1,9} )?(?:vision|acuity|eyesight)\b")
_NO_SIZED = late(  # after "5/8 in."
    r" (?:thick|wide|long|tall|deep|high|of|from|in|on|to|above|below|apart|per|and|or|at|larger"
    r"|smaller|shorter|longer|wider|thicker|deeper)\b|[.,;:)]|\s*$"
)
_OF_SCORE = late(
    r"(?i)\b(?:scor(?:e|es|ed|ing)|got|gets|grades?|ratings?|rated|marks?|earned|perfect|solid|pain"
    r"|(?:give|gave|rate|gives) (?:it|this|that|them|us|him|her))"
    r"(?: (?:was|is|of|at|level|as|only|about))?:? (?:an? )?$"
)


_AFTER_LETTER = late(r"\d[A-Z]-?$|(?<![\w-])[A-Z]-$")  # 7B-113, C-130
_SERVICE = late(r"[2-8]11|988")
_CALLED = late(
    r"(?i)\b(?:call|dial|phone|text|tty)(?:s|ed|ing)?:? "
    r"(?:(?:[2-9]11|988)(?:,? (?:or|and)|,) ){0,2}$"
)
_GAUGE = late(
    r"(?i)(?:^|[\s,;(])(?:volume|brightness|health|stamina|mana|energy|battery|armor|shield"
    r"|hp|mp|xp):? $"
)
_OF_TIME = {
    "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year",
}  # fmt: skip
_ANGLE = late(r"\s\d{1,3}°")
_ARMED = late(
    r"(?i)\b(?:his|her|your|their) $"
    r"|\b(?:fir(?:e|ed|ing)|shot|guns?|pistol|pull(?:s|ed)|drew|aim(?:ed|ing)|holster(?:ed)?|loaded"
    r"|armed)\b.{0,20} (?:an?|the|with) $"
)
_CHANGE_BEFORE = late(
    r"(?i)\b(?:gap|margin|spread|up|down|rose|fell|risen|fallen|gained|lost|dropped|grew)"
    r"(?: (?:is|was|of|by|a|about))? $|\+/-$|±$"
)
_CHANGE_AFTER = late(
    r" (?:gain|margin|increase|decrease|drop|rise|fall|lead|gap|improvement|change|swing|decline)\b"
)
_OF_FILE = late(r"(?i)\b(?:file|photo|video|image|download|attachment|memory|in size)\b")
_WEATHER = late(
    r"(?i)\b(?:pressure|hurricane|storm|cyclone|typhoon|barometer|winds?|low of|depression)\b"
)


def _fraction(match: re.Match[str]) -> list[str]:
    whole = match["fraction_whole"]
    above = match["above"]
    below = match["below"]
    words = [*number_words(whole), "and"] if whole else []
    unit = (match["fraction_unit"] or "").replace('"', "in")
    one, many = UNITS.get(unit if unit in UNITS else unit.rstrip("."), ("", ""))
    is_proportion = _PROPORTION.fullmatch(match[0]) and int(above) + int(below) == 100
    if "," in below:  # 1/1,000
        return [*cardinal_words(above), "in" if above == "1" else "over", *number_words(below)]
    if unit == "mpg" and len(above) == 2 and not whole:
        return [*_in_city_and_on_road(above, below), *many.split()]
    if match[0] in _SAID_PLAINLY or is_proportion or _is_acuity(match):
        return cardinal_words(above) + cardinal_words(below)
    is_score = above == below or _OF_SCORE.search(text_before(match))
    is_part = many or _OF_WHOLE.match(match.string, match.end())
    if below in _FULL_MARKS and is_score and not is_part:
        return [*cardinal_words(above), "out", "of", *cardinal_words(below)]
    if int(above) <= int(below) > 9 and _GAUGE.search(text_before(match)):  # HP 45/120
        return [*cardinal_words(above), "out", "of", *cardinal_words(below)]
    in_row = _IN_ROW.search(text_before(match)) and not match["fraction_ending"]
    if in_row and 0 < int(above) <= int(below) and not (is_part or whole):
        return [*cardinal_words(above), "of", *cardinal_words(below)]
    if not 0 < int(above) < int(below) <= 100:
        say = code_words if _BEFORE_GROUPS.search(text_before(match)) else cardinal_words
        return [*words, *say(above), "over", *cardinal_words(below), *many.split()]
    has_name = below in _DENOMINATORS and match["fraction_ending"] in (None, "nd")
    part = [_DENOMINATORS[below]] if has_name else ordinal_words(below)
    if above == "1":
        has_article = _ARTICLE_BEFORE.search(text_before(match, 8))  # a 1/2-inch bolt
        small = "an" if below in ("8", "11", "18", "80") else "a"
        article = [] if has_article else [small if whole or one or below == "2" else "one"]
        return [*words, *article, *part, *(many if whole else one).split()]
    words += [*cardinal_words(above), *plural_words(part)]
    if one == "inch" and not whole and _NO_SIZED.match(match.string, match.end()):
        return [*words, "of", "an", "inch"]
    return [*words, *(many if whole else one).split()]


def _is_acuity(match: re.Match[str]) -> bool:
    """20/40 vision."""
    if match["above"] != "20" or match["fraction_unit"] or match["below"][-1] not in "05":
        return False
    after = _EYES_AFTER.match(match.string, match.end())
    return after is not None or _OF_EYES.search(text_before(match)) is not None


def _dotted(match: re.Match[str]) -> list[str]:
    first, *rest = match[0].split(".")
    if len(first) < 4 and all(len(part) == 3 for part in rest):  # 1.234.567
        return number_words(match[0])
    words = cardinal_words(first)
    for part in rest:
        words += ["point", *(cardinal_words(part) if len(part) < 3 else digit_words(part))]
    return words


def _plain_number(number: str) -> list[str]:
    """Four digits from 1010 to 2099 are read in pairs, as a year is; every other number in full."""
    if re.fullmatch(r"10[1-9]\d|1[1-9]\d\d|20\d\d", number):
        return year_words(number)
    return number_words(number)


def _range(match: re.Match[str]) -> list[str] | None:
    first, last = match["range_first"], match["range_last"]
    if _PAIR.fullmatch(match[0]) and _is_pair(match):
        return cardinal_words(first) + cardinal_words(last)
    if _AIRPLANE.fullmatch(match[0]):
        return TERMS[first] + cardinal_words(last)
    if sum_follows(match) or (in_sum(match) and not (match["close"] and _rises(first, last))):
        return None
    words = _plain_number(first)
    if len(first) == 4 and len(last) == 2 and first[0] in "12":  # 1914-18
        return [*words, "to", *cardinal_words(last)]
    return [*words, "to", *_plain_number(last)]


def _is_pair(match: re.Match[str]) -> bool:
    """A 50-50 split, the 80-20 rule, 24-7."""
    first, last = int(match["range_first"]), int(match["range_last"])
    shares = first + last == 100 and (
        first > last or _SHARED.match(match.string, match.end()) is not None
    )
    return first == last or shares or (first, last) == (24, 7)


def _rises(first: str, last: str) -> bool:
    return float(first.replace(",", "")) < float(last.replace(",", ""))


def _is_letter(match: re.Match[str]) -> bool:
    """Whether the letter after a number is no unit: route 9W, seat 12L, 350 W 42nd St."""
    attached = match[0][-2:-1].isdigit() and match[0].isupper()
    of_street = match["unit"] == "W" and _STREET.match(match.string, match.end("measure"))
    groups = _BEFORE_GROUPS.search(text_before(match))
    if match["unit"] == "W" and (
        _OF_ROAD.search(text_before(match))
        or COORDINATE_BEFORE.search(match.string[max(0, match.start() - 40) : match.end() - 1])
    ):
        return True
    return bool(of_street or groups or (attached and _of_place(match)))


def _of_place(match: re.Match[str]) -> bool:
    """Whether a number and a letter name a place: row 12K; but not "it seats 20K"."""
    before = text_before(match)
    is_verb = before.endswith("seats ") and not _SECOND_SEAT.match(match.string, match.end())
    return not is_verb and _LETTERED.search(before) is not None


def _planks(match: re.Match[str]) -> list[str]:
    """2x4s: two by fours."""
    return [*cardinal_words(match[1]), "by", *plural_words(cardinal_words(match[2]))]


def _measure(match: re.Match[str]) -> list[str] | None:
    if match["unit"] in _LETTERS and _is_letter(match):
        return None
    number, to = match["measure"], match["measure_to"]
    one, many = UNITS[match["unit"] or "in"]
    if match["unit"] == "pt" and _is_point(match):
        one = many = "point"
    raised = _raised(match["raised_by"], number) if match["raised_by"] else []
    is_one = number.lstrip("-") == "1" and not to
    single = is_one or match["hyphen"] or match["inch"] or describes_noun(match)
    power = {"2": ["square"], "3": ["cubic"]}.get((match["power"] or "")[1:], [])
    unit = [*power, *(one if single else many).split()]
    words = number_words(number) + raised
    words += ["plus"] * bool(match["more"])
    return [*words, *(["to", *number_words(to)] if to else []), *unit]


def _is_point(match: re.Match[str]) -> bool:
    """A 3-pt. shot, 12 pt. Arial; but a 1-pt. jar, 2 pt. of cream."""
    if match["hyphen"] and match["measure"] not in ("1", "2"):
        return _PINTS_AFTER.match(match.string, match.end()) is None
    return _POINTS_AFTER.match(match.string, match.end()) is not None


def _mark(match: re.Match[str]) -> list[str] | None:
    """Inches and feet by their marks, where no quotation is open."""
    number, mark = match["marked"], match["mark"]
    if mark == '"' and _OPEN_QUOTATION.search(text_before(match, 300)):
        return None
    one, many = UNITS["in" if mark == '"' else "ft"]
    following = _AFTER_MARK.match(match.string, match.end())
    is_distance = mark == "'" and _BEFORE_DISTANCE.search(text_before(match))  # in 500' turn
    describes = following is not None and following[1].lower() not in _NO_NOUN
    single = number == "1" or (describes and not is_distance)
    words = [*number_words(match["marked_from"]), "to"] if match["marked_from"] else []
    return [*words, *number_words(number), one if single else many]


def _many(match: re.Match[str]) -> list[str] | None:
    """5M users; but "Llama 70B is"."""
    following = _AFTER_MARK.match(match.string, match.end())
    if following is not None and following[1].lower() in _NO_NOUN:
        return None
    return _thousands(match)


def _is_race(match: re.Match[str]) -> bool:
    """A 10K run, she finished the 10K in May; but not "we ran a 10K test"."""
    text, end = match.string, match.end()
    if _AFTER_RACE.match(text, end):
        return True
    return bool(_BEFORE_RACE.search(text_before(match)) and _RACE_GOES_ON.match(text, end))


def _thousands(match: re.Match[str]) -> list[str] | None:
    """20k; but "row 12K", and a 10K race."""
    if _of_place(match):
        return None
    if match[0] in _RACES and _is_race(match):
        return [*number_words(match[0][:-1]), "K"]
    return [*number_words(match[0][:-1]), *scale_words(match[0][-1])]


def _per(match: re.Match[str]) -> list[str] | None:
    """ "/s" after a measure or an amount."""
    written, before = match[0][1:].rstrip("."), text_before(match)
    after_plural = written in _TIMES and _PLURAL.search(before)
    if not (after_plural or _PRICED.search(before) or _COUNTED_PLURAL.search(before)):
        return None
    return ["per", *(UNITS[written][0].split() if written in UNITS else [written])]


def _per_hours(match: re.Match[str]) -> list[str] | None:
    """Max 5 doses/24 hr; but "open/24 hours"."""
    return ["per"] if _COUNTED.search(text_before(match)) else None


def _is_course(match: re.Match[str], before: str) -> bool:
    """Econ 201; but "In Chemistry 101 people failed"."""
    after = _WORD_AFTER.match(match.string, match.end())
    return bool(_BEFORE_COURSE.search(before) and not (after and after[1] not in _NO_NOUN))


def _raised(exponent: str, base: str) -> list[str]:
    if exponent in _POWERS and base != "10":
        return _POWERS[exponent]
    return ["to", "the", *([] if base == "10" else ["power", "of"]), *number_words(exponent)]


def _number(match: re.Match[str]) -> list[str]:
    number, before = match[0], text_before(match)
    if re.fullmatch(r"\d+\.\d+", number) and _BEFORE_VERSION.search(before):
        return version_words(number)
    if not number.isdigit() or len(number) < 2:
        return _plain_number(number)
    flies = _FLIES.match(match.string, match.end()) and _AIRLINE.search(before)
    if flies or _FLIGHT.search(before):  # UA 1549
        return grouped_words(number)
    if _SERVICE.fullmatch(number) and _CALLED.search(before):
        counted = _WORD_AFTER.match(match.string, match.end())
        if counted is None or counted[1] in _NO_NOUN or not counted[1].endswith(("s", "people")):
            return digit_words(number)
    if len(number) in (5, 6) and _BEFORE_SHORT_CODE.search(text_before(match, 60)):
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
        or _BEFORE_GROUPS.search(before)
        or _is_course(match, before)
        or _STREET.match(match.string, match.end())
    ):
        return code_words(number)
    return TERMS.get(number) or _plain_number(number)


def _ago(match: re.Match[str]) -> list[str]:
    """5m ago, 2d 3h ago."""
    unit = _OF_TIME[match[2]]
    return [*cardinal_words(match[1]), unit + "s" * (match[1] != "1")]


def _shillings(match: re.Match[str]) -> list[str]:
    """2s. 6d."""
    shillings, pence = match.groups()
    words = [*cardinal_words(shillings), "shilling" + "s" * (shillings != "1"), "and"]
    return [*words, *cardinal_words(pence), "penny" if pence == "1" else "pence"]


def _angle(match: re.Match[str]) -> list[str]:
    """40°26'46"N: degrees, minutes and seconds."""
    words = ["minus"] * bool(match["minus"])
    for unit in ("degree", "minute", "second"):
        if number := match[unit + "s"]:
            plain = number if "." in number else str(int(number))
            words += [*number_words(plain), unit + "s" * (plain != "1")]
    if match["side"]:
        words.append(DIRECTIONS[match["side"]])
    if _ANGLE.match(match.string, match.end()):
        words[-1] += ","
    return words


def _caliber(match: re.Match[str]) -> list[str]:
    """.22 rifle, .357 Magnum, .50-cal."""
    words = grouped_words(match[1])
    return [*words, "caliber"] if "cal" in match[0] else words


def _own_caliber(match: re.Match[str]) -> list[str] | None:
    """Firing his .45; but "a .45 correlation"."""
    if not _ARMED.search(text_before(match)):
        return None
    return grouped_words(match[0][1:])


def _percentage_points(match: re.Match[str]) -> list[str] | None:
    """+2.3 pp, a gap of 5 pp; but "1,024 pp."."""
    sign, number = match["pp_sign"], match["pp"]
    if not (sign or "." in number or _CHANGE_BEFORE.search(text_before(match))):
        return None
    single = number == "1" or _CHANGE_AFTER.match(match.string, match.end())
    words = ["plus" if sign == "+" else "minus"] if sign else []
    return [*words, *number_words(number), "percentage", "point" if single else "points"]


def _in_city_and_on_road(first: str, second: str) -> list[str]:
    """18/24 mpg, 28/32 city/highway."""
    *words, last = cardinal_words(first)
    return [*words, f"{last},", *cardinal_words(second)]


def _millibars(match: re.Match[str]) -> list[str] | None:
    """A pressure of 949 mb."""
    before = text_before(match, 60)
    if not _WEATHER.search(before) or _OF_FILE.search(before + match.string[match.end() :][:12]):
        return None
    return [*_plain_number(match[0][:-2].strip()), "millibars"]


FORMS: Forms = (
    (
        "d",
        r"\b(?:\d{1,3}(?:,\d{3}){1,9}|\d{1,15})(?:st|nd|rd|th)\b",
        lambda match: ordinal_words(match[0][:-2].replace(",", "")),
    ),
    ("d", r"(?<![\w.])(\d{1,2})x(\d{1,2})s\b", _planks),
    (
        "d",
        rf"(?<![\w.,-])(?<!Seat )(?<!Room )(?<!Gate )(?<!Unit )(?<!Row )(?<!Apartment )"
        rf"(\d{{1,3}}(?:\.\d{{1,2}})?)(?: |-)?A(?= (?:{any_of('have amps')})\b)",
        lambda match: [*number_words(match[1]), "amp"],
    ),
    (
        "d",
        r"(?:(?<=\b[Uu]nder-)|(?<=\b[Oo]ver-)|(?<=\b[Tt]he under )|(?<=\b[Tt]he over )"
        r"|(?<=\bU)|(?<=\bU-))\d{1,2}s\b",
        lambda match: plural_words(cardinal_words(match[0][:-1])),
    ),
    (
        "d",
        r"(?<![\w.])(\d{1,3})\s?(mo|[mhdwy])(?=\s(?:\d{1,2}\s?[hmd]\s)?ago\b)",
        _ago,
    ),
    (
        "d",
        r"(?<![\w.])(\d{1,2})/(?=[$£€]\d)",  # 3/$15
        lambda match: [*cardinal_words(match[1]), "for"],
    ),
    ("d", r"(?<![\w./])(\d{1,2})s\. ?(\d{1,2})d\b\.?(?=$|[^\w.])", _shillings),
    (
        "d-",
        r"(?<![\w.])(?P<minus>-)?(?P<degrees>\d{1,3})°\s?(?P<minutes>[0-5]?\d(?:\.\d{1,5})?)'"
        r"(?!')(?:\s?(?P<seconds>[0-5]?\d(?:\.\d{1,4})?)(?:\"|''))?(?:,?\s?(?P<side>[NSEW])\b)?",
        _angle,
    ),
    (
        "-",
        rf"(?<!\w)\.(\d{{2,3}})(?=[ -](?i:{any_of('follow a caliber')})\b|-cal\b)(?:-cal\b\.?)?",
        _caliber,
    ),
    (
        "-",
        r"(?<!\w)\.(?:22|25|32|38|40|44|45|50|357|380)"
        r"(?=[,.;!?)\"]{1,3}(?!\d)|$"
        r"| (?:into|from|at|in|and|to|on|with|out|up|was|or|as|back)\b)",
        _own_caliber,
    ),
    (
        "d-",
        r"(?<![\w.])(?P<pp_sign>[+-])?(?P<pp>\d{1,3}(?:\.\d{1,2})?)\s?pp\b"
        r"(?! of\b|\. of\b)(?:\.(?=\s[a-z]))?",
        _percentage_points,
    ),
    (
        "d",
        r"(?<![\w.])(\d\d)/(\d\d)(?= (?:city/h(?:wy|ighway))\b)",
        lambda match: _in_city_and_on_road(match[1], match[2]),
    ),
    (
        "d0",
        r"(?<![\w.])(\d\.\d)K(?= (?i:oled|display|screen|resolution|video|monitor|panel"
        r"|tv|camera|footage|lcd|ips|amoled|uhd|hdr)\b(?! (?:views|plays|likes|ads|calls|sales)))",
        lambda match: [*number_words(match[1]), "K"],
    ),
    (
        "d",
        r"(?<![\w.])(\d{1,3})[ -]bp(?= (?:cut|hike|increase|decrease|rise|drop|move|reduction)\b)",
        lambda match: [*cardinal_words(match[1]), "basis", "point"],
    ),
    (
        "d",
        r"(?<![\w./])1/(\d{2,5}) ?s(?:ec)?\b",
        lambda match: ["one", *ordinal_words(match[1]), "of", "a", "second"],
    ),
    ("d", r"(?<![\w.])(?:8[5-9]\d|9\d\d|10[0-8]\d)(?:\.\d)?\s?mb\b", _millibars),
    (
        "d",
        r"(?<![\w/.])(?:(?P<fraction_whole>\d{1,9})\s{1,2})?(?P<above>\d{1,3})/(?P<below>\d{1,3}(?:,\d{3}(?!\d)){0,3})"
        r"(?:(?P<fraction_ending>th|rd|nd|st)s?\b)?"
        rf"(?!\w|/\w)(?:(?:\s{{0,2}}|-(?=in\.|[a-z]{{2}}))(?P<fraction_unit>c\.|in\.(?=\s[a-z]|[,;:)])"
        rf"|(?:{UNIT})\b(?:\.(?=\s[a-z(\d@&]|\)?[,;:]|\)\s[a-z]))?|\"(?=\s[a-z]|[\s,.;)]|$)))?",
        _fraction,
    ),
    ("d", r"(?<![\w.])\d{1,9}(?:\.\d{1,9}){2,6}(?!\w)", _dotted),
    (
        "-",
        rf"/(?:(?:{UNIT}|{any_of('have a price')})\b)(?:\.(?=\s[a-z]|\)?[,;:]|\)\s[a-z]))?",
        _per,
    ),
    ("-", r"(?<=[a-z])/(?=\d{1,2}\s?(?:h|hrs?|hours|days)\b(?! later))", _per_hours),
    (
        "-",
        r"(?:(?<=[\w)\]])\^|(?:(?<=\d)|(?<=\b[a-z])|(?<=\)))\*\*)[+-]?\d{1,4}(?![\w*])",
        lambda match: _raised(match[0].lstrip("^*"), text_before(match)[-2:]),
    ),
    (
        "d-",
        rf"(?:(?<![\w.])|(?<=\dx))(?P<measure>-?{NUMBER})(?:\^(?P<raised_by>-?\d{{1,3}}))?(?:{TO}(?P<measure_to>{NUMBER}))?"
        rf"(?P<more>\+)?(?:(?:\s?|(?P<hyphen>-(?!t\b)))(?P<unit>{UNIT})(?!(?<=°)\s?[NSEW]\b)(?P<power>\^[23])?"
        r"(?![\w^])(?:\.(?=\s[a-z(\d@&]|\)?[,;:]|\)\s[a-z]|\s(?:Mon|Tues?|Wed|Thurs?|Fri|Sat|Sun)\b[.–-])"
        r"|(?:(?<=\d-[a-z]{2})|(?<=\d-[a-z]{3}))\.(?=\)?\s[A-Z][a-z])|(?<=[\s\d]pt)\.(?=\s(?:Arial|Times|Helvetica|Calibri|Garamond)\b)"
        r"|(?<=[\s\d](?:mi|km|ft|yd))\.(?=\s[NSEW]{1,3} of\b))?"
        r"|\sin\.(?=[\s,;)]|$)|\sin(?=\sx\s\d)"
        r"|(?:(?<=\.\d)|(?<=\.\d\d)|(?<=\.\d\d\d))\sin(?=[;)]|\s\(\d|\sat [A-Z]"
        r"|\s(?:deep|long|wide|tall|thick|high|square|diameter)(?:[.,;:)]|\s(?:and|by|x|at|with|on|\()|$))"
        r"|\sin(?=\sof (?:rain|snow|ice|rainfall|snowfall|precipitation|sleet)\b)"
        r"|(?:(?<=in x \d)|(?<=in x \d\d))\sin\b|(?:(?<=ft \d)|(?<=ft \d\d))\sin\b"
        r"|in\b|(?P<inch>-in(?:\.(?=\s[a-zA-Z])|(?=\s[a-z])))(?!\s(?i:the|an?|one|it|all|this|that|my|your|his|her|our|their|[iw]e?|you|they|s?he)\b)"
        r"|\"(?:(?<=x \d\d\")|(?<=x\d\d\")|(?=\s?(?:x|by|thick|wide|tall|long|deep|high)\b)))",
        _measure,
    ),
    (
        "d",
        r"(?<![\w.'\"/-])(?:(?P<marked_from>\d{1,3})[-–])?(?P<marked>\d{1,3}(?:,\d{3}|\.\d{1,3})?)(?P<mark>\"|'(?!'))(?![\w\"'])",
        _mark,
    ),
    (
        "d",
        r"(?<![\w.])\d{2,4} K\b(?! [a-z])",
        lambda match: [*number_words(match[0][:-2]), "kelvin"],
    ),
    (
        "d",
        r"(?<![\w.-])\d{1,3}(?:\.\d{1,2})?[MB](?= (?!model)[a-z])",
        _many,
    ),
    (
        "d",
        rf"(?<![\w-])(?P<range_first>\d{{1,3}}(?:,\d{{3}}){{1,3}}|\d{{1,9}}(?:\.\d{{1,9}})?)(?:(?P<close>[-–])|{TO})"
        r"(?P<range_last>\d{1,3}(?:,\d{3}){1,3}|\d{1,9}(?:\.\d{1,9})?)(?![\w-]|:\d)",
        _range,
    ),
    (
        "d-",
        r"(?<![\w.])-?(?:\d{2,3}(?:\.\d)?|\d\.\d)[kKM]\b",
        _thousands,
    ),
    ("d-", rf"(?<![\w.,)])-{NUMBER}|(?<!\w)\.\d{{1,40}}|{NUMBER}", _number),
)  # fmt: skip
