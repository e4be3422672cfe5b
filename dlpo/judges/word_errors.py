"""Word and character errors: how many a recognizer got wrong, and out of how many."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dlpo.errors import InputError

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_TYPOGRAPHIC_APOSTROPHE = str.maketrans("’", "'")


@dataclass(frozen=True, slots=True)
class WordErrors:
    """A count that can be pooled: errors add up, words add up, the rate is their quotient."""

    errors: int
    """Substitutions, insertions and deletions."""
    words: int
    """Words of the reference."""

    @property
    def rate(self) -> float:
        """Errors per word of the reference; above 1 with many insertions."""
        return self.errors / self.words


def words_of(text: str) -> list[str]:
    """The words of a text in lower case; hyphens split words, apostrophes and accents don't.

    >>> words_of('Mr. Buxton\\'s "fellow-prisoners,"')
    ['mr', "buxton's", 'fellow', 'prisoners']
    """
    composed = unicodedata.normalize("NFC", text.lower())
    return _WORD.findall(composed.translate(_TYPOGRAPHIC_APOSTROPHE))


def edit_distance(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """The fewest substitutions, insertions and deletions from one to the other.

    Reference: Wagner and Fischer, The String-to-String Correction Problem, 1974.
    """
    row = list(range(len(hypothesis) + 1))
    for i, expected in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, heard in enumerate(hypothesis, 1):
            substituted = diagonal + (expected != heard)
            diagonal = row[j]
            row[j] = min(substituted, row[j] + 1, row[j - 1] + 1)
    return row[-1]


def word_errors(reference: str, hypothesis: str) -> WordErrors:
    """Errors of a transcript.

    Raises:
        InputError: the reference has no words, so that there is no rate.
    """
    expected = words_of(reference)
    if not expected:
        raise InputError(f"reference text {reference!r} has no words; expected the spoken text")
    return WordErrors(edit_distance(expected, words_of(hypothesis)), len(expected))


def characters_of(text: str) -> str:
    """The words of a text in lower case, with single spaces between them."""
    return " ".join(words_of(text))


def character_errors(reference: str, hypothesis: str) -> int:
    """Wrong characters of a transcript, out of `len(characters_of(reference))`."""
    return edit_distance(characters_of(reference), characters_of(hypothesis))


def pooled(counts: Iterable[WordErrors]) -> WordErrors:
    """All errors and all words of several clips."""
    counts = list(counts)
    return WordErrors(sum(c.errors for c in counts), sum(c.words for c in counts))
