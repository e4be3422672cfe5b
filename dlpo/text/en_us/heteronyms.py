"""Words of one spelling and several sounds: which one is meant, by the words around it.

heteronyms.tsv has a row for each reading and place, and the first row that fits decides. A row's
contexts are phrases apart by commas, of words before or after the word: a word, `*` for any,
`*ing` for its ending, `^` and `$` for the beginning and the end of the sentence, `a/b` for either,
or in capitals the name of a list below in the table. "anywhere" has words of the same sentence.
A word with a capital, "Polish", is what it is where only names have one.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import NamedTuple

from dlpo.text.en_us.tables import TABLES

_REACH = 6  # words on either side that a row may name
_BOTH_WAYS = 20  # words on either side in which "anywhere" is looked for
_ANY = "*"  # the key of phrases whose nearest word is no word of its own


class Context(NamedTuple):
    """Where a reading is meant."""

    line: int
    """Of the table."""
    phonemes: str
    before: str
    after: str
    anywhere: str

    def __str__(self) -> str:
        cells = {"before": self.before, "after": self.after, "anywhere": self.anywhere}
        context = "; ".join(f"{name} {cell}" for name, cell in cells.items() if cell)
        return f"en_us/heteronyms.tsv:{self.line} ({context or 'where no other row fits'})"


@cache
def heteronyms() -> dict[str, list[Context]]:
    """Word -> its readings and where each is meant; the last fits anywhere."""
    found: dict[str, list[Context]] = {}
    for line, (word, *context) in enumerate(TABLES.rows("heteronyms"), 2):
        found.setdefault(word, []).append(Context(line, *context))
    return found


@cache
def _classes() -> dict[str, list[str]]:
    return TABLES.words("word_classes")


@cache
def _words(written: str) -> frozenset[str]:
    """The words of ``a/b`` or ``DET``; patterns such as ``*ing`` are left as they are."""
    return frozenset(word for one in written.split("/") for word in _classes().get(one, (one,)))


@cache
def _phrases(written: str, before: bool) -> dict[str, list[list[frozenset[str]]]]:
    """The phrases of one cell by the words that may be nearest: the words from there on."""
    found: dict[str, list[list[frozenset[str]]]] = {}
    for phrase in written.split(","):
        words = [_words(word) for word in phrase.split()[:: -1 if before else 1]]
        for nearest in words[0]:
            found.setdefault(_ANY if "*" in nearest else nearest, []).append(words)
    return found


def _one_fits(written: str, before: bool, around: Sequence[str]) -> bool:
    """Whether a phrase of a cell fits; ``around``: words from the nearest on."""
    phrases = _phrases(written, before)
    likely = [*phrases.get(around[0], ()), *phrases.get(_ANY, ())]
    return any(
        len(phrase) <= len(around) and all(map(_is_one_of, around, phrase)) for phrase in likely
    )


def _is_one_of(word: str, words: frozenset[str]) -> bool:
    return word in words or any("*" in one and fnmatchcase(word, one) for one in words)


def row_of(words: Sequence[str], index: int) -> Context:
    """The reading of a heteronym, the ``index``-th word of a sentence."""
    rows = heteronyms()[words[index]]
    near = [word.lower() for word in words[max(0, index - _REACH) : index + 1 + _REACH]]
    place = min(index, _REACH)
    before, after = [*near[:place][::-1], "^"][:_REACH], [*near[place + 1 :], "$"][:_REACH]
    for row in rows:
        if row.before and not _one_fits(row.before, True, before):
            continue
        if row.after and not _one_fits(row.after, False, after):
            continue
        if row.anywhere and set(row.anywhere.split()).isdisjoint(
            words[max(0, index - _BOTH_WAYS) : index + _BOTH_WAYS]
        ):
            continue
        return row
    return rows[-1]
