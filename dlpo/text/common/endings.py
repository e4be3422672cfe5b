"""How sentences end: which kind of ending a text asks for, by its words and its last mark.

References: Bolinger, Intonation and Its Uses, 1989 (questions, tags, alternatives); Navarro Tomás,
Manual de entonación española, 1944.
"""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass
from typing import Literal

EndingKind = Literal[
    "yes_no", "declarative", "wh", "alternative", "tag", "list_item", "statement"
]  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")


@dataclass(frozen=True, slots=True)
class Endings:
    """The words of one language that tell its endings apart, all in lower case."""

    tag: re.Pattern[str]
    """Before the mark of a question: ", isn't it"."""
    before: Set[str]
    """May precede the word that opens a question: "And where is it?"."""
    question_words: re.Pattern[str]
    """The opening word of a question that asks for more than yes or no; from its beginning."""
    alternative: re.Pattern[str]
    """Of what a question lets one choose from: "or"."""
    conjunctions: Set[str]
    """Before the last thing of a list: "and"."""
    openings: Set[str] = frozenset()
    """Opening words of questions for yes or no, where they tell these from statements that are
    asked; empty where the order of words tells nothing."""

    def kind(self, text: str) -> EndingKind:
        """What kind of ending a sentence asks for."""
        stripped = text.rstrip("\"'”’»)] ").lower()
        if not stripped.endswith("?"):
            return "statement"
        if self.tag.search(stripped):
            return "tag"
        asked = stripped.rpartition("¿")[2]
        opening = next((w for w in _WORD.findall(asked) if w not in self.before), "")
        if self.question_words.match(opening):
            return "wh"
        if self.alternative.search(asked):
            return "alternative"
        asks = not self.openings or opening.replace("’", "'") in self.openings
        return "yes_no" if asks else "declarative"

    def lists(self, text: str) -> bool:
        """Whether a sentence lists three or more things between commas."""
        items = text.split(",")
        last = items[-1].split(maxsplit=1)
        return len(items) > 2 and not self.conjunctions.isdisjoint(last[:1])
