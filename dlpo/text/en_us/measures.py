"""Measures and their units, powers, angles and calibers -> spoken words."""

from __future__ import annotations

import re

from dlpo.text.common.forms import text_before
from dlpo.text.common.patterns import late
from dlpo.text.en_us.attributes import describes_noun
from dlpo.text.en_us.compass import COORDINATE_BEFORE
from dlpo.text.en_us.context import BEFORE_GROUPS, STREET_AFTER, to_or_and, word_after
from dlpo.text.en_us.money import SIGN
from dlpo.text.en_us.numbers import (
    SCALE,
    UNIT,
    UNITS,
    cardinal_words,
    digit_words,
    grouped_words,
    number_words,
    plural_words,
)
from dlpo.text.en_us.tables import TABLES, any_of, word_list

_POWERS = {"2": ["squared"], "3": ["cubed"]}
_NO_NOUN = word_list("no nouns")
_LETTERS = frozenset(unit for unit in UNITS if len(unit) == 1)
_LETTERED = late(
    rf"(?i)\b(?:{any_of('have lettered numbers')})(?: (?:is|are|was|no\.|number)|:)? #?"
    r"(?:\d{1,3}[A-Z](?:, | and | or | to |-|/)){0,3}$"
)
_SECOND_SEAT = late(r"(?:, | and | or | to |-|/)\d{1,3}[A-Z]\b")
_PINTS_AFTER = late(rf"\.?\)? (?:{TABLES.patterns('hold pints')})\b")
_POINTS_AFTER = late(rf" (?:{TABLES.patterns('are in points')})\b")
_OF_ROAD = late(r"\b(?:SR|US|CR|FM|[Hh]wy\.?|Highway|Rte\.?|Route|Interstate|I|Track)[ -]$")
_BEFORE_DISTANCE = late(r"(?i)\b(?:in|after|within|for|about|go|drive|walk) $")
_SCREEN_AFTER = late(r" (?:\d(?:\.\d)?K\b|\d{3,4}[pi]\b|deep[ -]dish\b)")  # a 27" 4K monitor
_OPEN_QUOTATION = late(r"(?:^|(?<!/\d)[\s(\[])\"[^\"]{0,300}$")
_MUCH_BEFORE = late(r"\d[^.;!?]{1,12} of [a-z]{3,16}$")
_AMOUNT_BEFORE = late(r"\b(?i:price|cost|rate|revenue|calories|miles|income|spend)$|(?<!\w)[$£€]$")
_PRICED = late(rf"\d\s?(?:x|[%¢]|{SCALE}|{SIGN}|(?:{UNIT}|[NJ])(?:\^[23])?(?:/(?:{UNIT}))?)?$")
_PLURAL = late(r"\b[a-z]{3,20}s$")
_COUNTED_PLURAL = late(r"\d (?:(?!adults|parents)[a-z]{3,20}(?<!s)s|people|children)$")
_ONE_BEFORE = late(rf"(?i)\b(?:{any_of('before one unit')})(?: an?)? $")
_PRICE_BEFORE = late(rf"(?:{SIGN})\s?\d[\d,.]{{0,12}}[kKMB]?$")
_BATHS_OF_HOME = late(r"(?i)/\s?\d(?:\.5)?\s?ba\b\.? [a-z]{4}")
_BEDROOMS = late(r"(?i)\d ?-?(?:br|bd|bed|bdrm|bedroom)s?\b[^.;]{0,12}$")
_DAY_OR_NIGHT = ("day", "night", "month", "year")
_TIMES = word_list("follow a slash after plurals")
_OF_BLOOD = late(
    r"\b(?:MCHC?|MCV|PTH|DNA|RNA|NT-proBNP|BNP|[Ss]erum|[Cc]ells?|estradiol|[Pp]lasma)\b"
)
_CASH_AFTER = late(r" (?:fees?|machines?|cards?|withdrawals?)\b")
_CHAT_BEFORE = late(r"\b(?:i|im|i'm|only|like|got|have)(?: (?:have|only|like|got)){0,2} $")
_FIELD_BEFORE = late(
    r"(?i)\b(?:work(?:s|ed|ing)?|phd|career|job|course|degree|interested|experience|background"
    r"|expert|skills|internship|research) in $"
)
_NO_RATES = frozenset(("W/L", "L/W", "km/mi", "mi/km", "kg/lb", "lb/kg", "cm/in", "in/cm"))
ALONE = any_of("measure without a number")
_LETTER_UNITS = {"N": "newton", "J": "joule", "A": "amp", "C": "coulomb"}
_PHYSICS = r"force|weight|tension|thrust|friction|energy|work|heat|load|current"
_ROAD_OR_FLAT_BEFORE = late(
    r"(?i)\b(?:routes?|rte|hwy|highway|us|sr|exit|interstate|apt|apartment|unit|suite|ste|seat|row"
    r"|gate|moved to)\.? $"
)
_OF_LETTERS = {
    "N": late(rf" ({_PHYSICS}|spring)\b| (?:of (?:{_PHYSICS})|upward|downward)\b|/(?:kg|m|C)\b"),
    "J": late(rf" ({_PHYSICS}|pulse)\b| of (?:{_PHYSICS})\b|/(?:kg|mol|g|K|s)\b"),
    "C": late(r" of (?:electric )?charge\b()"),
    "A": late(r" (current|load)\b| of current\b|/\d{2,3} ?V\b|,? \d{2,3} ?V\b"),
}
_ENERGY_BEFORE = late(
    rf"(?i)\b(?:{_PHYSICS})\b[^.;!?]{{0,24}}(?:is|of|=|:|was|to|about|by) $|(?<!\w)[FWEQ] ?= ?$"
)
_LETTERS_BEFORE = {
    "N": _ENERGY_BEFORE,
    "J": _ENERGY_BEFORE,
    "C": late(r"(?i)\bcharge (?:of|is|=) $"),
    "A": late(
        r"\d ?V ?[/,@] ?$|\bI ?= ?$|\b(?:draws?|drawing|current(?: is| of)?|rated(?: at)?) $"
    ),
}
_HEATED = late(
    r"(?i)\b(?:bak(?:e|ed|ing)|roast(?:ed|ing)?|broil|(?:pre)?heat(?:ed|ing)?|oven|smoker|grill|simmer"
    r"|temp(?:erature)?|fever|internal)\b(?:[^.;!?]{0,24} (?:to|at|of|is|or|around|about))? "
    r"(?:\d{2,3} ?[FC] ?/ ?)?$"
)
_RUNWAYS = {"L": ["left"], "R": ["right"], "C": ["center"]}
_NOTED = late(
    r"(?:^|[^=×*+/^\w]\s?)(?!(?:inch|yard|mile|foot|feet|(?:centi|milli|kilo)?met(?:er|re)|radius|speed|mass"
    r"|velocity|height|width|length|distance|time|sigma|theta|delta|omega|alpha|beta|gamma|lambda"
    r"|voltage|current|frequency|residual|error|diameter|side|base|second|degree)"
    r"\w{0,2}$)[A-Za-z]{4,20}[.,]?$"
)
_CLAUSE_AFTER = late(r"[.,;:)]|\s(?!plus|minus|times|over|is)[A-Za-z]{2}|\s?$")
HAVE_A_PRICE_AFTER_A_SLASH = any_of("have a price after a slash")


