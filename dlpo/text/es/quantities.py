"""Written measures, fractions, ranges, ordinals and plain numbers -> spoken words."""

from __future__ import annotations

import re

from dlpo.text.common.forms import digits_in_groups, text_before
from dlpo.text.common.patterns import late, while_reading
from dlpo.text.common.tables import any_key
from dlpo.text.es.abbreviations import letter_words
from dlpo.text.es.numbers import (
    cardinal_words,
    digit_words,
    ended_ordinal_words,
    number_words,
    part_words,
    split_decimals,
)
from dlpo.text.es.tables import NOUNS, TABLES, table

_UNITS = table("units")  # unit -> its name, singular and plural, and gender
_PER_TIME = TABLES.words("rates")  # as written -> in words
UNIT = any_key(_UNITS.keys() - {'"', "'", "in"})
PER_TIME = any_key(_PER_TIME)
_BIG_AFTER = late(TABLES.pattern("{BIG}"))
_DECIMAL_COMMA = late(r"(?<![\d.,])(?:\d{1,3}(?:\.\d{3}){0,5},\d{1,2}|0,\d{3,9})(?![\d.,]*\d)")
_POWER = late(r"(.{1,12}?)\^?([23])")
_POWERS = {"2": "cuadrado", "3": "cúbico"}
_PARTS_OF_UNITS = (12, 16, 32, 64, 100, 1000)
_OPEN_QUOTATION = {mark: late(rf"(?:^|[\s(\[¿¡]){mark}[^{mark}]{{0,300}}$") for mark in ("'", '"')}


@while_reading(8)  # each number of a text asks
def has_decimal_commas(text: str) -> bool:
    """Whether a writer uses commas for decimals: 1,5 or 0,875."""
    return _DECIMAL_COMMA.search(text) is not None


def amount_words(
    number: str, name: tuple[str, str], gender: str, decimal_comma: bool = False
) -> list[str]:
    """A number and what it counts: un kilo, dos kilos, un millón de kilos."""
    one, many = name
    whole, _, decimals = split_decimals(number.lstrip("-−"), decimal_comma)
    words = number_words(number, gender, decimal_comma)
    return [*words, *has_of(words), *(one if whole == "1" and not decimals else many).split()]


def has_of(words: list[str]) -> list[str]:
    """What is between words of a number and what it counts: un millón de pesos."""
    return ["de"] if words[-1].endswith(("llón", "llones")) else []


def big_words(big: str | None, number: str) -> list[str]:
    """Of " mil mill.": mil, millones; of "M", "MM" and "k" too."""
    words = [re.sub(r"ill\.$", "illones", word) for word in (big or "").split()]
    if words and words[0] in ("M", "MM"):
        return ["millón" if number == "1" else "millones"]
    return ["mil"] if words and words[0] in ("k", "K") else words


def _named(written: str, many: bool) -> tuple[str, str]:
    """The name of a unit, perhaps with a power, and its gender: m, km2, m^3."""
    power = None if written in _UNITS else _POWER.fullmatch(written)
    one, plural, gender = _UNITS[power[1] if power else written]
    name = plural if many else one
    if power:
        adjective = _POWERS[power[2]]
        name += f" {adjective[:-1] + 'a' if gender == 'f' else adjective}{'s' * many}"
    return name, gender


def unit_words(written: str) -> list[str]:
    """``"m^2"`` -> metro cuadrado; ``"sem"``, of a rate, -> semana."""
    return _PER_TIME.get(written) or _named(written, False)[0].split()


def units_words(written: str) -> list[str]:
    """``"m^2"`` -> metros cuadrados."""
    return _named(written, True)[0].split()


def _closes_quotation(match: re.Match[str]) -> bool:
    """Whether a mark after a number is no unit: "sacó 9/10"."""
    opened = _OPEN_QUOTATION.get(match[0][-1])
    return opened is not None and opened.search(text_before(match, 300)) is not None


def measure(match: re.Match[str]) -> list[str] | None:
    """5 kg, -5 °C, 5-6 km, 2 mil m², 6'; the unit is one of several words, too."""
    if _closes_quotation(match):
        return None
    found = match.groupdict()
    number, unit = found["measure"], found["unit"] or found["mark"]
    (one, gender), (many, _) = (_named(unit, plural) for plural in (False, True))
    words = [*number_words(found["least"], gender), "a"] if found.get("least") else []
    if big := big_words(found.get("big"), number):
        of = [] if big[-1] == "mil" else ["de"]
        return [*words, *number_words(number, "m"), *big, *of, *many.split()]
    decimal_comma = has_decimal_commas(match.string)
    return [*words, *amount_words(number, (one, many), gender, decimal_comma)]


