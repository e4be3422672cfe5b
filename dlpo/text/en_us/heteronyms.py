"""Words of one spelling and several sounds: which one is meant, by the words around it.

heteronyms.tsv has a row for each reading and place, and the first row that fits decides. A row's
contexts are phrases apart by commas, of words before or after the word: a word, `*` for any,
`*ing` for its ending, `^` and `$` for the beginning and the end of the sentence, `a/b` for either,
or in capitals the name of a class in word_classes.tsv. "anywhere" has words of the same sentence.
A word with a capital, "Polish", is what it is where only names have one.

Where only the row without contexts fits, or the word has no rows, a `Chooser` decides between their
readings, or the pronunciations of the lexicon: the record, to record.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from dlpo.text.common.chooser import Candidate, Choice, Chooser
from dlpo.text.common.language import Phonemes
from dlpo.text.common.surroundings import known_vectors
from dlpo.text.en_us.lexicon import Pronunciation
from dlpo.text.en_us.tables import TABLES

_FOLDER = Path(__file__).parent
_LOADING = Lock()
_CACHED_WORDS = 5_000
_SHOWN = 5  # reasons of the model
_BESIDE_VERBS = frozenset({"NN", "JJ", "RB", "VBD"})  # roles in which verbs sound otherwise
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
        return f"en_us/heteronyms.tsv:{self.line} ({context})"


@cache
def heteronyms() -> dict[str, list[Context]]:
    """Word -> its readings and where each is meant; the last fits anywhere."""
    found: dict[str, list[Context]] = {}
    for line, (word, *context) in enumerate(TABLES.rows("heteronyms"), 2):
        found.setdefault(word, []).append(Context(line, *context))
    return found


@cache
def _words(written: str) -> frozenset[str]:
    """The words of ``a/b`` or ``DET``; patterns such as ``*ing`` are left as they are."""
    return frozenset(word for one in written.split("/") for word in TABLES.classes.get(one, (one,)))


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


class Decision(NamedTuple):
    """How a word is said, and what decided: a row that fits, the model, or nothing."""

    phonemes: Phonemes
    readings: Sequence[Phonemes]
    words: Sequence[str]
    place: int
    row: Context | None
    candidates: Sequence[Candidate]
    choice: Choice | None

    def __str__(self) -> str:
        if self.row:
            return str(self.row)
        if not self.choice or not (model := chooser()):
            return "en_us/heteronyms.tsv" if self.words[self.place] in heteronyms() else "lexicon"
        reasons = model.reasons(self.candidates, self.choice, self.words, self.place)
        shown = [f"{name or 'always'} {part / model.unit:+.1f}" for name, part in reasons]
        score, gate = (number / model.unit for number in (self.choice.score, self.choice.gate))
        rival = f"{self.candidates[self.choice.rival].name} has {score:+.1f} and needs {gate:+.1f}"
        return f"en_us/readings.zip ({rival}: {', '.join(shown[:_SHOWN])})"


def decide(words: Sequence[str], index: int, listed: Sequence[Pronunciation]) -> Decision:
    """How the ``index``-th word of a sentence is said, which has rows or is ``listed``."""
    rows = heteronyms().get(words[index], ())
    row = _fitting(rows, words, index) if rows else None
    readings, candidates = _readings(words[index], tuple(listed))
    model = chooser() if len(candidates) > 1 and not row else None
    choice = model.choose(candidates, words, index) if model else None
    phonemes = tuple(row.phonemes.split()) if row else readings[choice.chosen if choice else 0]
    return Decision(phonemes, readings, words, index, row, candidates, choice)


def chooser(name: str = "readings") -> Chooser | None:
    """A model, loaded once; None where it was taken out of the package."""
    with _LOADING:
        return _loaded(name)


@cache
def _loaded(name: str) -> Chooser | None:
    file, vectors = _FOLDER / f"{name}.zip", _FOLDER / "word_vectors.zip"
    return Chooser(file, known_vectors(vectors)) if file.exists() and vectors.exists() else None


@lru_cache(maxsize=_CACHED_WORDS)
def _readings(
    word: str, listed: tuple[Pronunciation, ...]
) -> tuple[list[Phonemes], list[Candidate]]:
    """What a word may be, first what it is without evidence: of its rows, or a verb and another."""
    rows = heteronyms().get(word, ())
    roles = {one.phonemes: one.role for one in reversed(listed)}
    readings = list(dict.fromkeys(tuple(row.phonemes.split()) for row in [*rows[-1:], *rows]))
    if not rows:
        others = {role for role in roles.values() if role != "VB"}
        is_pair = len(listed) == len(roles) == 2 and len(others) == 1 and others <= _BESIDE_VERBS
        is_pair &= not word.endswith(("ed", "ing"))
        readings = [one.phonemes for one in (listed if is_pair else listed[:1])]
    name, kind = word.lower(), "VBS" if re.search("[^s]s$", word) else "VB"
    candidates = [
        Candidate(f"{name} {' '.join(one)}", kind if roles.get(one) == "VB" else "")
        for one in readings
    ]
    return readings, candidates


def _fitting(rows: Sequence[Context], words: Sequence[str], index: int) -> Context | None:
    """The first row with a context that fits."""
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
        return row if row.before or row.after or row.anywhere else None
    return None
