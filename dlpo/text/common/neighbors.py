"""What is beside a place in a text, asked by rows of tables: words and classes in a window.

A row has two cells, for what is before a place and after it, or a third one for what is anywhere
near. With ``||`` in them each has several parts: the first parts of all must fit, or the second.

A part has alternatives with ``|`` between them. One without ``!`` must fit, if there is any; none
with ``!`` may. An alternative is a sequence of items with blanks between them, in reading order: in
a cell for what is before a place the last item is next to it, otherwise the first:

    item        fits
    ``flight``  the word, in any case; with a capital, just so; a sign: ``(``, ``$``
    ``a/b/c``   one of them, words, lists, classes or kinds
    ``run*``    words that begin so; ``*ing``: that end so
    ``{days}``  a word of that list in lists.txt; ``_`` for the blanks of its name
    ``DET``     a word of that class in word_classes.tsv, or one of the kinds below
    ``&x``      x, with no blank between it and what is nearer to the place
    ``x?``      x or nothing
    ``..``      up to eight words or signs of the same clause

    NUM  begins with a digit      LOW  a word in small letters     CAP  with one capital, ahead
    UP   capitals, two or more    LETTER  one letter               WORD  of letters
    ANY  anything                 END  the end of a clause, a line or the text
    YEAR of four digits, from 1400 to 2099
    SIGN  no letter or digit, the end of a line or the text
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import NamedTuple

from dlpo.text.common.patterns import while_reading
from dlpo.text.common.tables import Tables

WINDOW = 90  # characters on either side
_WORDS = 20  # on either side of a word in a sentence
_GAP = 8  # words that ".." skips at most
_TOKEN = re.compile(  # a ruler is one sign
    r"\d+(?:[.,:]\d+)*|[^\W\d_]+(?:['’-][^\W\d_]+)*|\n[ \t]*\n|\f|([^\w\s])\1{7,99}|\S"
)
_ENDS = frozenset(".!?;:\n\f")
_KINDS: Mapping[str, Callable[[str], bool]] = {
    "NUM": lambda word: word[0].isdigit(),
    "YEAR": lambda word: len(word) == 4 and word.isdigit() and 1400 <= int(word) < 2100,
    "LOW": lambda word: word.islower() and word[0].isalpha(),
    "CAP": lambda word: word[0].isupper() and not word[1:].isupper(),
    "UP": lambda word: len(word) > 1 and word.isupper(),
    "LETTER": lambda word: len(word) == 1 and word.isalpha(),
    "WORD": lambda word: word[0].isalpha(),
    "ANY": lambda word: word[0] not in "\n\f",
    "SIGN": lambda word: not word[0].isalnum(),
    "END": lambda word: word[0] in _ENDS,
}


class Neighbor(NamedTuple):
    """A word or a sign beside a place."""

    text: str
    glued: bool
    """No blank is between it and what is nearer to the place."""


_EDGE = Neighbor("\n", False)
"""What the text ends with on either side."""


@dataclass(frozen=True, slots=True)
class _Item:
    accepts: Callable[[str], bool]
    glued: bool
    optional: bool
    skips: bool


@while_reading(16)  # several rows ask about one place
def neighbors_before(text: str, place: int) -> list[Neighbor]:
    """The words and signs before a place, the nearest first."""
    first = max(0, place - WINDOW)
    found = list(_TOKEN.finditer(text, first, place))
    if first and found and found[0].start() == first:  # perhaps the rest of a word
        del found[0]
    near = []
    for match in reversed(found):
        near.append(Neighbor(match[1] or match[0], match.end() == place))
        place = match.start()
    return near if first else [*near, _EDGE]


@while_reading(16)
def neighbors_after(text: str, place: int) -> list[Neighbor]:
    """The words and signs after a place, the nearest first."""
    last = min(len(text), place + WINDOW)
    near = []
    for match in _TOKEN.finditer(text, place, last):
        near.append(Neighbor(match[1] or match[0], match.start() == place))
        place = match.end()
    if last == len(text):
        return [*near, _EDGE]
    cut = near and place == last and text[last - 1].isalnum() and text[last].isalnum()
    return near[:-1] if cut else near


def words_beside(words: Sequence[str], index: int) -> tuple[list[Neighbor], list[Neighbor]]:
    """The words of a sentence before and after the ``index``-th, the nearest first."""
    before = [Neighbor(word, False) for word in words[max(0, index - _WORDS) : index][::-1]]
    after = [Neighbor(word, False) for word in words[index + 1 : index + 1 + _WORDS]]
    return [*before, _EDGE], [*after, _EDGE]


class Context:
    """The cells of a row, compiled when they are first asked."""

    def __init__(self, tables: Tables, before: str, after: str, anywhere: str = "") -> None:
        """Cells as above, empty where anything fits; ``tables``: those of the language."""
        cells = (cell.split("||") for cell in (before, after, anywhere))
        self.cells = {"before": before, "after": after, "anywhere": anywhere}
        self._parts = [
            (
                NeighborPattern(one, tables, True) if one.strip() else None,
                NeighborPattern(two, tables, False) if two.strip() else None,
                NeighborPattern(three, tables, False) if three.strip() else None,
            )
            for one, two, three in zip_longest(*cells, fillvalue="")
        ]

    def fits_text(self, text: str, start: int, end: int) -> bool:
        """Whether what is beside ``text[start:end]`` is as the row asks."""
        return any(
            (not before or before.fits(neighbors_before(text, start)))
            and (not after or after.fits(neighbors_after(text, end)))
            for before, after, _ in self._parts
        )

    def fits_word(self, words: Sequence[str], index: int) -> bool:
        """Whether what is beside the ``index``-th word of a sentence is as the row asks."""
        near = words_beside(words, index)
        return any(
            (not before or before.fits(near[0]))
            and (not after or after.fits(near[1]))
            and (not anywhere or any(anywhere.fits([one]) for side in near for one in side))
            for before, after, anywhere in self._parts
        )


class NeighborPattern:
    """One part of a cell, compiled when it is first asked."""

    def __init__(self, cell: str, tables: Tables, before: bool) -> None:
        """
        Args:
            cell: as above.
            tables: those of the language, with its lists and classes of words.
            before: whether it is asked of what is before a place.
        """
        self.cell = cell
        self._tables = tables
        self._before = before

    @cached_property
    def _alternatives(self) -> list[tuple[bool, list[_Item]]]:
        """Whether each must not fit, and its items from the nearest on; single words are one."""
        found, single = list[tuple[bool, list[_Item]]](), list[str]()
        for written in filter(None, map(str.strip, self.cell.split("|"))):
            forbidden = written[0] == "!" and len(written) > 1
            items = written[forbidden:].split()
            if not forbidden and len(items) == 1 and written[0] != "&" and written[-1] != "?":
                single += items[0].split("/") if items[0].strip("/") else items
            else:
                compiled = [self._item(item) for item in items]
                found.append((forbidden, compiled[::-1] if self._before else compiled))
        if single:
            found.insert(0, (False, [_Item(self._accepts(single), False, False, False)]))
        return found

    def _item(self, written: str) -> _Item:
        glued, optional = written[0] == "&" != written, written[-1] == "?" != written
        word = written[glued : len(written) - optional]
        parts = word.split("/") if word.strip("/") else [word]
        return _Item(self._accepts(parts), glued, optional, word == "..")

    def _accepts(self, parts: Sequence[str]) -> Callable[[str], bool]:
        if len(parts) == 1 and (kind := _KINDS.get(parts[0])):
            return kind
        kinds = [_KINDS[part] for part in parts if part in _KINDS]
        words: set[str] = set()
        for part in parts:
            if part in _KINDS:
                continue
            if part[0] == "{" != part:
                words.update(self._tables.words_of(part[1:-1].replace("_", " ")))
            else:
                words.update(self._tables.classes.get(part, [part]))
        ends = tuple(word[1:] for word in words if word[0] == "*" != word)
        begins = tuple(word[:-1] for word in words if word[-1] == "*" != word)

        def accepts(text: str) -> bool:
            lower = text.lower()
            return (
                lower in words
                or text in words
                or (bool(begins) and lower.startswith(begins))
                or (bool(ends) and lower.endswith(ends))
                or any(kind(text) for kind in kinds)
            )

        return accepts

    def fits(self, near: Sequence[Neighbor]) -> bool:
        """Whether the neighbors of a place, the nearest first, are as the cell asks."""
        wanted, found = False, False
        for forbidden, items in self._alternatives:
            if forbidden:
                if _follows(items, near, 0, 0):
                    return False
            elif not found:
                wanted, found = True, _follows(items, near, 0, 0)
        return found or not wanted


def _follows(items: Sequence[_Item], near: Sequence[Neighbor], index: int, place: int) -> bool:
    """Whether the items from one on fit the neighbors from one on; bounded by the window."""
    while index < len(items):
        item = items[index]
        if item.skips:
            for skipped in range(_GAP + 1):
                if _follows(items, near, index + 1, place + skipped):
                    return True
                at = place + skipped
                if at >= len(near) or near[at].text[0] in _ENDS:
                    return False
            return False
        if item.optional and _follows(items, near, index + 1, place):
            return True
        if place >= len(near):
            return False
        if (item.glued and not near[place].glued) or not item.accepts(near[place].text):
            return False
        index, place = index + 1, place + 1
    return True
