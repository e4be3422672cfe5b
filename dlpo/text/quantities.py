"""Written money, measures, fractions, ordinals and plain numbers -> spoken words."""

from __future__ import annotations

import re

from dlpo.text.numbers import (
    cardinal_words,
    digit_words,
    number_words,
    ordinal_words,
    plural_words,
    year_words,
)

_UNITS = {
    "mm": "millimeter", "cm": "centimeter", "m": "meter", "km": "kilometer", "ft": "foot",
    "yd": "yard", "mi": "mile", "mg": "milligram", "g": "gram", "kg": "kilogram", "lb": "pound",
    "lbs": "pound", "oz": "ounce", "ml": "milliliter", "mL": "milliliter", "l": "liter",
    "L": "liter", "gal": "gallon", "ns": "nanosecond", "µs": "microsecond", "ms": "millisecond",
    "s": "second", "sec": "second", "secs": "second", "min": "minute", "mins": "minute",
    "h": "hour", "hr": "hour", "hrs": "hour", "Hz": "hertz", "kHz": "kilohertz",
    "MHz": "megahertz", "GHz": "gigahertz", "KB": "kilobyte", "kB": "kilobyte", "MB": "megabyte",
    "GB": "gigabyte", "TB": "terabyte", "W": "watt", "kW": "kilowatt", "MW": "megawatt",
    "kWh": "kilowatt hour", "V": "volt", "mAh": "milliamp hour", "dB": "decibel",
    "mph": "mile per hour", "km/h": "kilometer per hour", "m/s": "meter per second",
    "°C": "degree celsius", "°F": "degree fahrenheit", "°": "degree", "kcal": "kilocalorie",
    "kJ": "kilojoule", "px": "pixel", "fps": "frame per second", "kbps": "kilobit per second",
    "Mbps": "megabit per second", "Gbps": "gigabit per second", "ha": "hectare",
    "µm": "micrometer", "nm": "nanometer", "in": "inch",
}  # fmt: skip
_INVARIABLE = {"hertz", "kilohertz", "megahertz", "gigahertz"}
_CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "sen", "sen"),
}
_MAGNITUDES = {"k": "thousand", "m": "million", "b": "billion", "bn": "billion", "t": "trillion"}
_DENOMINATORS = {"2": "half", "4": "quarter"}
_SAID_PLAINLY = ("24/7", "9/11")

_NUMBER = r"(?:\d{1,3}(?:,\d{3}){1,9}(?!\d)|\d{1,40})(?:\.\d{1,40})?"
_SCALE = r"(?:\s(?:hundred|thousand|million|billion|trillion)\b|\s?(?:bn|[kKmMBbT])\b)"
_UNIT = "|".join(sorted(map(re.escape, _UNITS.keys() - {"in"}), key=len, reverse=True))


def _is_one(number: str) -> bool:
    return number.lstrip("-") in ("1", "1.0", "1.00")


def _scale_words(written: str | None) -> list[str]:
    scale = (written or "").strip()
    return [_MAGNITUDES.get(scale.lower(), scale)] if scale else []


def _money(match: re.Match[str]) -> list[str]:
    one, many, small_one, small_many = _CURRENCIES[match["currency"]]
    number, scale = match["money"], _scale_words(match["money_scale"])
    whole, _, decimals = number.partition(".")
    if scale or (decimals and len(decimals) != 2):
        return [*number_words(number), *scale, many]
    words = [*number_words(whole), one if whole == "1" else many]
    if not int(decimals or "0"):
        return words
    small = [*cardinal_words(str(int(decimals))), small_one if decimals == "01" else small_many]
    return small if whole == "0" else [*words, "and", *small]


def _cents(match: re.Match[str]) -> list[str]:
    return [*number_words(match["cents"]), "cent" if _is_one(match["cents"]) else "cents"]


def _ordinal(match: re.Match[str]) -> list[str]:
    return ordinal_words(match["ordinal"].replace(",", ""))


