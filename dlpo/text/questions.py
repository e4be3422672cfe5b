"""Which questions rise: those that ask for yes or no, not those that a question word opens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dlpo.text.words import Word

QUESTION_WORDS = {"how", "what", "when", "where", "which", "who", "whom", "whose", "why"}
BEFORE_THEM = {  # "And at what time ...?"
    "a", "and", "at", "but", "by", "for", "from", "in", "of", "on", "or", "so", "then", "to",
    "well", "with",
}  # fmt: skip


def settle_question(words: Sequence[Word]) -> list[Word]:
    """The words of a sentence; one that a question word opens ends like a statement.

    In English "Where is it?" falls as "Here it is." does, and only "Is it here?" rises; the mark at
    the end is all that the voice hears of either.

    Reference: Bolinger, Intonation and Its Uses, 1989, chapters 5 and 6.
    """
    opening = next((word.word for word in words if word.word not in BEFORE_THEM), "")
    if not words or words[-1].mark != "?" or opening.partition("'")[0] not in QUESTION_WORDS:
        return list(words)
    return [*words[:-1], replace(words[-1], mark=".")]
