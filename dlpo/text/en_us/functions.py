"""Functions as mathematics writes them -> spoken words: f(x), sin²x, P(A|B), log₂(8), ∫₀¹."""

from __future__ import annotations

import re

from dlpo.text.common.patterns import ARGUMENT
from dlpo.text.common.tables import any_key
from dlpo.text.en_us.numbers import number_words

_NAMES = {
    "sin": "sine", "cos": "cosine", "tan": "tangent", "sec": "secant", "csc": "cosecant",
    "cot": "cotangent", "ln": "natural log",
}  # fmt: skip
NAMES = any_key(_NAMES)
ARGUMENT = ARGUMENT


def of_argument(match: re.Match[str]) -> list[str]:
    """f(x) =, f(2) =."""
    of = match[0][2:-1]
    return [match[0][0].upper(), "of", *([of.upper()] if of.isalpha() else number_words(of))]


def named(match: re.Match[str]) -> list[str]:
    """sin(x), cos 60°, sin²x."""
    return [*_NAMES[match[1]].split(), "squared" if match[2] else "of"]


def functions_3(match: re.Match[str]) -> list[str] | None:
    return [match[0].upper(), "of"]