def _is_letter(match: re.Match[str]) -> bool:
    """Whether the letter after a number is no unit: route 9W, seat 12L, 350 W 42nd St."""
    attached = match[0][-2:-1].isdigit() and match[0].isupper()
    of_street = match["unit"] == "W" and STREET_AFTER.match(match.string, match.end("measure"))
    groups = BEFORE_GROUPS.search(text_before(match))
    if match["unit"] == "W" and (
        _OF_ROAD.search(text_before(match))
        or COORDINATE_BEFORE.search(match.string[max(0, match.start() - 40) : match.end() - 1])
    ):
        return True
    return bool(of_street or groups or (attached and of_place(match)))


def of_place(match: re.Match[str]) -> bool:
    """Whether a number and a letter name a place: row 12K; but not "it seats 20K"."""
    before = text_before(match)
    is_verb = before.endswith("seats ") and not _SECOND_SEAT.match(match.string, match.end())
    return not is_verb and _LETTERED.search(before) is not None


def planks(match: re.Match[str]) -> list[str]:
    """2x4s: two by fours."""
    return [*cardinal_words(match[1]), "by", *plural_words(cardinal_words(match[2]))]


def measure(match: re.Match[str]) -> list[str] | None:
    if match["unit"] in _LETTERS and _is_letter(match):
        return None
    if match["unit"] == "pg" and not _OF_BLOOD.search(match.string):
        return None  # pages
    if match["unit"] == "atm" and (
        _CASH_AFTER.match(match.string, match.end()) or _CHAT_BEFORE.search(text_before(match))
    ):
        return None  # at the moment
    if match[0].endswith('"') and _OPEN_QUOTATION.search(text_before(match, 300)):
        return None  # "1999" by Prince
    number, to = match["measure"], match["measure_to"]
    one, many = UNITS[match["unit"] or "in"]
    if match["unit"] == "pt" and _is_point(match):
        one = many = "point"
    raised = _raised(match["raised_by"], number) if match["raised_by"] else []
    is_one = number.lstrip("-") == "1" and not (to or match["scale"])
    single = is_one or match["hyphen"] or match["inch"] or describes_noun(match)
    power = {"2": ["square"], "3": ["cubic"]}.get((match["power"] or "")[1:], [])
    unit = [*power, *(one if single else many).split()]
    words = number_words(number) + raised + (match["scale"] or "").split()
    words += ["plus"] * bool(match["more"])
    return [*words, *([to_or_and(match), *number_words(to)] if to else []), *unit]


