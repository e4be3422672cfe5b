"""Sets of tennis: 6-4, 3-6, 7-6 (5)."""

from __future__ import annotations

import re
from collections.abc import Callable

from dlpo.text.common.forms import text_before
from dlpo.text.common.patterns import late

_SET = r"([0-7])[-–]([0-7])(?:\s?\((\d{1,2})\))?"
SETS = rf"(?<![\w./-])(?:{_SET},? (?:and |y )?){{1,4}}{_SET}(?![\w/-]|[.,]\d)"
"""The pattern of what may be sets."""
_PARTS = re.compile(rf"{_SET}(?:,? (and|y) )?")
_GAMES = frozenset(("60", "61", "62", "63", "64", "75", "76"))  # of who wins and who loses
_NUMBERED_BEFORE = late(
    r"(?i)\b(?:pages?|pp?\.|chapters?|sections?|rooms?|rows?|sizes?|ages?|verses?|apt\.?"
    r"|cap[ií]tulos?|vers[ií]culos?|secci(?:ón|ones)|p[aá]ginas?|p[aá]gs?\.) $"
)
_MATCH_BEFORE = late(
    r"(?i:\b(?:won|wins|lost|loses|beats?|defeated|defeats|def\.|sets?|match|gan[óo]|perdió|venció"
    r"|derrotó|partido))[^.!?]{0,80}$|[\w,.] (?![A-Z][a-z]{2,6}day)[A-Z][a-zà-ÿ]{2,20},? $"
)


def set_words(match: re.Match[str], cardinal_words: Callable[[str], list[str]]) -> list[str] | None:
    """The games of each set, of which one has the higher number first; not pages 3-6, 7-9."""
    sets = _PARTS.findall(match[0])
    games = ["".join(sorted((first, second), reverse=True)) for first, second, _, _ in sets]
    if not _GAMES.issuperset(games) or all(first < second for first, second, _, _ in sets):
        return None
    before = text_before(match, 100)
    is_long = len(sets) > 2 or any(tie_break for _, _, tie_break, _ in sets)
    if _NUMBERED_BEFORE.search(before) or not (is_long or _MATCH_BEFORE.search(before)):
        return None
    words: list[str] = []
    for *parts, connective in sets:
        *rest, last = [word for part in parts if part for word in cardinal_words(part)]
        words += [*rest, last, connective] if connective else [*rest, f"{last},"]
    return [*words[:-1], words[-1].rstrip(",")]
