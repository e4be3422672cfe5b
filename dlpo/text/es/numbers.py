"""Numbers in Spanish words, which agree with their noun: veintiún años, doscientas una páginas."""

from __future__ import annotations

import re

from dlpo.text.es.tables import TABLES, words_of

_ONES = words_of("zero to twenty nine")
_TENS = words_of("tens")
_HUNDREDS = words_of("hundreds")
_MAX_DIGITS = 24  # a longer number is read digit by digit
_MILLIONS = (("millón", "millones"), ("billón", "billones"), ("trillón", "trillones"))
_ORDINALS = {int(number): word for number, word in TABLES.column("ordinals").items()}
_PARTS = {int(number): word for number, word in TABLES.column("fractions").items()}
_APOSTROPHE = re.compile("['’´]")


def digit_words(digits: str) -> list[str]:
    """Each digit by its name; other characters are skipped."""
    return [_ONES[int(digit)] for digit in digits if digit in "0123456789"]


def cardinal_words(digits: str, gender: str = "") -> list[str]:
    """A whole number in digits -> its words.

    Args:
        digits: over 24 of them, or with a leading 0, are read one by one.
        gender: "m" or "f" of the noun that follows; "" if none does.

    >>> cardinal_words("21000", "f")
    ['veintiuna', 'mil']
    """
    if len(digits) > _MAX_DIGITS or (len(digits) > 1 and digits[0] == "0"):
        return digit_words(digits)
    groups: list[int] = []  # of six digits, the lowest first
    rest = int(digits)
    while rest or not groups:
        rest, group = divmod(rest, 1_000_000)
        groups.append(group)
    words = []
    for power in range(len(groups) - 1, -1, -1):
        if power and groups[power]:
            name = _MILLIONS[power - 1][groups[power] > 1]
            words += [*_below_million(groups[power], "m"), name]
        elif groups[power] or len(groups) == 1:
            words += _below_million(groups[power], gender)
    return words


def _below_million(number: int, gender: str) -> list[str]:
    thousands, rest = divmod(number, 1000)
    words = []
    if thousands:
        words = [*(_below_thousand(thousands, gender or "m") if thousands > 1 else []), "mil"]
    return words + (_below_thousand(rest, gender) if rest or not thousands else [])


def _below_thousand(number: int, gender: str) -> list[str]:
    if number == 100:
        return ["cien"]
    hundreds, rest = divmod(number, 100)
    words = [_HUNDREDS[hundreds - 1]] if hundreds else []
    if words and gender == "f" and hundreds > 1:
        words[0] = words[0][:-2] + "as"
    if rest >= 30:
        words.append(_TENS[rest // 10 - 3])
        rest %= 10
        words += ["y"] if rest else []
    if rest or not words:
        words.append(_ONES[rest])
    one = {"uno": ("un", "una"), "veintiuno": ("veintiún", "veintiuna")}.get(words[-1])
    if one and gender:
        words[-1] = one[gender == "f"]
    return words


def ordinal_words(number: int | str, gender: str = "m", short: object = False) -> list[str]:
    """``(21, "f")`` -> vigésima primera; ``short``: whether before a noun, primer and tercer.

    Above 1000 a cardinal is said instead.
    """
    number = int(number)
    if number in _ORDINALS:
        words = [_ORDINALS[number]]
    elif 0 < number < 1000:
        size = 100 if number > 100 else 10
        words = [_ORDINALS[number // size * size], *ordinal_words(number % size)]
    else:
        return cardinal_words(str(number), gender)
    if gender == "f":
        words = [word[:-1] + "a" for word in words]
    elif short and words[-1].endswith(("primero", "tercero")):
        words[-1] = words[-1][:-1]
    return words


def ended_ordinal_words(number: int, end: str, before_noun: bool = False) -> list[str]:
    """As its end is written: ``(1, "er")`` primer, ``(21, "ª")`` vigésima primera, ``"os"``."""
    gender = "f" if end == "ª" or end.endswith(("a", "as")) else "m"
    words = ordinal_words(number, gender, short=end == "er" or (end == "º" and before_noun))
    return [*words[:-1], words[-1] + "s"] if end.endswith("s") else words


def part_words(above: int, below: int) -> list[str]:
    """A fraction: ``(3, 4)`` -> tres cuartos."""
    if below in _PARTS:
        part = _PARTS[below]
    else:
        part = "".join("i" if word == "y" else word for word in cardinal_words(str(below))) + "avo"
    return [*cardinal_words(str(above), "m"), part + "s" * (above > 1)]


def number_words(text: str, gender: str = "", decimal_comma: bool = False) -> list[str]:
    """A written number with or without sign, separators and decimals -> its words.

    Three digits after a sign are a group of thousands, 1.234 and 1,234, fewer or more decimals;
    where both signs stand, the last begins the decimals. ``decimal_comma``: a comma always does.

    >>> number_words("-1.234,5")
    ['menos', 'mil', 'doscientos', 'treinta', 'y', 'cuatro', 'coma', 'cinco']
    """
    sign = ["menos"] if text[0] in "-−" else []
    whole, point, decimals = split_decimals(text.lstrip("+-−"), decimal_comma)
    if not decimals:
        return sign + cardinal_words(whole, gender)
    return [*sign, *cardinal_words(whole), point, *decimal_words(decimals)]


def comma_number_words(text: str) -> list[str]:
    """A number of a text that has decimals after commas."""
    return number_words(text, decimal_comma=True)


def split_decimals(text: str, decimal_comma: bool = False) -> tuple[str, str, str]:
    """A number without a sign -> its whole digits, the word for the point, and the decimals."""
    if _APOSTROPHE.search(text):  # of millions: 2'500.000, 3'000,000.00
        of_thousands = re.search(r"([.,])\d{3}(?!\d)", text)
        text = _APOSTROPHE.sub(of_thousands[1] if of_thousands else ".", text)
    match = re.fullmatch(r"(.*\d)([.,])(\d+)", text)
    if match is None:
        return re.sub(r"\D", "", text), "", ""
    whole, sign, decimals = match.groups()
    if decimal_comma and sign == "," and "," not in whole and decimals != "000":
        return re.sub(r"\D", "", whole), "coma", decimals
    grouped = re.fullmatch(r"[1-9]\d{0,2}(?:\D\d{3})*", whole) and len(decimals) == 3
    if grouped and (sign in whole or whole.isdigit()):
        return re.sub(r"\D", "", text), "", ""
    return re.sub(r"\D", "", whole), {",": "coma", ".": "punto"}[sign], decimals


def decimal_words(decimals: str) -> list[str]:
    """Up to two decimals as a number after their zeros, more of them one by one."""
    digits = decimals.lstrip("0")
    if len(decimals) > 2 or not digits:
        return digit_words(decimals)
    return [*digit_words("0" * (len(decimals) - len(digits))), *cardinal_words(digits)]


def exact_words(decimals: str) -> list[str]:
    """Decimals of exact times and weights: trescientos catorce, cero cero cinco."""
    return decimal_words(decimals) if decimals[0] == "0" else cardinal_words(decimals)