def sizes(match: re.Match[str]) -> list[str]:
    """2x1, 20x30x10 cm, 3x80 g."""
    *others, last = re.findall(r"\d+", match[0])
    words = [word for number in others for word in [*cardinal_words(number), "por"]]
    if not (unit := match["size_unit"]):
        return words + cardinal_words(last)
    one, many, gender = _UNITS[unit]
    return words + amount_words(last, (one, many), gender)


def fraction(match: re.Match[str]) -> list[str] | None:
    """1/2 taza, 3 1/2 kg, 3/8"; what is no part, a pressure of 120/80, has "sobre"."""
    whole = match[1]
    above, below = int(match[2]), int(match[3])
    unit = "" if _closes_quotation(match) else match[4] or ""
    if whole and (not above or below < 2 or above > below > 10):
        return None
    noun = NOUNS.after(match.string, match.end(), one=True)
    one, many, gender = _UNITS[unit] if unit else ("", "", NOUNS.gender(noun) if noun else "m")
    at_hour = not (noun or unit) and text_before(match, 4).endswith("las ")
    half = ["media" if gender == "f" or at_hour else "medio"]
    of_unit = unit and above > 1 and below > 10 and below not in _PARTS_OF_UNITS  # 50/60 Hz
    if above > below > 10 or of_unit:
        between = ["sobre"] * (above > below)
        return [*cardinal_words(match[2]), *between, *cardinal_words(match[3]), *many.split()]
    is_half = (above, below) == (1, 2)
    if whole:
        part = ["y", *(half if is_half else part_words(above, below))]
        if unit:
            return amount_words(whole, (one, many), gender) + part
        return [*cardinal_words(whole, "f" if noun and gender == "f" else ""), *part]
    if is_half and (noun or unit):
        return [*half, *one.split()]
    return [*part_words(above, below), *["de"] * bool(unit), *one.split()]


def parts_words(below: str) -> list[str]:
    """Of "las 2/3 partes": terceras."""
    return ended_ordinal_words(int(below), "as")


def of_goal(match: re.Match[str]) -> list[str]:
    """1.200/5.000 pasos, 1,800/2,000 kcal, 9/10 preguntas."""
    unit = match[3] if match.re.groups > 2 else None
    name, gender = _named(unit, True) if unit else ("", "")
    gender = gender or NOUNS.gender_at(match.string, match.start(), match.end())
    return [*number_words(match[1], gender), "de", *number_words(match[2], gender), *name.split()]


def ordinal(match: re.Match[str]) -> list[str]:
    """3.º, 1er, 2do, 3ª; before a noun "primer", "tercer"."""
    before_noun = NOUNS.after(match.string, match.end(), one=True) != ""
    return ended_ordinal_words(int(match[1]), match[2], before_noun)


def lettered_ordinal(match: re.Match[str]) -> list[str]:
    """5to. A, of a class."""
    return [*ended_ordinal_words(int(match[1]), match[2]), *letter_words(match[3])]


def range(match: re.Match[str]) -> list[str]:
    """De 10-12 horas, entre 3-5 días, 1939-1945."""
    first, last = match.groups()
    gender = NOUNS.gender_at(match.string, match.start(), match.end())
    between = "y" if text_before(match, 5).endswith("ntre ") else "a"
    own_gender = "" if first == "1" and gender == "m" else gender  # uno a dos comprimidos
    return [*number_words(first, own_gender), between, *number_words(last, gender)]


def code(match: re.Match[str]) -> list[str] | None:
    """Digits by their names, in the groups they are written in; but a number before a noun."""
    if NOUNS.after(match.string, match.end()):
        return None
    return digits_in_groups(match[0], digit_words)


def number(match: re.Match[str]) -> list[str]:
    """A number with the gender of its noun: 21 niñas, 1.5 millones, 2 mil."""
    text = match.string
    start, end = match.span()
    decimal_comma = has_decimal_commas(text)
    whole, _, decimals = split_decimals(match[0].lstrip("-"), decimal_comma)
    if decimals:
        return number_words(match[0], decimal_comma=decimal_comma)
    big = _BIG_AFTER.match(text, end)
    gender = NOUNS.gender_at(text, start, end, whole == "1")
    if big:
        gender = (gender or "m") if big[0].strip() == "mil" else "m"
    elif whole == "1" and gender == "m" and text.startswith((" a ", " o "), end):
        gender = ""  # uno a tres grupos
    words = number_words(match[0], gender)
    return [*words, *has_of(words)] if NOUNS.after(text, end) else words