def _is_point(match: re.Match[str]) -> bool:
    """A 3-pt. shot, 12 pt. Arial; but a 1-pt. jar, 2 pt. of cream."""
    if match["hyphen"] and match["measure"] not in ("1", "2"):
        return _PINTS_AFTER.match(match.string, match.end()) is None
    return _POINTS_AFTER.match(match.string, match.end()) is not None


def mark(match: re.Match[str]) -> list[str] | None:
    """Inches and feet by their marks, where no quotation is open."""
    number, mark = match["marked"], match["mark"]
    if mark == '"' and _OPEN_QUOTATION.search(text_before(match, 300)):
        return None
    one, many = UNITS["in" if mark == '"' else "ft"]
    following = word_after(match)
    is_distance = mark == "'" and _BEFORE_DISTANCE.search(text_before(match))  # in 500' turn
    describes = following and following not in _NO_NOUN
    describes = describes or _SCREEN_AFTER.match(match.string, match.end()) is not None
    single = number == "1" or (describes and not is_distance)
    words = [*number_words(match["marked_from"]), "to"] if match["marked_from"] else []
    return [*words, *number_words(number), one if single else many]


def per(match: re.Match[str]) -> list[str] | None:
    """ "/s" after a measure or an amount."""
    written, before = match[0][1:].rstrip("."), text_before(match)
    after_plural = written in _TIMES and _PLURAL.search(before)
    is_amount = _PRICED.search(before) or _AMOUNT_BEFORE.search(before)
    alternative = written in _DAY_OR_NIGHT and before.endswith(_DAY_OR_NIGHT)
    is_share = written in _TIMES and not alternative and _MUCH_BEFORE.search(before)
    if not (after_plural or is_amount or is_share or _COUNTED_PLURAL.search(before)):
        return None
    return ["per", *(UNITS[written][0].split() if written in UNITS else [written])]


