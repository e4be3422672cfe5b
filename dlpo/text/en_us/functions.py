"""Functions as mathematics writes them -> spoken words: f(x), sin²x, P(A|B), log₂(8), ∫₀¹."""

from __future__ import annotations

import re

from dlpo.text.common.forms import Forms
from dlpo.text.common.patterns import ARGUMENT
from dlpo.text.common.tables import any_key
from dlpo.text.en_us.numbers import number_words

_NAMES = {
    "sin": "sine", "cos": "cosine", "tan": "tangent", "sec": "secant", "csc": "cosecant",
    "cot": "cotangent", "ln": "natural log",
}  # fmt: skip


def _of_argument(match: re.Match[str]) -> list[str]:
    """f(x) =, f(2) =."""
    of = match[0][2:-1]
    return [match[0][0].upper(), "of", *([of.upper()] if of.isalpha() else number_words(of))]


def _named(match: re.Match[str]) -> list[str]:
    """sin(x), cos 60°, sin²x."""
    return [*_NAMES[match[1]].split(), "squared" if match[2] else "of"]


FORMS: Forms = (
    (
        "aA",
        r"(?<![\w.'])(?:[FGHPfgh]\((?:[A-Za-z]|-?\d{1,3})\)(?=\s?[=<>≤≥])|[fgh]\((?!s\))[a-z]\)"
        r"|(?<!tion )(?<!sec\. )(?<!§ )(?<!raph )(?<!ule )(?<!\d )[fgh]\(-?\d{1,3}\))",
        _of_argument,
    ),
    (
        "aA",  # f(g(x)), f(a + b), f(x, y), P(A|B), E(X), O(n), f'(x)
        r"(?<![\w.'])(?:[fghFGH](?=\([fgh]\([a-z]\)\))"
        r"|[fgh](?=\([a-z](?:\s?[+-]\s?[\da-z]|, ?[a-z]){1,3}\))"
        r"|[PE](?=\([A-Z]\s{0,2}(?:\)|[|<>=≤≥,]|(?:intersection|union|and|or) ))|O(?=\([\w(]))",
        lambda match: [match[0].upper(), "of"],
    ),
    (
        "a",
        rf"(?<!\ba )(?<!\bthe )(?<!\bone )(?<!\byour )(?<!\bmy )\b({any_key(_NAMES)})(\^2)?"
        rf"(?!\(s\))(?={ARGUMENT}| ?\d{{1,4}} ?°|\s{{1,2}}theta\b| [xyzte]\b(?!')"
        r"|(?<=\^2)\(|(?<=\^2)[a-z]\b)",
        _named,
    ),
)
