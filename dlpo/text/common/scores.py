"""Sets of tennis: 6-4, 3-6, 7-6 (5)."""

from __future__ import annotations

import re
from collections.abc import Callable

_SET = re.compile(r"([0-7])[-–]([0-7])(?:\s?\((\d{1,2})\))?")
SETS = rf"(?<![\w./-])(?:{_SET.pattern},? (?:and |y )?){{1,4}}{_SET.pattern}(?![\w/-]|[.,]\d)"
"""The pattern of what may be sets."""
_GAMES = frozenset(("60", "61", "62", "63", "64", "75", "76"))  # of who wins and who loses


def set_words(match: re.Match[str], cardinal_words: Callable[[str], list[str]]) -> list[str] | None:
    """The games of each set, of which one has the higher number first; not pages 3-6, 7-9."""
    sets = _SET.findall(match[0])
    games = ["".join(sorted((first, second), reverse=True)) for first, second, _ in sets]
    if not _GAMES.issuperset(games) or all(first < second for first, second, _ in sets):
        return None
    words: list[str] = []
    for parts in sets:
        *rest, last = [word for part in parts if part for word in cardinal_words(part)]
        words += [*rest, f"{last},"]
    return [*words[:-1], words[-1].rstrip(",")]