def _fraction(match: re.Match[str]) -> list[str]:
    whole, above, below = match["fraction_whole"], match["above"], match["below"]
    words = [*number_words(whole), "and"] if whole else []
    if match[0] in _SAID_PLAINLY:
        return cardinal_words(above) + cardinal_words(below)
    if not 0 < int(above) < int(below) <= 100:
        return [*words, *cardinal_words(above), "over", *cardinal_words(below)]
    part = [_DENOMINATORS[below]] if below in _DENOMINATORS else ordinal_words(below)
    if above == "1":
        return [*words, "a" if whole or below == "2" else "one", *part]
    return [*words, *cardinal_words(above), *plural_words(part)]


def _dotted(match: re.Match[str]) -> list[str]:
    first, *rest = match[0].split(".")
    words = cardinal_words(first)
    for part in rest:
        words += ["point", *(cardinal_words(part) if len(part) < 3 else digit_words(part))]
    return words


def _plain_number(number: str) -> list[str]:
    """Four digits from 1010 to 2099 are read in pairs, as a year is; every other number in full."""
    if re.fullmatch(r"10[1-9]\d|1[1-9]\d\d|20\d\d", number):
        return year_words(number)
    return number_words(number)


def _range(match: re.Match[str]) -> list[str]:
    first, last = match["range_first"], match["range_last"]
    words = _plain_number(first)
    if len(first) == 4 and len(last) == 2 and first[0] in "12":  # 1914-18
        return [*words, "to", *cardinal_words(last)]
    return [*words, "to", *_plain_number(last)]


def _percent(match: re.Match[str]) -> list[str]:
    return [*number_words(match["percent"]), "percent"]


def _measure(match: re.Match[str]) -> list[str]:
    number = match["measure"]
    first, *rest = _UNITS[match["unit"] or "in"].split()
    if not _is_one(number) and first not in _INVARIABLE:
        if rest == ["hour"]:  # kilowatt hours
            rest = ["hours"]
        else:
            first = {"foot": "feet", "inch": "inches"}.get(first, first + "s")
    return [*number_words(number), first, *rest]


def _thousands(match: re.Match[str]) -> list[str]:
    return [*number_words(match["scaled"]), *_scale_words(match["scale"])]


def _number(match: re.Match[str]) -> list[str]:
    return _plain_number(match[0])


FORMS = {
    "money_form": (
        rf"(?P<currency>[$£€¥])\s?(?P<money>{_NUMBER})(?P<money_scale>{_SCALE})?", _money
    ),
    "cents_form": (rf"(?P<cents>{_NUMBER})\s?¢", _cents),
    "ordinal_form": (
        r"\b(?P<ordinal>\d{1,3}(?:,\d{3}){1,9}|\d{1,15})(?:st|nd|rd|th)\b", _ordinal
    ),
    "fraction": (
        r"(?<![\w/.])(?:(?P<fraction_whole>\d{1,9})\s{1,2})?(?P<above>\d{1,3})/(?P<below>\d{1,3})"
        r"(?![\w/])",
        _fraction,
    ),
    "dotted": (r"(?<![\w.])\d{1,9}(?:\.\d{1,9}){2,6}(?!\w)", _dotted),
    "range": (
        r"(?<![\w-])(?P<range_first>\d{1,9}(?:\.\d{1,9})?)\s?[-–]\s?"
        r"(?P<range_last>\d{1,9}(?:\.\d{1,9})?)(?![\w-])",
        _range,
    ),
    "percent_form": (rf"(?<![\w.])(?P<percent>-?{_NUMBER})\s?%", _percent),
    "measure_form": (
        rf"(?<![\w.])(?P<measure>-?{_NUMBER})(?:\s?(?P<unit>{_UNIT})(?![\w/])|\sin\.(?=\s[a-z(])"
        r"|in\b)",
        _measure,
    ),
    "scaled_form": (
        r"(?<![\w.])(?P<scaled>-?(?:\d{2,3}(?:\.\d)?|\d\.\d))(?P<scale>[kKM])\b", _thousands
    ),
    "number": (rf"(?<![\w.,)])-{_NUMBER}|(?<!\w)\.\d{{1,40}}|{_NUMBER}", _number),
}  # fmt: skip
"""Name of the form -> (pattern, function from its match to the spoken words)."""
