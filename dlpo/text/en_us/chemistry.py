"""Formulas of chemistry: H2SO4, NaCl."""

from __future__ import annotations

import re

from dlpo.text.common.forms import Forms
from dlpo.text.en_us.numbers import cardinal_words
from dlpo.text.en_us.tables import words_of

_ELEMENT = "|".join(sorted(words_of("elements"), key=len, reverse=True))
_SALTS = frozenset(words_of("formulas without numbers"))
_PART = re.compile(r"[A-Za-z]|\d+")


def _formula(match: re.Match[str]) -> list[str] | None:
    written = match[0]
    has_number = any(one.isdigit() for one in written)
    elements = re.findall(_ELEMENT, written)
    if re.fullmatch(r"[A-Z]{3,}\d+", written):  # COP28; HNO3 is spelled anyway
        return None
    if written not in _SALTS and not (has_number and len(elements) > 1):
        return None
    words: list[str] = []
    for part in _PART.findall(written):
        words += cardinal_words(part) if part.isdigit() else [part.upper()]
    return words


def _ion(match: re.Match[str]) -> list[str]:
    """Ca^2+, OH^-: C A two plus, O H minus."""
    words: list[str] = []
    for one in match["ion"]:
        words += cardinal_words(one) if one.isdigit() else [one.upper()]
    if match["charge"]:
        words += cardinal_words(match["charge"])
    return [*words, "plus" if match["sign"] == "+" else "minus"]


def _charged(match: re.Match[str]) -> list[str]:
    letters, charge = match["cation"] or match["anion"], match["plus"] or match["minus"]
    words = [
        word
        for one in letters
        for word in (cardinal_words(one) if one.isdigit() else [one.upper()])
    ]
    return [
        *words,
        *(cardinal_words(charge) if charge else []),
        "plus" if match["cation"] else "minus",
    ]


FORMS: Forms = (
    (
        "A",  # Na+, Ca2+, Cl-
        r"(?<![A-Za-z])(?:(?P<cation>Na|Ca|Mg|Fe|Cu|Zn|Li|Ag|Al|NH4|H3O)(?P<plus>\d)?\+"
        r"|(?P<anion>Cl|Br|OH|HCO3|NO3|SO4|PO4|HPO4)(?P<minus>\d)?[-−])(?=[,.;:)]|\s(?:ions?|channels?|is|was|are|and|or|levels?|concentrations?)\b|$)",
        _charged,
    ),
    (
        "A",
        r"(?<![A-Za-z])(?P<ion>(?:[A-Z][a-z]?\d?){1,4})\^(?P<charge>\d)?(?P<sign>[+-])(?!\w)",
        _ion,
    ),
    (
        "A",
        rf"(?<![A-Za-z])(?:(?:{_ELEMENT})\d{{0,3}}"
        rf"|\((?:(?:{_ELEMENT})\d{{0,2}}){{1,4}}\)\d{{1,2}}){{2,9}}(?!\w)",
        _formula,
    ),
)
