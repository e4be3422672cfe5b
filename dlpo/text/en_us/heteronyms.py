"""Words of one spelling and several sounds: which one is meant, by the words around it.

heteronyms.tsv has a row for each reading and place, and the first row that fits decides. A row's
contexts are phrases apart by commas, of words before or after the word: a word, `*` for any,
`*ing` for its ending, `^` and `$` for the beginning and the end of the sentence, `a/b` for either,
or in capitals the name of a list below in the table. "anywhere" has words of the same sentence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from dlpo.text.common.language import Phonemes
from dlpo.text.en_us.tables import TABLES

_REACH = 4  # words on either side that a row may name
_CLASSES = {
    name: f"(?:{words.replace(' ', '|')})" for name, words in TABLES.column("word_classes").items()
}


class Context(NamedTuple):
    """Where a reading is meant."""

    phonemes: Phonemes
    before: str
    after: str
    anywhere: frozenset[str]


def _rows() -> dict[str, list[Context]]:
    found: dict[str, list[Context]] = {}
    for word, phonemes, before, after, anywhere in TABLES.rows("heteronyms"):
        context = Context(tuple(phonemes.split()), before, after, frozenset(anywhere.split()))
        found.setdefault(word, []).append(context)
    return found


HETERONYMS = _rows()
"""Word -> its readings and where each is meant; the last fits anywhere."""


def _word_pattern(written: str) -> str:
    alternatives = []
    for one in written.split("/"):
        if one in _CLASSES:
            alternatives.append(_CLASSES[one])
        else:
            alternatives.append(re.escape(one).replace(r"\*", r"[^ ]*"))
    return f"(?:{'|'.join(alternatives)})"


@cache
def _phrases(written: str, before: bool) -> re.Pattern[str]:
    """The pattern of one cell, for the words around, apart by blanks."""
    phrases = "|".join(
        " ".join(_word_pattern(word) for word in phrase.split()) for phrase in written.split(",")
    )
    return re.compile(f"(?:.* )?(?:{phrases})$" if before else f"(?:{phrases})(?: .*)?$")


def reading_of(words: Sequence[str], index: int) -> Phonemes:
    """The phonemes of a heteronym, the ``index``-th word of a sentence."""
    rows = HETERONYMS[words[index].lower()]
    before = " ".join(["^", *words[max(0, index - _REACH) : index]][-_REACH:]).lower()
    if index > _REACH:
        before = " ".join(words[index - _REACH : index]).lower()
    after = " ".join([*words[index + 1 : index + 1 + _REACH], "$"][:_REACH]).lower()
    for row in rows:
        if row.before and not _phrases(row.before, True).match(before):
            continue
        if row.after and not _phrases(row.after, False).match(after):
            continue
        if row.anywhere and row.anywhere.isdisjoint(words[max(0, index - 20) : index + 20]):
            continue
        return row.phonemes
    return rows[-1].phonemes
