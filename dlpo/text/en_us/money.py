"""Written amounts of money and pairs of currencies -> spoken words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dlpo.text.common.forms import text_before
from dlpo.text.common.patterns import late
from dlpo.text.common.tables import any_key
from dlpo.text.en_us.attributes import describes_noun
from dlpo.text.en_us.context import to_or_and
from dlpo.text.en_us.numbers import (
    NUMBER,
    SCALE,
    canonical,
    cardinal_words,
    number_words,
    scale_words,
)
from dlpo.text.en_us.tables import any_of, table

CURRENCIES = table("currencies")  # sign or code -> its name, singular and plural; its small coins
SIGN = any_key(CURRENCIES)
CODE = any_key(key for key in CURRENCIES if len(key) == 3 and key.isupper())
_RANGES = {"to": "from ", "and": "between ", "or": "either "}
_TO_SCALED = late(rf" (to|and|or) (?:{SIGN})\s?({NUMBER}){SCALE}")
_EACH = late("-(?:an?|per)-")
_RATE = late(  # a $75/night fee
    rf"/(?:{any_of('follow a slash after plurals')})\b\.? (?!(?:{any_of('no nouns')})\b)[a-z]{{3}}"
)
_PRICED_AFTER = late(  # $10 tickets, $150 cleaning fee
    rf" (?:(?:[a-z]{{3,12}} )?(?:{any_of('cost')})|(?:{any_of('have a price in the plural')}))\b"
)
_ARTICLE = late(r"(?i)\b(?:an?|the|this|that) $")
EUROPEAN = r"(?:(?<=€)|(?<=€\s)|(?<=EUR\s)|(?<=R\$)|(?<=R\$\s))\d{1,6},\d{1,2}(?![\d.]|,\d)"


def money(match: re.Match[str]) -> list[str]:
    sign = match["currency"] or match["currency_after"]
    if sign == "$" and match["money_code"]:  # $45 CAD
        sign = match["money_code"]
    one, many, *coins = CURRENCIES[sign]
    number = match["money"] or match["money_lost"] or match["money_before"]
    scale = scale_words(match["money_scale"])
    number = canonical(number, thousands=sign in ("€", "EUR"))
    text, end = match.string, match.end()
    is_rate = _RATE.match(text, end) and _ARTICLE.search(text_before(match, 8))
    of_noun = describes_noun(match) or _PRICED_AFTER.match(text, end) or is_rate
    if of_noun or _EACH.match(match.string, match.end()):
        many = one
    is_less = match["money_sign"] or match["money_minus"] or match["money_lost"]
    words = ["minus"] * bool(is_less)
    if first := match["money_from"]:
        first, from_scale = canonical(first, sign in ("€", "EUR")), scale_words(match["from_scale"])
        has_coins = len(first.partition(".")[2]) == 2 and coins[0] != coins[1]
        in_coins = has_coins and not scale and not from_scale
        from_words = _amount(first, one, many, coins) if in_coins else number_words(first)
        words += [*from_words, *from_scale, to_or_and(match)]
    elif not scale and _is_scaled_later(match, number):
        return [*words, *number_words(number)]
    decimals = number.partition(".")[2]
    if scale or (decimals and (len(decimals) != 2 or coins[0] == coins[1])):  # ¥154.20
        return [*words, *number_words(number), *scale, *many.split()]
    coins = coins[:1] * 2 if many == one and coins[1].endswith("s") else coins  # a $9.99 fee
    return words + _amount(number, one if decimals or not first else many, many, coins)


def _is_scaled_later(match: re.Match[str], number: str) -> bool:
    """From $3.2 to $4.5 million; but "from $500 to $2 million"."""
    found = _TO_SCALED.match(match.string, match.end())
    if found is None or not text_before(match).lower().endswith(_RANGES[found[1]]):
        return False
    return float(number.replace(",", "")) < float(canonical(found[2]).replace(",", ""))


def _amount(number: str, one: str, many: str, coins: Sequence[str]) -> list[str]:
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
