"""Formulas of chemistry: H2SO4, NaCl."""

from __future__ import annotations

import re

from dlpo.text.en_us.numbers import cardinal_words
from dlpo.text.en_us.tables import words_of

ELEMENT = "|".join(sorted(words_of("elements"), key=len, reverse=True))
_SALTS = frozenset(words_of("formulas without numbers"))
_PART = re.compile(r"[A-Za-z]|\d+")


def formula(match: re.Match[str]) -> list[str] | None:
    written = match[0]
    has_number = any(one.isdigit() for one in written)
    elements = re.findall(ELEMENT, written)
    if re.fullmatch(r"[A-Z]{3,}\d+", written):  # COP28; HNO3 is spelled anyway
        return None
    if written not in _SALTS and not (has_number and len(elements) > 1):
        return None
    return _spelled(written)


def _spelled(formula: str) -> list[str]:
    parts = _PART.findall(formula)
    return [w for p in parts for w in (cardinal_words(p) if p.isdigit() else [p.upper()])]
