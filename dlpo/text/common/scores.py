"""Sets of tennis: 6-4, 3-6, 7-6 (7-5)."""

from __future__ import annotations

import re
from collections.abc import Callable

from dlpo.text.common.forms import with_pause

_SET = re.compile(r"(\d)[-–](\d)(?:\s?\(([\d–-]{1,5})\))?(?:,? ([a-z]+))?")


def said_sets(cardinal_words: Callable[[str], list[str]], written: str) -> list[str]:
    """The games of each set and the points of its end, ``"7-6 (5)"``, with a pause after it."""
    words: list[str] = []
    for first, second, tie_break, connective in _SET.findall(written):
        said = [*cardinal_words(first), *cardinal_words(second)]
        if tie_break:
            points = re.findall(r"\d+", tie_break)
            said = [*with_pause(said), *(word for one in points for word in cardinal_words(one))]
        words += [*said, connective] if connective else with_pause(said)
    return [*words[:-1], words[-1].rstrip(",")]
