"""Scores that no "to" is said in, -> spoken words: a 3-2 win, 8-3-1, 6-4, 3-6, 7-6 (5)."""

from __future__ import annotations

import re

from dlpo.text.common.forms import Forms
from dlpo.text.en_us.numbers import cardinal_words
from dlpo.text.en_us.tables import any_of

_SET = re.compile(r"([0-7])[-–]([0-7])(?:\s?\((\d{1,2})\))?")
_SETS = frozenset(("60", "61", "62", "63", "64", "75", "76"))  # games of who wins and who loses


def _score(match: re.Match[str]) -> list[str]:
    return [*cardinal_words(match[1]), *cardinal_words(match[2])]


def _record(match: re.Match[str]) -> list[str]:
    """8-3-1: wins, losses and ties; 4-3-3: of a formation."""
    return [word for part in re.findall(r"\d+", match[0]) for word in cardinal_words(part)]


def _tennis(match: re.Match[str]) -> list[str] | None:
    """Sets of which one has the higher number first; pages 3-6, 7-9 have none."""
    sets = _SET.findall(match[0])
    games = ["".join(sorted((first, second), reverse=True)) for first, second, _ in sets]
    if not _SETS.issuperset(games) or all(first < second for first, second, _ in sets):
        return None
    words: list[str] = []
    for parts in sets:
        *rest, last = [word for part in parts if part for word in cardinal_words(part)]
        words += [*rest, f"{last},"]
    return [*words[:-1], words[-1].rstrip(",")]


FORMS: Forms = (
    (
        "d",
        r"(?<![\w.,/-])(\d{1,3})[-–](\d{1,3})"
        rf"(?= (?:[a-z]{{3,12}} )?(?:{any_of('have scores')})\b)",
        _score,
    ),
    (
        "d",
        rf"(?<![\w./-])(?:{_SET.pattern},? (?:and )?){{1,4}}{_SET.pattern}(?![\w/-]|[.,]\d)",
        _tennis,
    ),
    ("d", r"(?<![\w./-])\d{1,2}(?:-\d{1,2}){2,3}(?![\w/-]|[.,]\d)", _record),
)
