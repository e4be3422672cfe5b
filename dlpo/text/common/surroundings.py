"""What is seen of the neighbors of a word: which words they are, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from math import isqrt
from pathlib import Path
from typing import NamedTuple

_NEAR = 8  # words on either side that are seen as they are
REACH = 12  # words on either side whose meaning counts
WHOLE = 256  # weight of a vector that counts fully
PARTS = 3  # what a vector is that of: the word before, the word after, one of all around
# Endings, and what a word has in place of them that is known.
_FORMS = (
    ("'s", ""), ("s", ""), ("es", ""), ("ies", "y"), ("ed", ""), ("d", ""), ("ing", ""),
    ("ing", "e"), ("ly", ""), ("er", ""),
)  # fmt: skip
_SUFFIXES = ("'s", "ing", "ed", "ly", "s")
_OPEN = "-"  # first character of the class of nouns, verbs and the like


class Meaning(NamedTuple):
    """The vector of one neighbor."""

    name: str
    """As a reason for a choice is reported: ``"near trout"``."""
    part: int
    vector: Sequence[int]
    weight: int
    """Of WHOLE."""


class Vectors:
    """Words, the most frequent first, and where each is among the others: signed bytes.

    Without a file no word is known.
    """

    size = 0
    _ranks: Mapping[str, int] = {}

    def __init__(self, path: Path | None = None) -> None:
        if not path:
            return
        from zipfile import ZipFile  # with the first word that needs it

        with ZipFile(path) as archive:
            words = archive.read("words.txt").decode().split()
            self._vectors = memoryview(archive.read("vectors.int8")).cast("b")
        self._ranks = {word: rank for rank, word in enumerate(words)}
        self.size = len(self._vectors) // len(words)

    def rank(self, word: str) -> int:
        """The place of a word, or of what it is a form of; -1 if both are unknown."""
        forms = (word.removesuffix(one) + more for one, more in _FORMS if word.endswith(one))
        return next((self._ranks[one] for one in (word, *forms) if one in self._ranks), -1)

    def of(self, rank: int) -> Sequence[int]:
        """The vector of the word at a place."""
        return self._vectors[rank * self.size : (rank + 1) * self.size]


@cache
def known_vectors(path: Path | None) -> Vectors:
    """Those of a file, which all models share."""
    return Vectors(path)


class Surroundings:
    """Sees the neighbors of a word.

    ``classes``: small words by what they do, such as articles; as "ENDINGS" what other
    words of a language may end in, by which they are grouped; by default English ones.
    """

    def __init__(self, classes: Mapping[str, Sequence[str]], vectors: Vectors) -> None:
        self._endings = classes.get("ENDINGS", _SUFFIXES)
        self._classes = {word: name for name, words in classes.items() for word in words}
        self.vectors = vectors

    def class_of(self, word: str) -> str:
        """The class of a small word, or the ending of another one behind a ``-``."""
        if known := self._classes.get(word):
            return known
        long = (one for one in self._endings if word.endswith(one) and len(word) > len(one) + 2)
        return _OPEN + next(long, "")

    def features(self, words: Sequence[str], index: int) -> list[str]:
        """What the two words before and after the ``index``-th are, and which ones are near."""
        found = [""]  # what speaks for a reading anywhere
        near = dict[int, str]()
        kinds = dict[int, str]()
        for place in (-2, -1, 1, 2):
            at = index + place
            word = words[at] if 0 <= at < len(words) else ""
            near[place] = word or ("^" if at < 0 else "$")
            kinds[place] = self.class_of(word) if word else near[place]
            found += [f"{place:+} {near[place]}", f"{place:+} {kinds[place]}"]
            if word:
                stem = word.removesuffix("'s").rstrip("s").removesuffix("ed").removesuffix("ing")
                found.append(f"{place:+} {stem}*")
        for place, other in ((-1, 1), (1, -1), (-2, -1), (2, 1)):
            found.append(f"{place:+} {near[place]} {other:+} {kinds[other]}")
        some = words[max(0, index - _NEAR) : index + _NEAR + 1]
        return found + [f"near {word}" for word in some if self.class_of(word)[0] == _OPEN]

    def meanings(self, words: Sequence[str], index: int) -> list[Meaning]:
        """The vectors of the words around the ``index``-th; a rare one counts more."""
        found = list[Meaning]()
        around = list[tuple[str, int, int]]()
        square = 0
        for at in range(max(0, index - REACH), min(len(words), index + REACH + 1)):
            word = words[at]
            rank = self.vectors.rank(word)
            if rank < 0 or at == index:
                continue
            if at in (index - 1, index + 1):
                vector = self.vectors.of(rank)
                name = f"{at - index:+} like {word}"
                found.append(Meaning(name, int(at > index), vector, WHOLE))
            if self.class_of(word)[0] == _OPEN:
                rarity = (rank + 2).bit_length()
                around.append((word, rank, rarity))
                square += rarity * rarity
        length = isqrt(square * WHOLE * WHOLE) or 1
        for word, rank, rarity in around:
            weight = rarity * WHOLE * WHOLE // length
            found.append(Meaning(f"near {word}", 2, self.vectors.of(rank), weight))
        return found
