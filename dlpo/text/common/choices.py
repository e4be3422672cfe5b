"""Rows that leave open what is meant, a date or a score: a `Chooser` decides by the neighbors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from dlpo.text.common.chooser import Candidate, Chooser
from dlpo.text.common.forms import Speak
from dlpo.text.common.neighbors import neighbors_after, neighbors_before

_SEEN = 8  # neighbors on either side
_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,12})?(?=\s?[A-Za-z])")  # of a measure, any is alike


def choice_of(model: Callable[[], Chooser | None], says: Mapping[str, Speak]) -> Speak:
    """What is said of a match: by one of several functions, the first where nothing tells.

    ``says``: names of the choices, as the model knows them, and what says each.
    """
    candidates, speakers = [Candidate(name, "") for name in says], [*says.values()]

    def say(match: re.Match[str]) -> list[str] | None:
        chooser = model()
        choice = chooser and chooser.choose(candidates, *seen(match.string, *match.span()))
        return speakers[choice.chosen if choice else 0](match)

    return say


def seen(text: str, start: int, end: int) -> tuple[list[str], int]:
    """The words of a clause around ``text[start:end]`` and that among them, and its index."""
    before = neighbors_before(text, start)[:_SEEN][::-1]
    near = [one.text for one in (*before, *neighbors_after(text, end)[:_SEEN])]
    words = ["#" if one[0].isdigit() else one.lower() for one in near]
    words.insert(len(before), _NUMBER.sub("#", text[start:end]))
    return words, len(before)
