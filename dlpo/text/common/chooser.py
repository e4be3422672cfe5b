"""Which of several readings a word has, by its neighbors: a linear model in whole numbers.

Tables and forms say what a word may be. The first candidate is what it is without evidence;
another one is chosen if its score exceeds that of the first by more than its gate, which is high
for a rare reading. A score sums weights of what the neighbors are (hashed) and of what they mean
(word vectors). Nothing is rounded differently anywhere, so every machine chooses alike.

scripts/train_chooser.py makes the file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from operator import mul
from pathlib import Path
from threading import Lock
from typing import NamedTuple
from zlib import crc32

from dlpo.text.common.surroundings import (
    PARTS,
    WHOLE,
    Meaning,
    Surroundings,
    Vectors,
    known_vectors,
)

_LOADING = Lock()


class Candidate(NamedTuple):
    """One of the readings that a word may have."""

    name: str
    """That of weights of its own: ``"bass B AE1 S"``."""
    kind: str
    """That of weights that it shares with readings of other words, ``"VB"``, or ""."""


class Choice(NamedTuple):
    """What was chosen, and by which numbers."""

    chosen: int
    """The index of the candidate."""
    rival: int
    """The index of the best candidate but for the first."""
    score: int
    """By how much it exceeds the first one."""
    gate: int
    """What the score has to exceed."""


class Chooser:
    """The model, loaded. Safe to share between threads."""

    def __init__(self, weights: Path, vectors: Vectors) -> None:
        from zipfile import ZipFile  # with the first word that needs it

        with ZipFile(weights) as archive:
            header = json.loads(archive.read("header.json"))
            self._sparse = memoryview(archive.read("sparse.int8")).cast("b")
            self._dense = memoryview(archive.read("dense.int8")).cast("b")
        self.surroundings = Surroundings(header["classes"], vectors)
        self._size = vectors.size
        self._rows: dict[str, int] = {key: row for row, key in enumerate(header["keys"])}
        self._salts = {key: crc32(key.encode()) for key in self._rows}
        self._kinds: dict[str, str] = header["kinds"]
        self._gates: dict[str, int] = header["gates"]
        self._gate: int = header["gate"]
        self._step: int = header["step"]
        self.unit: int = header["unit"]
        """The score at which the odds are e to 1, where both are equally common."""

    def choose(
        self, candidates: Sequence[Candidate], words: Sequence[str], index: int
    ) -> Choice | None:
        """The reading of the ``index``-th word of a sentence; None if the model knows none of them.

        Words are in lower case, except for letters and names. The first candidate is chosen where
        there is no evidence.
        """
        keys = [self._keys(candidate) for candidate in candidates]
        if not any(keys):
            return None
        hashes = [crc32(name.encode()) for name in self.surroundings.features(words, index)]
        meanings = self.surroundings.meanings(words, index)
        scores = [
            sum(self._sum(key, hashes) + self._product(key, meanings) for key in own)
            for own in keys
        ]
        gates = [self._gates.get(candidate.name, self._gate) for candidate in candidates]
        rival = max(range(1, len(keys)), key=lambda one: scores[one] - gates[one])
        score = scores[rival] - scores[0]
        return Choice(rival if score > gates[rival] else 0, rival, score, gates[rival])

    def reasons(
        self, candidates: Sequence[Candidate], choice: Choice, words: Sequence[str], index: int
    ) -> list[tuple[str, int]]:
        """What spoke for the rival, or against it below 0, the strongest first; the sum is the
        score."""
        found = dict[str, int]()
        for candidate, sign in ((candidates[choice.rival], 1), (candidates[0], -1)):
            for key in self._keys(candidate):
                for name in self.surroundings.features(words, index):
                    part = sign * self._sum(key, [crc32(name.encode())])
                    found[name] = found.get(name, 0) + part
                for meaning in self.surroundings.meanings(words, index):
                    part = sign * self._product(key, [meaning])
                    found[meaning.name] = found.get(meaning.name, 0) + part
        return sorted(filter(lambda one: one[1], found.items()), key=lambda one: -abs(one[1]))

    def _keys(self, candidate: Candidate) -> list[str]:
        kind = self._kinds.get(candidate.name, candidate.kind)
        return [key for key in (candidate.name, kind) if key in self._rows]

    def _sum(self, key: str, hashes: Sequence[int]) -> int:
        salt, mask = self._salts[key], len(self._sparse) - 1
        return self._step * sum(self._sparse[(one ^ salt) & mask] for one in hashes)

    def _product(self, key: str, meanings: Sequence[Meaning]) -> int:
        start, total = self._rows[key] * PARTS * self._size, 0
        for _, part, vector, weight in meanings:
            row = self._dense[start + part * self._size : start + (part + 1) * self._size]
            total += sum(map(mul, row, vector)) * weight // WHOLE
        return total


def known_chooser(weights: Path, vectors: Path) -> Chooser | None:
    """The model in a file, loaded once; None where the file was taken out of the package.

    ``vectors``: of words, if the language has any.
    """
    with _LOADING:
        return _loaded(weights, vectors)


@cache
def _loaded(weights: Path, vectors: Path) -> Chooser | None:
    known = known_vectors(vectors if vectors.exists() else None)
    return Chooser(weights, known) if weights.exists() else None
