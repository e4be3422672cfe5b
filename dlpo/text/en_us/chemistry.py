"""Formulas of chemistry: H2SO4, NaCl."""

from __future__ import annotations

import re

from dlpo.text.common.forms import Forms, only_after, text_before
from dlpo.text.common.patterns import late
from dlpo.text.en_us.numbers import cardinal_words
from dlpo.text.en_us.tables import words_of

_ELEMENT = "|".join(sorted(words_of("elements"), key=len, reverse=True))
_SALTS = frozenset(words_of("formulas without numbers"))
_AFTER_ION = r"(?=[,.;:)]|\s(?:ions?|channels?|is|was|are|and|or|levels?|concentrations?)\b|$)"
_ELEMENT_BEFORE = late(
    r"(?i)\b(?:gold|silver|iron|copper|lead|tin|mercury|sodium|magnesium|alumin(?:i?)um|zinc|calcium"
    r"|lithium|platinum|palladium|chromium|manganese|titanium|silicon|chlorine|bromine) \($"
)
_FORMULA = rf"\d{{0,2}} ?(?:\(?(?:{_ELEMENT})\)?\d{{0,2}}){{1,8}}"
_TWO_REACT = late(rf"(?:^|[\s(]){_FORMULA} \+ {_FORMULA} $")
_ONE_REACTS = late(rf"(?:^|[\s(]){_FORMULA} $")
_TWO_RESULT = late(rf" {_FORMULA} \+ {_FORMULA}(?!\w)")
_PART = re.compile(r"[A-Za-z]|\d+")


def _formula(match: re.Match[str]) -> list[str] | None:
    written = match[0]
    has_number = any(one.isdigit() for one in written)
    elements = re.findall(_ELEMENT, written)
    if re.fullmatch(r"[A-Z]{3,}\d+", written):  # COP28; HNO3 is spelled anyway
        return None
    if written not in _SALTS and not (has_number and len(elements) > 1):
        return None
    return _spelled(written)


def _spelled(formula: str) -> list[str]:
    parts = _PART.findall(formula)
    return [w for p in parts for w in (cardinal_words(p) if p.isdigit() else [p.upper()])]


def _ion(match: re.Match[str]) -> list[str]:
    """Ca^2+, OH^-, Na+: C A two plus, O H minus, N A plus."""
    sign = "plus" if match["sign"] == "+" else "minus"
    return [*_spelled(match["ion"]), *_spelled(match["charge"] or ""), sign]


def _yields(match: re.Match[str]) -> list[str] | None:
    """2H2 + O2 → 2H2O, CaCO3 → CaO + CO2; but "PS4 → PS5"."""
    before = text_before(match, 60)
    breaks = _ONE_REACTS.search(before) and _TWO_RESULT.match(match.string, match.end())
    return ["yields"] if breaks or _TWO_REACT.search(before) else None


FORMS: Forms = (
    (
        "A",  # gold (Au)
        r"(?<=[a-z] \()[A-Z][a-z](?=\))",
        only_after(_ELEMENT_BEFORE, lambda match: _spelled(match[0])),
    ),
    (
        "A",
        r"(?<![A-Za-z])(?P<ion>Na|Ca|Mg|Fe|Cu|Zn|Li|Ag|Al|NH4|H3O)(?P<charge>\d)?(?P<sign>\+)"
        rf"(?:(?<=\d\+)(?![\w+])|{_AFTER_ION})",
        _ion,
    ),
    (
        "A",
        r"(?<![A-Za-z])(?P<ion>Cl|Br|OH|HCO3|NO3|SO4|PO4|HPO4)(?P<charge>\d|\s\d)?(?P<sign>[-−])"
        rf"{_AFTER_ION}",
        _ion,
    ),
    (
        "A",
        r"(?<![A-Za-z])(?P<ion>(?:[A-Z][a-z]?\d?){1,4})\^(?P<charge>\d)?(?P<sign>[+-])(?!\w)",
        _ion,
    ),
    ("-", rf"(?:→|⟶|-?->)(?= {_FORMULA}(?!\w))", _yields),
    (
        "A",
        rf"(?<![A-Za-z])(?:(?:{_ELEMENT})\d{{0,3}}"
        rf"|\((?:(?:{_ELEMENT})\d{{0,2}}){{1,4}}\)\d{{1,2}}){{2,9}}(?!\w)",
        _formula,
    ),
)
