"""Numbers as an American reader says them: cardinals, ordinals, years, decimals, roman numerals."""

from __future__ import annotations

import re

from dlpo.text.common.tables import any_key
from dlpo.text.en_us.tables import TABLES, table, words_of

_ONES = words_of("zero to nineteen")
_TENS = words_of("tens")
_SCALES = words_of("thousands")
_MAX_DIGITS = 3 * (len(_SCALES) + 1)  # a longer number is read digit by digit
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
    "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip
_MAGNITUDES = TABLES.column("magnitudes")
UNITS = table("units")  # unit -> its name, singular and plural
UNIT = any_key(UNITS.keys() - {"in"})


def digit_words(digits: str) -> list[str]:
    """Each digit by its name: ``"007"`` -> zero zero seven. Other characters are skipped."""
    return [_ONES[int(digit)] for digit in digits if digit in "0123456789"]


def _below_thousand(number: int) -> list[str]:
    hundreds, rest = divmod(number, 100)
    words = [_ONES[hundreds], "hundred"] if hundreds else []
    if rest >= 20:
        words.append(_TENS[rest // 10 - 2])
        rest %= 10
    if rest or not words:
        words.append(_ONES[rest])
    return words


def cardinal_words(digits: str) -> list[str]:
    """A whole number in digits -> its words; over 15 digits, or with a leading 0, digit by digit.

    >>> cardinal_words("1905")
    ['one', 'thousand', 'nine', 'hundred', 'five']
    """
    if len(digits) > _MAX_DIGITS or (len(digits) > 1 and digits[0] == "0"):
        return digit_words(digits)
    groups = [int(group) for group in f"{int(digits):,}".split(",")]
    words: list[str] = []
    for power, group in zip(range(len(groups) - 1, -1, -1), groups, strict=True):
        if group or len(groups) == 1:
            words += _below_thousand(group) + ([_SCALES[power - 1]] if power else [])
    return words


def ordinal_words(digits: str) -> list[str]:
    """``"21"`` -> twenty first."""
    *words, last = cardinal_words(digits.replace(",", "").lstrip("0") or "0")
    if last in _ORDINALS:
        last = _ORDINALS[last]
    elif last.endswith("y"):
        last = last[:-1] + "ieth"
    else:
        last += "th"
    return [*words, last]


def year_words(digits: str) -> list[str]:
    """A year of four digits: 1984 nineteen eighty four, 1905 nineteen oh five, 2009 two thousand
    nine, 2026 twenty twenty six, 1900 nineteen hundred."""
    century, rest = digits[:-2], digits[-2:]
    if len(digits) != 4 or (century[1] == "0" and rest[0] == "0"):
        return cardinal_words(digits)
    return [*cardinal_words(century), "hundred"] if rest == "00" else code_words(digits)


def code_words(digits: str) -> list[str]:
    """Three or four digits of a code in groups: 101 one oh one, 742 seven forty two, 8080 eighty
    eighty, 3000 three thousand; others one by one."""
    if len(digits) not in (3, 4) or digits[0] == "0":
        return digit_words(digits)
    first, rest = digits[:-2], digits[-2:]
    if rest == "00":
        return year_words(digits) if first[-1] != "0" else cardinal_words(digits)
    return cardinal_words(first) + pair_words(rest)


def grouped_words(digits: str) -> list[str]:
    """A number of a thing: two digits as a number, more as `code_words` has them."""
    return code_words(digits) if len(digits) > 2 else cardinal_words(digits)


def pair_words(digits: str) -> list[str]:
    """Two digits after others: ``"05"`` -> oh five, ``"42"`` -> forty two."""
    return ["oh", *digit_words(digits[1])] if digits[0] == "0" else cardinal_words(digits)


def plural_words(words: list[str]) -> list[str]:
    """The last word in the plural: nineteen eighty -> nineteen eighties, six -> sixes."""
    *rest, last = words
    if last.endswith("y"):
        return [*rest, last[:-1] + "ies"]
    return [*rest, last + ("es" if last.endswith(("x", "s")) else "s")]


def scale_words(written: str | None) -> list[str]:
    """What follows a number, such as ``"k"``, ``" bn"``, ``"-million"`` -> its word."""
    scale = (written or "").strip(" -\n\f")
    return [_MAGNITUDES.get(scale.lower().rstrip("."), scale)] if scale else []


def canonical(number: str, thousands: bool = False) -> str:
    """A number of any country, ``"1.234,50"``, ``"1 000 000"``, ``"1'000"``, as Americans write it.

    ``thousands``: whether a point before three digits is one of thousands.
    """
    number = number.replace(" ", "").replace("'", "")
    comma, point = number.rfind(","), number.rfind(".")
    if point < 0 < comma and len(number) - comma in (2, 3):
        return number.replace(",", ".")
    groups = number.count(".") > 1 or (thousands and len(number) - point == 4 and comma < 0 < point)
    if groups or (0 < point < comma):
        return number.replace(".", "").replace(",", ".")
    return number


def number_words(text: str) -> list[str]:
    """A written number with or without sign, thousands commas and decimals -> its words.

    >>> number_words("-1,234.50")
    ['minus', 'one', 'thousand', 'two', 'hundred', 'thirty', 'four', 'point', 'five', 'zero']
    """
    text = canonical(text)
    sign = ["minus"] if text[0] in "-−" else []
    whole, _, decimals = text.lstrip("+-−").replace(",", "").partition(".")
    words = cardinal_words(whole) if whole else []
    return sign + words + (["point", *digit_words(decimals)] if decimals else [])


def plain_words(number: str) -> list[str]:
    """Four digits from 1010 to 2099 are read in pairs, as a year is; every other number in full."""
    if re.fullmatch(r"10[1-9]\d|1[1-9]\d\d|20\d\d", number):
        return year_words(number)
    return number_words(number)
