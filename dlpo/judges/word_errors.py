"""Word and character errors: how many a recognizer got wrong, and out of how many."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from itertools import groupby

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
    left_out: int = 0
    """Of the errors: words that were not heard, nor another in their place."""
    added: int = 0
    """Of the errors: words that were heard in no other's place."""
    repeated: int = 0
    """Of the added ones: those that are also said just before or after."""

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
    """The fewest substitutions, insertions and deletions from one to the other."""
    return _distances(reference, hypothesis, 1, 1)[-1][-1]


def word_errors(reference: str, hypothesis: str) -> WordErrors:
    """Errors of a transcript.

    Raises:
        InputError: the reference has no words, so that there is no rate.
    """
    expected = words_of(reference)
    if not expected:
        raise InputError(f"reference text {reference!r} has no words; expected the spoken text")
    return counted(expected, words_of(hypothesis))


def counted(expected: Sequence[str], heard: Sequence[str]) -> WordErrors:
    """The fewest errors that explain what was heard; of several ways, one with the fewest gaps."""
    change = len(expected) + len(heard) + 1  # weighs more than all gaps together
    gap = change + 1
    rows = _distances(expected, heard, change, gap)
    i, j = len(expected), len(heard)
    left_out, added = 0, list[int]()
    while i or j:
        if (
            i
            and j
            and rows[i][j] == rows[i - 1][j - 1] + change * (expected[i - 1] != heard[j - 1])
        ):
            i, j = i - 1, j - 1
        elif i and rows[i][j] == rows[i - 1][j] + gap:
            i, left_out = i - 1, left_out + 1
        else:
            j -= 1
            added.append(j)
    repeated = _repeated(heard, added[::-1])
    return WordErrors(rows[-1][-1] // change, len(expected), left_out, len(added), repeated)


def _repeated(heard: Sequence[str], added: Sequence[int]) -> int:
    """How many added words are said again within as many words as were added in a row."""
    count = 0
    for _, numbered in groupby(enumerate(added), key=lambda pair: pair[1] - pair[0]):
        run = [place for _, place in numbered]
        near = range(max(0, run[0] - len(run)), min(len(heard), run[-1] + 1 + len(run)))
        count += sum(any(heard[k] == heard[j] for k in near if k != j) for j in run)
    return count


def _distances(
    reference: Sequence[str], hypothesis: Sequence[str], change: int, gap: int
) -> list[list[int]]:
    """Distance of the first i of one from the first j of the other, by [i][j].

    Args:
        change: weight of a substitution.
        gap: weight of an insertion or a deletion.

    Reference: Wagner and Fischer, The String-to-String Correction Problem, 1974.
    """
    rows = [[gap * j for j in range(len(hypothesis) + 1)]]
    for i, expected in enumerate(reference, 1):
        above, row = rows[-1], [gap * i]
        for j, heard in enumerate(hypothesis, 1):
            substituted = above[j - 1] + change * (expected != heard)
            row.append(min(substituted, above[j] + gap, row[-1] + gap))
        rows.append(row)
    return rows


def characters_of(text: str) -> str:
    """The words of a text in lower case, with single spaces between them."""
    return " ".join(words_of(text))


def character_errors(reference: str, hypothesis: str) -> int:
    """Wrong characters of a transcript, out of `len(characters_of(reference))`."""
    return edit_distance(characters_of(reference), characters_of(hypothesis))


def pooled(counts: Iterable[WordErrors]) -> WordErrors:
    """All errors and all words of several clips."""
    rows = [astuple(count) for count in counts]
    return WordErrors(*map(sum, zip(*rows, strict=True))) if rows else WordErrors(0, 0)
