"""Notation of maths, chemistry, music and photography -> spoken words."""

from __future__ import annotations

import re

from dlpo.text.common.forms import text_before
from dlpo.text.common.patterns import late
from dlpo.text.es.abbreviations import spelled
from dlpo.text.es.numbers import cardinal_words
from dlpo.text.es.tables import TABLES, any_of

_WORDS = TABLES.word_list("written like formulas")
_LIMIT_BEFORE = late(r"\blim [a-z]\s?$")
_MENU_BEFORE = late(rf"(?i)\b(?:{any_of('menus')})\b[^.\n]{{0,80}}$")
_LABEL_AFTER = late(r"[\s*_\"]{1,6}[A-ZÁÉÍÓÚÑ]")
_REACTION = late(
    r"[^.;]{0,40}\b\d{0,2}(?:[A-Z][a-z]?\d{0,2}){1,6}(?: \+ (?:luz|calor|energía))?"
    r"\s?(?:→|->)\s?\d{0,2}\s?[A-Z]"
)
_ARRIVAL = late(r"\s?[A-ZÁÉÍÓÚÑ\d$]")
METAL = any_of("metals")
_ATOMS = rf"(?:{METAL}|[BCFHIKNOPS])\d{{0,2}}"
GROUP = rf"(?:{_ATOMS}|\((?:{_ATOMS}){{1,4}}\)\d)"


def arrow(match: re.Match[str]) -> list[str] | None:
    """Of a limit, a reaction, the steps through a menu, or a way: lim x→0, H2 + O2 → H2O."""
    text, before = match.string, text_before(match, 90)
    if _LIMIT_BEFORE.search(before):
        return ["tiende", "a"]
    around = text[max(0, match.start() - 40) : match.end() + 40]
    if "+" in around and re.search(r"[A-Z][a-z]?\d", around) and _REACTION.match(around):
        return ["produce"]
    if _MENU_BEFORE.search(before) and _LABEL_AFTER.match(text, match.end()):
        return ["luego"]
    return ["a"] if match[0] == "→" or _ARRIVAL.match(text, match.end()) else None


def formula(match: re.Match[str]) -> list[str] | None:
    """The letters and numbers of a substance, an ion or an isotope: KMnO4, Fe^2+; not "CaFe"."""
    if match[0].lower() in _WORDS:
        return None
    parts = re.findall(r"[A-Za-z]|\d+|\+|-(?!\d)", match[0])
    signs = {"+": ["más"], "-": ["menos"]}
    said = (cardinal_words(p) if p.isdigit() else signs.get(p) or spelled(p) for p in parts)
    return [word for words in said for word in words]
