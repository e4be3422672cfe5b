"""Formulas as TeX writes them, with as many characters that say the same.

A fraction becomes ``1/2`` where it has a usual name, otherwise ``a ∕ b``; every ``-`` is ``➖``.
"""

from __future__ import annotations

import re

from dlpo.text.common.patterns import late
from dlpo.text.common.tables import Tables

SILENT = "\u200b"
"""A character that takes up a place and leaves the word around it whole, see `Characters`."""
_SIGNS = Tables(__file__).column("formulas")
_FORMULA = late(
    r"\$\$([^$\n]{1,400})\$\$|\\\(((?:[^\\\n]|\\(?!\))){1,400})\\\)"
    r"|\\\[((?:[^\\\n]|\\(?!\])){1,400})\\\]"
    r"|(?<![\w$\\])\$(?=[^\s\d$]|\d[^$\n]{0,60}[\\^_=])([^$\n]{0,200}[^\s$])\$(?![\w$])"
)
_OPENING = late(  # "$5" is an amount until its word has more
    r"\$\$|\\[(\[]|(?<![\w$\\])\$(?=[^\s\d$]|\d[^$\s]{0,60}[\\^_=])"
)
_SO_FAR = late(
    r"\$\$[^$\n]{0,400}\$?|\\\((?:[^\\\n]|\\(?!\))){0,400}\\?"
    r"|\\\[(?:[^\\\n]|\\(?!\])){0,400}\\?|\$[^$\n]{0,200}\$?"
)
_MATHS = late(r"[\\^_=]")
_ROOT = late(r"\\sqrt\{([^{}]{1,80})\}")
_FRACTION = late(r"\\[dt]?frac\{([^{}]{1,80})\}\{([^{}]{1,80})\}")
_MINUS = late(r"(?<![A-Za-z]{2})-|-(?![A-Za-z]{2})")  # not of well-known
_POWER = late(r"\^\{([^{}]{1,40})\}")
_NAMED = late(r"\\([A-Za-z]{2,12})")
_UNSAID = late(r"\\(?:left|right|mathrm|text|mathbf|displaystyle)\b|[\\{}]")
_NAMED_PARTS = {"2": "1", "3": "12", "4": "13", "5": "1234", "6": "15", "8": "1357"}
_NESTED = 3  # fractions in a fraction


def padded(characters: str, match: re.Match[str]) -> str:
    """These in place of a match, and silent ones, so that every offset stays."""
    return (characters + SILENT * len(match[0]))[: len(match[0])]


def without_formulas(text: str) -> str:
    """Text with what formulas say, less what is around them."""

    def formula(match: re.Match[str]) -> str:
        start, end = match.span(match.lastindex or 0)
        if not (match[4] or _MATHS.search(text, start, end)):  # \(555-1234\)
            return match[0]
        before, after = start - match.start(), match.end() - end
        return " " * before + _said(text[start:end]) + " " * after

    return _FORMULA.sub(formula, text)


def in_formula(text: str, place: int) -> bool | None:
    """Whether a place is inside a formula; None until more text decides."""
    start = 0
    while opening := _OPENING.search(text, start, place):
        start = opening.start() + 1
        if formula := _FORMULA.match(text, opening.start()):
            if formula.end() == len(text):
                return None  # what follows may make it something else
            if place < formula.end():
                return True
            start = formula.end()
        elif _SO_FAR.fullmatch(text, opening.start()):
            return None
    return False


def _said(formula: str) -> str:
    formula = _ROOT.sub(lambda root: f"√     {root[1]} ", formula)
    for _ in range(_NESTED):
        formula = _FRACTION.sub(_fraction, formula)
    formula = _POWER.sub(lambda power: f"^{SILENT}{power[1]} ", formula)
    formula = _MINUS.sub("➖", _NAMED.sub(_sign, formula))
    return _UNSAID.sub(lambda match: " " * len(match[0]), formula)


def _fraction(match: re.Match[str]) -> str:
    above, below = match.groups()
    line = f"/{SILENT}" if len(above) == 1 and above in _NAMED_PARTS.get(below, "") else "∕ "
    return " " * (match.start(1) - match.start()) + above + line + below + " "


def _sign(match: re.Match[str]) -> str:
    sign = _SIGNS.get(match[1])
    return sign + " " * (len(match[0]) - 1) if sign else match[0]