def bedrooms(match: re.Match[str]) -> list[str] | None:
    """The 3BR/2.5BA ranch; 3 BR, 2 BA."""
    number, between, kind = match.groups()
    noun = "bath" if kind[:2].lower() == "ba" else "bedroom"
    if noun == "bath" and between == " " and not _BEDROOMS.search(text_before(match, 24)):
        return None  # 2 BA degrees
    half = ["and", "a", "half"] if ".5" in number else []
    joined = between != " " or _BATHS_OF_HOME.match(match.string, match.end())
    single = number == "1" or joined or (word_after(match) or "and") not in _NO_NOUN
    return [*cardinal_words(number.removesuffix(".5")), *half, noun + "s" * (not single)]


def _raised(exponent: str, base: str) -> list[str]:
    if exponent in _POWERS and base != "10":
        return _POWERS[exponent]
    return ["to", "the", *([] if base == "10" else ["power", "of"]), *number_words(exponent)]


def power(match: re.Match[str]) -> list[str]:
    """x^2, m^3; nothing for the mark of a footnote: the study²."""
    before = text_before(match)
    is_note = _NOTED.search(before) and _CLAUSE_AFTER.match(match.string, match.end())
    return [] if is_note else _raised(match[0].lstrip("^*"), before[-2:])


def caliber(match: re.Match[str]) -> list[str]:
    """.22 rifle, .357 Magnum, .50-cal."""
    words = grouped_words(match[1])
    return [*words, "caliber"] if "cal" in match[0] else words


def cents(match: re.Match[str]) -> list[str]:
    """Two 73¢ stamps, but 50¢ off."""
    single = match[1] == "1" or describes_noun(match)
    return [*number_words(match[1]), "cent" if single else "cents"]


def letter_unit(match: re.Match[str]) -> list[str] | None:
    """F = 10 N, a 5 N force, 50 J of energy, 12V/5A; but seat 2 A, 5 N Main St."""
    number, between, letter = match.groups()
    text, end = match.string, match.end()
    noun = _OF_LETTERS[letter].match(text, end)
    before = text_before(match)
    at_work = letter != "J" and before.lower().endswith("work: ")  # Work: 12 N Main St
    if at_work or _ROAD_OR_FLAT_BEFORE.search(before):
        return None
    if not (noun or _LETTERS_BEFORE[letter].search(before)):
        return None
    attached = between != " " and letter == "A" and text.startswith("/", end)
    single = number == "1" or attached or (noun and noun[1])
    return [*number_words(number), _LETTER_UNITS[letter] + "s" * (not single)]


def oven(match: re.Match[str]) -> list[str] | None:
    """Bake at 350F, heat to 60 C; but "seat 350F"."""
    if not _HEATED.search(text_before(match)):
        return None
    return [*number_words(match[1]), *UNITS["°" + match[2]][1].split()]


def unit_named(match: re.Match[str]) -> list[str] | None:
    """Mass in kg, weight (lbs); but "works in ml", machine learning."""
    of_field = match[1] == "ml" and _FIELD_BEFORE.search(text_before(match))
    return None if of_field else UNITS[match[1]][1].split()


def unit_alone(match: re.Match[str]) -> list[str] | None:
    """Meters per second squared, grams per cubic centimeter."""
    above, below, power = match.groups()
    if above == below or f"{above}/{below}" in _NO_RATES:  # 0.2% m/m
        return None
    name = UNITS[below][0].split()
    if power and below == "s":
        name += _POWERS[power]
    elif power:
        name = ["square" if power == "2" else "cubic", *name]
    return [*UNITS[above][1].split(), "per", *name]


def measures_6(match: re.Match[str]) -> list[str] | None:
    return [UNITS[match[1]][0]] if _ONE_BEFORE.search(text_before(match)) else None


def measures_10(match: re.Match[str]) -> list[str] | None:
    return [*digit_words(match[1]), *_RUNWAYS[match[2]]]


def measures_16(match: re.Match[str]) -> list[str] | None:
    return ["per", match[0][1:]] if _PRICE_BEFORE.search(text_before(match)) else None


def measures_20(match: re.Match[str]) -> list[str] | None:
    return [*number_words(match[0].rstrip(" K")), "kelvin"]
