"""Formulas of chemistry -> spoken words."""

from __future__ import annotations

import re

from dlpo.text.es.abbreviations import letter_words
from dlpo.text.es.numbers import cardinal_words
from dlpo.text.es.tables import any_of

METAL = any_of("metals")
_ATOMS = rf"(?:{METAL}|[BCFHIKNOPS])\d{{0,2}}"
GROUP = rf"(?:{_ATOMS}|\((?:{_ATOMS}){{1,4}}\)\d)"


def formula(match: re.Match[str]) -> list[str]:
    """The letters and numbers of a substance, an ion or an isotope: KMnO4, Fe^2+."""
    parts = re.findall(r"[A-Za-z]|\d+|\+|-(?!\d)", match[0])
    signs = {"+": ["más"], "-": ["menos"]}
    said = (cardinal_words(p) if p.isdigit() else signs.get(p) or letter_words(p) for p in parts)
    return [word for words in said for word in words]
