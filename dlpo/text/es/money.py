"""Written sums of money and millions -> spoken words."""

from __future__ import annotations

import re

from dlpo.text.common.patterns import late
from dlpo.text.common.tables import any_key
from dlpo.text.es.numbers import cardinal_words, number_words, split_decimals
from dlpo.text.es.quantities import amount_words, big_words, has_of
from dlpo.text.es.tables import NOUNS, table

_CURRENCIES = table("currencies")  # sign or code -> name, singular and plural, gender; small coins
SIGN = any_key({key for key in _CURRENCIES if not key.isalpha()})
CODE = any_key({key for key in _CURRENCIES if key.isalpha() and len(key) > 1})
NAMES = any_key({name.split()[0] for row in _CURRENCIES.values() for name in row[:2] if row[3]})
_NAME_AFTER = late(rf"\s(?:{NAMES})\b")
_THOUSANDS = late(r"\d{1,3}(?:,\d{3})+")


def money(match: re.Match[str]) -> list[str]:
    """$15.50, US$4 mil millones, 5 €, $20 a $30, $15.50 MXN, $20 dólares."""
    found = match.groupdict()
    sign, number = match["currency"], match["money"]
    if sign == "$" and found.get("code"):
        sign = match["code"]
    sign = (sign if sign in _CURRENCIES else sign.rstrip(".")).replace(" ", "")
    one, many, gender, *coins = _CURRENCIES.get(sign) or _CURRENCIES[sign.removesuffix("$")]
    words = ["menos"] if found.get("minus") else []
    if found.get("least"):
        words += [*number_words(match["least"], gender), "a"]
    if _THOUSANDS.fullmatch(number):  # $1,200: no currency has three decimals
        number = number.replace(",", "")
    big = big_words(found.get("big"), number)
    if big:
        words += [*number_words(number, "m"), *big]
    if _NAME_AFTER.match(match.string, match.end()):  # $20 dólares, $5 millones de pesos
        words += [] if big else number_words(number, gender)
        return [*words, *has_of(words)]
    if big:
        return [*words, *["de"] * (big[-1] != "mil"), *many.split()]
    whole, _, decimals = split_decimals(number)
    if not decimals or len(decimals) > 2 or not coins[0]:
        return words + amount_words(number, (one, many), gender)
    cents = int(decimals.ljust(2, "0"))
    small = [*cardinal_words(str(cents), "m"), coins[cents != 1]] if cents else []
    if small and whole.strip("0") == "":
        return words + small
    words += amount_words(whole, (one, many), gender)
    return [*words, *["con"] * bool(small), *small]


def millions(match: re.Match[str]) -> list[str]:
    """2M de vistas, 1.5M vistas."""
    of = ["de"] * bool(NOUNS.after(match.string, match.end()))
    return [*number_words(match[1], "m"), *big_words("M", match[1]), *of]


def thousands_words(number: str) -> list[str]:
    """``"1"`` -> mil; ``"350"`` -> trescientos cincuenta mil."""
    return [*(number_words(number, "m") if number != "1" else []), "mil"]
