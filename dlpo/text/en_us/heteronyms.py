"""Words of one spelling and several sounds: which one is meant, by the words around it.

heteronyms.tsv has a row for each reading and place, and the first row that fits decides: its cells
are as in `dlpo.text.common.neighbors`, of the words of the sentence as they are said. A word with a
capital, "Polish", is what it is where only names have one.

Where only the row without contexts fits, or the word has no rows, a `Chooser` decides between their
readings, or the pronunciations of the lexicon: the record, to record.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import NamedTuple

from dlpo.text.common.chooser import Candidate, Choice
from dlpo.text.common.language import Phonemes
from dlpo.text.common.neighbors import Context
from dlpo.text.en_us.lexicon import Pronunciation
from dlpo.text.en_us.tables import TABLES

_CACHED_WORDS = 5_000
_SHOWN = 5  # reasons of the model
_BESIDE_VERBS = frozenset({"NN", "JJ", "RB", "VBD"})  # roles in which verbs sound otherwise


class HeteronymRow(NamedTuple):
    """Where a reading is meant."""

    line: int
    """Of the table."""
    phonemes: str
    context: Context | None
    """None: anywhere."""

    def __str__(self) -> str:
        cells = self.context.cells if self.context else {}
        asked = "; ".join(f"{name} {cell}" for name, cell in cells.items() if cell)
        return f"en_us/heteronyms.tsv:{self.line} ({asked})"


@cache
def heteronyms() -> dict[str, list[HeteronymRow]]:
    """Word -> its readings and where each is meant; the last fits anywhere."""
    found: dict[str, list[HeteronymRow]] = {}
    for line, (word, phonemes, *cells) in enumerate(TABLES.rows("heteronyms"), 2):
        row = HeteronymRow(line, phonemes, Context(TABLES, *cells) if any(cells) else None)
        found.setdefault(word, []).append(row)
    return found


class Decision(NamedTuple):
    """How a word is said, and what decided: a row that fits, the model, or nothing."""

    phonemes: Phonemes
    readings: Sequence[Phonemes]
    words: Sequence[str]
    place: int
    row: HeteronymRow | None
    candidates: Sequence[Candidate]
    choice: Choice | None

    def __str__(self) -> str:
        if self.row:
            return str(self.row)
        if not self.choice or not (model := TABLES.model("readings")):
            return "en_us/heteronyms.tsv" if self.words[self.place] in heteronyms() else "lexicon"
        reasons = model.reasons(self.candidates, self.choice, self.words, self.place)
        shown = [f"{name or 'always'} {part / model.unit:+.1f}" for name, part in reasons]
        score, gate = (number / model.unit for number in (self.choice.score, self.choice.gate))
        rival = f"{self.candidates[self.choice.rival].name} has {score:+.1f} and needs {gate:+.1f}"
        return f"en_us/readings.zip ({rival}: {', '.join(shown[:_SHOWN])})"


def decide(words: Sequence[str], index: int, listed: Sequence[Pronunciation]) -> Decision:
    """How the ``index``-th word of a sentence is said, which has rows or is ``listed``."""
    rows = heteronyms().get(words[index], ())
    fitting = (row for row in rows if not row.context or row.context.fits_word(words, index))
    row = next(fitting, None)
    row = row if row and row.context else None
    readings, candidates = _readings(words[index], tuple(listed))
    model = TABLES.model("readings") if len(candidates) > 1 and not row else None
    choice = model.choose(candidates, words, index) if model else None
    phonemes = tuple(row.phonemes.split()) if row else readings[choice.chosen if choice else 0]
    return Decision(phonemes, readings, words, index, row, candidates, choice)


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
