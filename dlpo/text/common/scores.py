"""Sets of tennis: 6-4, 3-6, 7-6 (7-5)."""

from __future__ import annotations

import re
from collections.abc import Callable

from dlpo.text.common.forms import text_before
from dlpo.text.common.patterns import late
from dlpo.text.common.tables import Tables

_SET = r"([0-7])[-–]([0-7])(?:\s?\((\d{1,2}(?:[-–]\d{1,2})?)\))?"
_GAMES = frozenset(("60", "61", "62", "63", "64", "75", "76"))  # of who wins and who loses


class Sets:
    """The sets of a match in one language, by the lists of its folder.

    Args:
        connective: what may come before the last set, in its word for "and".
    """

    def __init__(
        self, tables: Tables, connective: str, cardinal_words: Callable[[str], list[str]]
    ) -> None:
        self.pattern = rf"(?<![\w./-])(?:{_SET},? (?:{connective} )?){{1,4}}{_SET}(?![\w/-]|[.,]\d)"
        """of what may be sets"""
        self._parts = late(rf"{_SET}(?:,? ({connective}) )?")
        self._numbered_before = late(rf"(?i)\b(?:{tables.patterns('numbered in ranges')}) $")
        self._match_before = late(
            rf"(?i:\b(?:{tables.patterns('before sets')}))[^.!?]{{0,80}}$"
            rf"|[\w,.] (?!(?i:{tables.any_of('weekdays')})\b)[A-Z][a-zà-ÿ]{{2,20}},? $"
        )
        self._cardinal_words = cardinal_words

    def words(self, match: re.Match[str]) -> list[str] | None:
        """The games of each set, of which one has the higher number first; not pages 3-6, 7-9."""
        sets = self._parts.findall(match[0])
        games = ["".join(sorted((first, second), reverse=True)) for first, second, _, _ in sets]
        if not _GAMES.issuperset(games) or all(first < second for first, second, _, _ in sets):
            return None
        before = text_before(match, 100)
        is_long = len(sets) > 2 or any(tie_break for _, _, tie_break, _ in sets)
        if self._numbered_before.search(before):
            return None
        if not (is_long or self._match_before.search(before)):
            return None
        words: list[str] = []
        for *parts, connective in sets:
            *games, tie_break = parts
            *rest, last = [word for number in games for word in self._cardinal_words(number)]
            if tie_break:  # 7-6 (5)
                points = re.findall(r"\d+", tie_break)
                rest += [f"{last},"]
                *more, last = [word for number in points for word in self._cardinal_words(number)]
                rest += more
            words += [*rest, last, connective] if connective else [*rest, f"{last},"]
        return [*words[:-1], words[-1].rstrip(",")]
