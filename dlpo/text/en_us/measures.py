"""Measures and their units, powers and bedrooms -> spoken words; rows say which number is one."""

from __future__ import annotations

import re

from dlpo.text.common.forms import text_before
from dlpo.text.common.patterns import late
from dlpo.text.en_us.attributes import describes_noun
from dlpo.text.en_us.context import to_or_and, word_after
from dlpo.text.en_us.numbers import UNITS, cardinal_words, number_words
from dlpo.text.en_us.tables import word_list

_POWERS = {"2": ["squared"], "3": ["cubed"]}
_NO_NOUN = word_list("no nouns")
_OPEN_QUOTATION = late(r"(?:^|(?<!/\d)[\s(\[])\"[^\"]{0,300}$")


def one_words(unit: str) -> list[str]:
    """``"mph"`` -> mile per hour; what is no unit as it is written."""
    return UNITS[unit][0].split() if unit in UNITS else [unit]


def many_words(unit: str) -> list[str]:
    """``"mph"`` -> miles per hour."""
    return UNITS[unit][1].split()


def degrees_words(scale: str) -> list[str]:
    """``"F"`` -> degrees fahrenheit."""
    return many_words(f"°{scale}")


def measure(match: re.Match[str]) -> list[str] | None:
    """5 kg, a 5-lb bag, 10^4 m^2, 20-25 min, 5 million km; without a unit inches."""
    if match[0].endswith('"') and _OPEN_QUOTATION.search(text_before(match, 300)):
        return None  # "1999" by Prince
    found = match.groupdict()
    number, to = found["measure"], found["measure_to"]
    is_one = number.lstrip("-") == "1" and not (to or found["scale"])
    single = is_one or found.get("hyphen") or describes_noun(match)
    power = {"2": ["square"], "3": ["cubic"]}.get((found.get("power") or "")[1:], [])
    words = number_words(number)
    words += _raised(found["raised_by"], number) if found["raised_by"] else []
    words += [*(found["scale"] or "").split(), *["plus"] * bool(found["more"])]
    words += [*to_or_and(match), *number_words(to)] if to else []
    return [*words, *power, *(one_words if single else many_words)(found.get("unit") or "in")]


def mark(match: re.Match[str]) -> list[str] | None:
    """Inches and feet by their marks, where no quotation is open."""
    number, unit = match["marked"], "in" if match["mark"] == '"' else "ft"
    if unit == "in" and _OPEN_QUOTATION.search(text_before(match, 300)):
        return None
    following = word_after(match)
    single = number == "1" or (following and following not in _NO_NOUN)
    words = [*number_words(match["marked_from"]), "to"] if match["marked_from"] else []
    return [*words, *number_words(number), *(one_words if single else many_words)(unit)]


def bedrooms(match: re.Match[str]) -> list[str]:
    """The 3BR/2.5BA ranch; 3 BR, 2 BA."""
    number, between, kind = match.groups()
    noun = "bath" if kind[:2].lower() == "ba" else "bedroom"
    half = ["and", "a", "half"] if ".5" in number else []
    single = number == "1" or between != " " or (word_after(match) or "and") not in _NO_NOUN
    return [*cardinal_words(number.removesuffix(".5")), *half, noun + "s" * (not single)]


def _raised(exponent: str, base: str) -> list[str]:
    if exponent in _POWERS and base != "10":
        return _POWERS[exponent]
    return ["to", "the", *([] if base == "10" else ["power", "of"]), *number_words(exponent)]


def power(match: re.Match[str]) -> list[str]:
    """x^2, m^3, 10^6."""
    return _raised(match[0].lstrip("^*"), text_before(match, 2))
