"""Written amounts of money and pairs of currencies -> spoken words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dlpo.text.common.forms import text_before
from dlpo.text.common.patterns import late
from dlpo.text.common.tables import any_key
from dlpo.text.en_us.attributes import describes_noun
from dlpo.text.en_us.context import to_or_and
from dlpo.text.en_us.numbers import canonical, cardinal_words, number_words, scale_words
from dlpo.text.en_us.tables import TABLES, table

CURRENCIES = table("currencies")  # sign or code -> its name, singular and plural; its small coins
SIGN = any_key(CURRENCIES)
CODE = any_key(key for key in CURRENCIES if len(key) == 3 and key.isupper())
_RANGES = {"to": "from ", "and": "between ", "or": "either "}
_TO_SCALED = late(rf" (to|and|or) (?:{SIGN})\s?{TABLES.pattern('({NUMBER}){SCALE}')}")


def price(match: re.Match[str]) -> list[str]:
    """A $10-an-hour job, $5 margaritas."""
    return _amount_words(match, True)


def money(match: re.Match[str]) -> list[str]:
    """$1.5M-$2M, €1.234,50, $(0.12), a $20 bill."""
    return _amount_words(match, describes_noun(match))


def _amount_words(match: re.Match[str], of_noun: bool) -> list[str]:
    sign = match["sign"] or match["sign_after"]
    if sign == "$" and match["code"]:  # $45 CAD
        sign = match["code"]
    one, many, *coins = CURRENCIES[sign]
    many = one if of_noun else many
    in_thousands = sign in ("€", "EUR")
    number = canonical(match["amount"] or match["lost"] or match["before"], in_thousands)
    scale = scale_words(match["scale"])
    words = ["minus"] * bool(match["less"] or match["minus"] or match["lost"])
    if first := match["first"]:
        first, first_scale = canonical(first, in_thousands), scale_words(match["first_scale"])
        has_coins = len(first.partition(".")[2]) == 2 and coins[0] != coins[1]
        in_coins = has_coins and not scale and not first_scale
        first_words = _coin_words(first, one, many, coins) if in_coins else number_words(first)
        words += [*first_words, *first_scale, *to_or_and(match)]
    elif not scale and _is_scaled_later(match, number):
        return [*words, *number_words(number)]
    decimals = number.partition(".")[2]
    if scale or (decimals and (len(decimals) != 2 or coins[0] == coins[1])):  # ¥154.20
        return [*words, *number_words(number), *scale, *many.split()]
    coins = coins[:1] * 2 if many == one and coins[1].endswith("s") else coins  # a $9.99 fee
    return words + _coin_words(number, one if decimals or not first else many, many, coins)


def _is_scaled_later(match: re.Match[str], number: str) -> bool:
    """From $3.2 to $4.5 million; but "from $500 to $2 million"."""
    found = _TO_SCALED.match(match.string, match.end())
    if found is None or not text_before(match).lower().endswith(_RANGES[found[1]]):
        return False
    return float(number.replace(",", "")) < float(canonical(found[2]).replace(",", ""))


def _coin_words(number: str, one: str, many: str, coins: Sequence[str]) -> list[str]:
    """``one``: the name of the currency where the amount is one."""
    whole, _, decimals = number.partition(".")
    cents = int(decimals or "0")
    small = [*cardinal_words(str(cents)), coins[cents > 1]] if cents else []
    if cents and whole in ("", "0"):
        return small
    name = one if whole == "1" else many
    return [*number_words(whole), *name.split(), *["and"] * bool(cents), *small]


def pair(match: re.Match[str]) -> list[str]:
    """EUR/USD: euro dollar, but USD/CAD: U S dollar canadian dollar."""
    names = [CURRENCIES[code][0].split() for code in match.groups()]
    differ = names[0][-1] != names[1][-1]
    return [word for name in names for word in (name[-1:] if differ else name)]
