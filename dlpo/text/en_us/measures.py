"""Measures and their units, powers, angles and calibers -> spoken words."""

from __future__ import annotations

import re

from dlpo.text.common.forms import Forms, only_after, text_before
from dlpo.text.common.patterns import late
from dlpo.text.en_us.attributes import describes_noun
from dlpo.text.en_us.compass import COORDINATE_BEFORE, DIRECTIONS
from dlpo.text.en_us.context import BEFORE_GROUPS, STREET_AFTER, to_or_and, word_after
from dlpo.text.en_us.money import CURRENCIES, SIGN
from dlpo.text.en_us.numbers import (
    NUMBER,
    SCALE,
    TO,
    UNIT,
    UNITS,
    cardinal_words,
    digit_words,
    grouped_words,
    number_words,
    plain_number,
    plural_words,
    scale_words,
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
_EARLIER_PLURALS = late(r"(?:\d{1,3}s(?:,? (?:and|or|&) |, )){1,3}$")
_NOUN_AFTER = late(
    r" (?!(?:and|or|on|in|at|to|from|for|with|as|of|by|were|are|all|is|the|but|this)\b)[a-z]"
)
_PLURAL_BEFORE = late(
    r"(?i)\b(?:got|gets?|getting|gave|all|many|some|more|few|rolled|rolls?|rolling|shoot(?:s|ing)?"
    r"|hits?|hitting|made|mak(?:es?|ing)|wears?|wearing|wore|straight|scored|pocket|of the"
    r"|count(?:s|ing) by|my|his|her|in the(?: low| mid| high)?) $|(?-i:(?:^|[.!?] )The $)"
)
_PAIRS_BEFORE = late(
    r"(?i)\b(?:two|three|four|five|six|several|pairs? of|those|these|swap|replace|count by) $"
)
_RAN_BEFORE = late(r"(?i)\b(?:ran|runs?|running|swam|swims?|swimming|did|of) $")
_MUCH_BEFORE = late(r"\d[^.;!?]{1,12} of [a-z]{3,16}$")
_AMOUNT_BEFORE = late(r"\b(?i:price|cost|rate|revenue|calories|miles|income|spend)$|(?<!\w)[$£€]$")
_PRICED = late(rf"\d\s?(?:x|[%¢]|{SCALE}|{SIGN}|(?:{UNIT}|[NJ])(?:\^[23])?(?:/(?:{UNIT}))?)?$")
_PLURAL = late(r"\b[a-z]{3,20}s$")
_COUNTED_PLURAL = late(r"\d (?:(?!adults|parents)[a-z]{3,20}(?<!s)s|people|children)$")
_COUNTED = late(r"\b\d{1,4} ?(?!days?|hours?|hrs?|h\b)[a-zA-Z]{1,15}$")
_ONE_BEFORE = late(rf"(?i)\b(?:{any_of('before one unit')})(?: an?)? $")
_PRICE_BEFORE = late(rf"(?:{SIGN})\s?\d[\d,.]{{0,12}}[kKMB]?$")
_BATHS_OF_HOME = late(r"(?i)/\s?\d(?:\.5)?\s?ba\b\.? [a-z]{4}")
_BEDROOMS = late(r"(?i)\d ?-?(?:br|bd|bed|bdrm|bedroom)s?\b[^.;]{0,12}$")
_DAY_OR_NIGHT = ("day", "night", "month", "year")
_TIMES = word_list("follow a slash after plurals")
_AT_BAT = late(r"\b(?:hit|hits|homers?|homered|RBIs?|slugged|belted|batt?ed|batting)\b")
_PASSING = late(r"\b(?:threw|throws|thrown|TDs?|yards|yds|passing|passes|completions|sacks)\b")
_AT_WORK = late(r"(?i)\b(?:RN|LPN|CNA|nurses?|shifts?|nights)\b")
_ANGLE = late(r"\s\d{1,3}°")
_ARMED = late(
    r"(?i)\b(?:his|her|your|their) $"
    r"|\b(?:fir(?:e|ed|ing)|shot|guns?|pistol|pull(?:s|ed)|drew|aim(?:ed|ing)|holster(?:ed)?|loaded"
    r"|armed)\b.{0,20} (?:an?|the|with) $"
)
_OF_FILE = late(r"(?i)\b(?:file|photo|video|image|download|attachment|memory|in size)\b")
_CHANGED = late(
    r"(?i)\b(?:by|up|down|fell|rose|rises?|falls?|dropped|gained|lost|added|widened|tightened|narrowed"
    r"|cuts?|hiked?|raised?|lowered?|jumped|slipped)(?: (?:of|by|about|another))? $"
)
_OF_GENES = late(
    r"\b(?:DNA|RNA|genes?|genome|kb|TSS|fragments?|sequences?|inserts?|primers?|start)\b"
)
_CHANGES = late(r" (?:to \d|wider|tighter|higher|lower|above|below|over)")
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
_ALONE = any_of("measure without a number")
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
_WEATHER = late(
    r"(?i)\b(?:pressure|hurricane|storm|cyclone|typhoon|barometer|winds?|low of|depression)\b"
)


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


def _shifts(match: re.Match[str]) -> list[str] | None:
    """RN, 3x12s, nights; but "two 2x12s"."""
    near = text_before(match, 40) + match.string[match.end() : match.end() + 40]
    if not _AT_WORK.search(near):
        return None
    return [*cardinal_words(match[1]), *plural_words(cardinal_words(match[2]))]


def _planks(match: re.Match[str]) -> list[str]:
    """2x4s: two by fours."""
    return [*cardinal_words(match[1]), "by", *plural_words(cardinal_words(match[2]))]


def _pressures(match: re.Match[str]) -> list[str]:
    """140s/90s of blood."""
    first, second = (plural_words(grouped_words(one)) for one in match.groups())
    return [*first, "over", *second]


def _plural(match: re.Match[str]) -> list[str] | None:
    """5s on her exams, 4s and 5s, two 6s; but "in 5s", "the 5s mark", "two 30s timers"."""
    before, number = text_before(match, 60), match[1]
    earlier = _EARLIER_PLURALS.search(before)
    before = before.removesuffix(earlier[0]) if earlier else before
    sprints = number.endswith("00") and _RAN_BEFORE.search(before)
    is_plural = sprints or _PAIRS_BEFORE.search(before)
    if len(number) != 2 or earlier:  # not got 45s on the clock
        is_plural = is_plural or _PLURAL_BEFORE.search(before)
    if not is_plural or _NOUN_AFTER.match(match.string, match.end()):
        return None
    return plural_words(grouped_words(number))


def _measure(match: re.Match[str]) -> list[str] | None:
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


def _mark(match: re.Match[str]) -> list[str] | None:
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


def _per(match: re.Match[str]) -> list[str] | None:
    """ "/s" after a measure or an amount."""
    written, before = match[0][1:].rstrip("."), text_before(match)
    after_plural = written in _TIMES and _PLURAL.search(before)
    is_amount = _PRICED.search(before) or _AMOUNT_BEFORE.search(before)
    alternative = written in _DAY_OR_NIGHT and before.endswith(_DAY_OR_NIGHT)
    is_share = written in _TIMES and not alternative and _MUCH_BEFORE.search(before)
    if not (after_plural or is_amount or is_share or _COUNTED_PLURAL.search(before)):
        return None
    return ["per", *(UNITS[written][0].split() if written in UNITS else [written])]


def _bedrooms(match: re.Match[str]) -> list[str] | None:
    """The 3BR/2.5BA ranch; 3 BR, 2 BA."""
    number, between, kind = match.groups()
    noun = "bath" if kind[:2].lower() == "ba" else "bedroom"
    if noun == "bath" and between == " " and not _BEDROOMS.search(text_before(match, 24)):
        return None  # 2 BA degrees
    half = ["and", "a", "half"] if ".5" in number else []
    joined = between != " " or _BATHS_OF_HOME.match(match.string, match.end())
    single = number == "1" or joined or (word_after(match) or "and") not in _NO_NOUN
    return [*cardinal_words(number.removesuffix(".5")), *half, noun + "s" * (not single)]


def _in_sport(match: re.Match[str]) -> list[str] | None:
    """He hit 8 HRs, threw 2 INTs; but 8 HRs of sleep."""
    near = text_before(match, 60) + match.string[match.end() : match.end() + 40]
    if not (_AT_BAT if match[0] == "HRs" else _PASSING).search(near):
        return None
    one = text_before(match, 2) == "1 " and match[0] == "INT"
    return ["home", "runs"] if match[0] == "HRs" else ["interception" + "s" * (not one)]


def _raised(exponent: str, base: str) -> list[str]:
    if exponent in _POWERS and base != "10":
        return _POWERS[exponent]
    return ["to", "the", *([] if base == "10" else ["power", "of"]), *number_words(exponent)]


def _power(match: re.Match[str]) -> list[str]:
    """x^2, m^3; nothing for the mark of a footnote: the study²."""
    before = text_before(match)
    is_note = _NOTED.search(before) and _CLAUSE_AFTER.match(match.string, match.end())
    return [] if is_note else _raised(match[0].lstrip("^*"), before[-2:])


def _shillings(match: re.Match[str]) -> list[str]:
    """2s. 6d."""
    shillings, pence = match.groups()
    words = [*cardinal_words(shillings), "shilling" + "s" * (shillings != "1"), "and"]
    return [*words, *cardinal_words(pence), "penny" if pence == "1" else "pence"]


def _minutes(match: re.Match[str]) -> list[str]:
    """Steep 4'30"."""
    return [
        *number_words(match[1]),
        "minute" + "s" * (match[1] != "1"),
        *number_words(match[2]),
        "seconds",
    ]


def _price_per(match: re.Match[str]) -> list[str]:
    """The head of a column: $/sqft, €/kWh."""
    unit = UNITS[match[2]][0] if match[2] in UNITS else match[2]
    return [CURRENCIES[match[1]][1], "per", *unit.split()]


def _feet_and_inches(match: re.Match[str]) -> list[str]:
    """5'-10", 6'-0" as of plans."""
    inches = [] if match[2].strip("0") == "" else cardinal_words(match[2])
    return [*cardinal_words(match[1]), "foot", *inches]


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


def _basis_points(match: re.Match[str]) -> list[str] | None:
    """25bp, +3 bp, a 25 bp cut; but a fragment of 250 bp."""
    sign, number, noun = match.groups()
    around = text_before(match, 30) + match.string[match.end() : match.end() + 24]
    if not noun and _OF_GENES.search(around):
        return None
    near = _CHANGED.search(text_before(match)) or _CHANGES.match(match.string, match.end())
    if not (sign or noun or near):
        return None
    words = ["plus" if sign == "+" else "minus"] if sign else []
    return [*words, *cardinal_words(number), "basis", "point" + "s" * (number != "1" and not noun)]


def _cents(match: re.Match[str]) -> list[str]:
    """Two 73¢ stamps, but 50¢ off."""
    single = match[1] == "1" or describes_noun(match)
    return [*number_words(match[1]), "cent" if single else "cents"]


def _letter_unit(match: re.Match[str]) -> list[str] | None:
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


def _oven(match: re.Match[str]) -> list[str] | None:
    """Bake at 350F, heat to 60 C; but "seat 350F"."""
    if not _HEATED.search(text_before(match)):
        return None
    return [*number_words(match[1]), *UNITS["°" + match[2]][1].split()]


def _unit_named(match: re.Match[str]) -> list[str] | None:
    """Mass in kg, weight (lbs); but "works in ml", machine learning."""
    of_field = match[1] == "ml" and _FIELD_BEFORE.search(text_before(match))
    return None if of_field else UNITS[match[1]][1].split()


def _unit_alone(match: re.Match[str]) -> list[str] | None:
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


def _millibars(match: re.Match[str]) -> list[str] | None:
    """A pressure of 949 mb."""
    before = text_before(match, 60)
    if not _WEATHER.search(before) or _OF_FILE.search(before + match.string[match.end() :][:12]):
        return None
    return [*plain_number(match[0][:-2].strip()), "millibars"]


FORMS: Forms = (
    ("-", r"(?<=\d)/ea\b(?:\.(?=\s[a-z(]|[,;:)]|$))?", "each"),
    (
        "aA",  # in m/s², (mg/dL)
        rf"(?<![\w./$£€-])(?<!\d )({_ALONE})/({_ALONE}|s|h|min)(?:\^([23]))?(?![\w/^'-])",
        _unit_alone,
    ),
    (
        "a",  # mass in kg, weight (lbs)
        r"(?:(?<=\bin )|(?<=\())"
        r"(kg|km|cm|mm|mg|mL|ml|dL|ms(?! (?:paint|word|excel|office|teams)\b|\. \d))"
        r"(?=[.,;:)]|\s?$|\s[a-z(])(?!\s?\d)",
        _unit_named,
    ),
    ("d", r"(?<![\w.])(\d)x(8|10|12)s\b", _shifts),
    ("d", r"(?<![\w.])(\d{1,2})x(\d{1,2}|[1-9]00)s\b", _planks),
    ("d", r"(?<![\w.$])(\d{2,3})s/(\d{2,3})s\b", _pressures),
    ("d", r"(?<![\w.$:-])(?!\d0s)(\d{1,3})s\b(?![/.]\w)", _plural),
    (
        "d",
        r"(?<![\w.,-])(\d{1,2}(?:\.5)?)( |-)?(BRs?|(?<! )(?:BD|bd)s?|BDRMS?|brs?|bdrms?|BAs?|bas?"
        r"|bds?(?=\.?(?:/|,? \d(?:\.5)? ?ba| (?:ap|house|home|condo|unit|for rent|town|ranch))))\b"
        r"(?:\.(?=\s[a-z]|\)?[,;:/]))?",
        _bedrooms,
    ),
    (
        "a",
        r"(?<![\w'./-])(hr|lb|oz)\b(?! (?:rep|person|team|dep|man))(?:\.(?=\s[a-z(]|\)?[,;:]))?",
        lambda match: [UNITS[match[1]][0]] if _ONE_BEFORE.search(text_before(match)) else None,
    ),
    ("aA", r"\b[Aa](?= (?:hr|oz)\b)", "an"),
    ("A0", r"(?:(?<=\b\d )|(?<=\b\d\d ))(?:HRs|INTs?)\b", _in_sport),
    ("A", r"(?<!\d\s)(?<!\d)\bLBs\b", "L B's"),
    (
        "d",
        rf"(?<![\w.,-])(?<!Seat )(?<!Room )(?<!Gate )(?<!Unit )(?<!Row )(?<!Apartment )"
        rf"(\d{{1,3}}(?:\.\d{{1,2}})?)(?: |-)?A(?= (?:{any_of('have amps')})\b|,? \d{{2,3}} ?V\b)",
        lambda match: [*number_words(match[1]), "amp"],
    ),
    ("d", r"(?<![\w.])(\d{1,2})'(1[2-9]|[2-5]\d)\"", _minutes),  # too many for inches
    ("d", r"(?<![\w.])(\d{1,2})'-(\d{1,2})\"", _feet_and_inches),
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
        r"(?<![\w.])([+-]?)(\d{1,3})[ -]?bp\b"
        r"(?:(?= (cut|hike|increase|decrease|rise|drop|move|reduction)\b)|(?! fragment| DNA))",
        _basis_points,
    ),
    (
        "d",  # the 10Y yield; but "aged 30Y"
        r"\b(\d{1,2})[Yy](?= (?:yields?|fixed|Treasur\w{1,4}|notes?|bonds?|mortgages?|rates?|ARMs?"
        r"|gilts?|bunds?|swaps?|auctions?|JGBs?)\b)",
        lambda match: [*cardinal_words(match[1]), "year"],
    ),
    (
        "d",  # 512Mi of memory
        r"(?<![\w.])(\d{1,5})([KMG]i)\b",
        lambda match: [*number_words(match[1]), UNITS[match[2] + "B"][match[1] != "1"]],
    ),
    (
        "d",
        r"(?:(?<=[Rr]unway )|(?<=RWY )|(?<=[Rr]unways ))(\d{1,2})([LRC])\b",
        lambda match: [*digit_words(match[1]), *_RUNWAYS[match[2]]],
    ),
    (
        "-",
        rf"(?<!\w)([$£€])/({UNIT}|{any_of('have a price')})\b",
        _price_per,
    ),
    (
        "d",  # 3.8M km²
        r"(?<![\w.])(\d{1,4}(?:\.\d{1,3})?) ?([kKMB]) (mi|km|ft|m)\^2(?!\w)",
        lambda match: [
            *number_words(match[1]),
            *scale_words(match[2]),
            "square",
            UNITS[match[3]][1],
        ],
    ),
    ("d", r"(?<![\w.,-])(\d{2,3}(?:\.\d)?) ?([FC])\b(?![.'-]\w)", _oven),
    ("d", r"(?<![\w.,-])(\d{1,5}(?:\.\d{1,3})?)(-| )?([NJAC])\b(?![.'-]\w)", _letter_unit),
    (
        "d",  # a 5* hotel
        r"(?<![\w.,])([1-5])\*(?=[ -](?:hotel|resort|review|rating|GP)s?\b)",
        lambda match: [*cardinal_words(match[1]), "star"],
    ),
    ("d", r"(?<=\b[Aa] )9V(?=[.,;:)]|$| (?:and|or)\b)", "nine volt"),
    ("d", r"(?<![\w.,])(\d{1,3}(?:\.\d)?)¢", _cents),
    ("d", r"(?<![\w.])(?:8[5-9]\d|9\d\d|10[0-8]\d)(?:\.\d)?\s?mb\b", _millibars),
    (
        "-",
        rf"/(?:(?:{UNIT}|{any_of('have a price')})\b)(?:\.(?=\s[a-z+&]|\)?[,;:]|\)\s[a-z]))?",
        _per,
    ),
    (
        "-",
        rf"/(?:{any_of('have a price after a slash')})(?![\w/-])",
        lambda match: ["per", match[0][1:]] if _PRICE_BEFORE.search(text_before(match)) else None,
    ),
    ("-", r"(?<=\d)/sh\b", "per share"),
    (
        "-",  # Max 5 doses/24 hr; but "open/24 hours"
        r"(?<=[a-zL])/(?=\d{1,2}\s?(?:h|hrs?|hours|days)\b(?! later))",
        only_after(_COUNTED, "per"),
    ),
    (
        "-",
        r"(?:(?<=[\w)\]])\^|(?:(?<=\d)|(?<=\b[a-z])|(?<=\)))\*\*)[+-]?\d{1,4}(?![\w*])",
        _power,
    ),
    (
        "d-",
        rf"(?:(?<![\w.])|(?<=\dx))(?P<measure>-?{NUMBER})(?:\^(?P<raised_by>-?\d{{1,3}}))?(?:{TO}(?P<measure_to>{NUMBER}))?"
        r"(?P<scale>\s(?:million|billion|trillion)(?=\s(?:[a-zµ]{2}|[kM]W|m\^)))?"
        rf"(?P<more>\+)?(?:(?:\s?|(?P<hyphen>-(?!t\b)))(?P<unit>{UNIT})(?!(?<=°)\s?[NSEW]\b)(?P<power>\^[23])?"
        r"(?![\w^])(?:\.(?=\s[a-z(\d@&+=]|\)?[,;:]|\)\s[a-z]|\s(?:Mon|Tues?|Wed|Thurs?|Fri|Sat|Sun)\b[.–-])"
        r"|(?:(?<=\d-[a-z]{2})|(?<=\d-[a-z]{3}))\.(?=\)?\s(?:[A-Z]\w|\d))|(?<=[\s\d]pt)\.(?=\s(?:Arial|Times|Helvetica|Calibri|Garamond)\b)"
        r"|(?<=[\s\d](?:mi|km|ft|yd))\.(?=\s[NSEW]{1,3} (?:of|on|along|from|past)\b))?"
        r"|\sin\.(?=[\s,;)]|$)|\sin(?=\sx\s\d)"
        r"|(?:(?<=\.\d)|(?<=\.\d\d)|(?<=\.\d\d\d))\sin(?=[;)]|\s\(\d|\sat [A-Z]"
        r"|\s(?:deep|long|wide|tall|thick|high|square|diameter)(?:[.,;:)]|\s(?:and|by|x|at|with|on|\()|$))"
        r"|\sin(?=\sof (?:rain|snow|ice|rainfall|snowfall|precipitation|sleet)\b)"
        r"|(?:(?<=x \d)|(?<=x \d\d)|(?<=\dx\d)|(?<=\dx\d\d))"
        r"(?<![124]x[468])(?<![124] x [468])\sin(?=[),;]|$"
        r"|\s(?:and(?! out\b)|with|weighs?|high|tall|deep|wide|long|thick)\b)"
        r"|(?:(?<=in x \d)|(?<=in x \d\d))\sin\b|(?:(?<=ft \d)|(?<=ft \d\d))\sin\b"
        r"|in\b|(?P<inch>-in(?:\.(?=\s[a-zA-Z])|(?=\s[a-z])))(?!\s(?i:the|an?|one|it|all|this|that|my|your|his|her|our|their|[iw]e?|you|they|s?he)\b)"
        r"|\"(?:(?<=x \d\d\")|(?<=x\d\d\")|(?<=\s\dx\d\")|"
        r"(?=\s?(?:x|by|thick|wide|tall|long|deep(?! dish)|high)\b)))",
        _measure,
    ),
    (
        "d",
        r"(?<![\w.'\"/-])(?:(?P<marked_from>\d{1,3})[-–])?(?P<marked>\d{1,3}(?:,\d{3}|\.\d{1,3})?)(?P<mark>\"|'(?!'))(?![\w\"'](?<![WDHL]))",
        _mark,
    ),
    (
        "d",
        r"(?<![\w.])\d{2,4}(?:\.\d\d)? K\b(?! [a-z])"
        r"|(?<![\w.,$-])(?:2[27]|3[05]|4[01]|50|6[05])00K\b"
        r"(?= (?:color|light|white|warm|cool|bulb|LED)|, \d{1,5} ?lm\b|\))",
        lambda match: [*number_words(match[0].rstrip(" K")), "kelvin"],
    ),
)  # fmt: skip
