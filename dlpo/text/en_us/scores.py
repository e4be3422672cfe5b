"""Scores that no "to" is said in, -> spoken words: a 3-2 win, 8-3-1, 6-4, 3-6, 7-6 (5)."""

from __future__ import annotations

import re

from dlpo.text.common.forms import Forms
from dlpo.text.common.scores import Sets
from dlpo.text.en_us.numbers import cardinal_words, ordinal_words
from dlpo.text.en_us.tables import TABLES, any_of

_SETS = Sets(TABLES, "and", cardinal_words)


def _score(match: re.Match[str]) -> list[str]:
    return [*cardinal_words(match[1]), *cardinal_words(match[2])]


def _record(match: re.Match[str]) -> list[str]:
    """8-3-1: wins, losses and ties; 4-3-3: of a formation."""
    return [word for part in re.findall(r"\d+", match[0]) for word in cardinal_words(part)]


FORMS: Forms = (
    (
        "d",
        r"(?<![\w.,/-])(\d{1,3})[-–](\d{1,3})"
        rf"(?= (?:{any_of('have scores')})\b)",
        _score,
    ),
    (
        "d",
        r"(?:(?<=\b[Aa] )|(?<=\b[Aa]n )|(?<=\b[Tt]he )|(?<=\b[Tt]heir ))(\d{1,3})[-–](\d{1,3})"
        rf"(?= (?:{any_of('have scores after an article')})\b)",
        _score,
    ),
    ("d", _SETS.pattern, _SETS.words),
    ("d", r"(?<![\w./-])\d{1,2}(?:-\d{1,2}){2,3}(?![\w/-]|[.,]\d)", _record),
    (
        "d",
        r"(?:(?<=\bin the )|(?<=\bby the )|(?<=until the ))(\d{1,3})'(?=[.,;:)]|\s*$)",
        lambda match: [*ordinal_words(match[1]), "minute"],
    ),
)
