"""Words that a name without spaces is made of: bankofamerica, johnsmithphotography, jsmith."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from dlpo.text.en_us.pronounce import lexicon
from dlpo.text.en_us.tables import TABLES, word_list

_TERMS = TABLES.column("technical")
_SHORT = word_list("short words in names")
_SHORTEST = 7  # letters of a name that is looked into
_LONGEST_WORD = 16
_CACHED_NAMES = 1_000
_LONG = 5  # letters of a word that isn't short and common, as many a rare name is
_INITIAL = re.compile(r"([a-z])([a-z]{3,20})")


@lru_cache(maxsize=_CACHED_NAMES)
def words_apart(name: str) -> tuple[str, ...]:
    """Its words in lower case, or the name alone where it isn't made of known words.

    Of several ways the one with the fewest words, where those that are short and common count
    less than others; then the one whose words are most alike in length.
    """
    name = name.lower()
    if len(name) < _SHORTEST or _is_word(name):
        return (name,)
    best: dict[int, tuple[int, int, tuple[str, ...]]] = {0: (0, 0, ())}  # by letters read so far
    for end in range(1, len(name) + 1):
        ways = [
            (best[start][0] + cost, best[start][1] + len(word) ** 2, (*best[start][2], word))
            for start, word in _words_before(name, end)
            if start in best and (cost := _cost(word))
        ]
        if ways:
            best[end] = min(ways)
    return best[len(name)][2] if len(name) in best else (name,)


def with_initial(name: str, shortest: int = 3) -> tuple[str, ...]:
    """The same of a person's name: jsmith is J. Smith.

    ``shortest``: letters of a name after an initial.
    """
    found = _INITIAL.fullmatch(name.lower())
    if found and len(found[2]) >= shortest and found[2] in lexicon() and not _is_word(found[0]):
        return (found[1].upper(), found[2])
    return words_apart(name)


def _is_word(letters: str) -> bool:
    known = letters in lexicon() or letters in _TERMS
    return known or (letters[4:].endswith("s") and letters[:-1] in lexicon())


def _words_before(name: str, end: int) -> Iterator[tuple[int, str]]:
    return ((start, name[start:end]) for start in range(max(0, end - _LONGEST_WORD), end))


def _cost(word: str) -> int:
    """0 for what is no word."""
    if word in _SHORT:
        return 2
    return 3 * (len(word) >= _LONG and _is_word(word))
