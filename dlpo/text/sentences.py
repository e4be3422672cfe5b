"""Tokens -> sentences: where one ends, and where an overlong one may be cut."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dlpo.text.abbreviations import TITLES
from dlpo.text.normalize import Token
from dlpo.text.symbols import MARKS, strongest_mark

MAX_LETTERS = 300  # of spoken words in a sentence: about 330 symbols
_PARAGRAPH = re.compile(r"\n[ \t]*\n")
_CLAUSE_MARKS = frozenset(MARKS[1:])


@dataclass(frozen=True, slots=True)
class MarkedToken:
    """A token and the boundary mark that follows it."""

    token: Token
    mark: str


def sentences(text: str, tokens: Iterable[Token]) -> Iterator[list[MarkedToken]]:
    """Tokens of ``text`` in order -> runs of them that are one sentence, marks included.

    A sentence ends at ``.``, ``!``, ``?`` or an ellipsis before a blank and anything but a
    lower-case letter, and at an empty line. The last mark of a sentence is never a plain gap.
    """
    run: list[MarkedToken] = []
    letters = 0
    token: Token | None = None
    for following in tokens:
        if token is not None:
            gap = text[token.end : following.start]
            run.append(MarkedToken(token, strongest_mark(gap)))
            letters += sum(map(len, token.words))
            if _ends_sentence(token, gap, following):
                yield _closed(run)
                run, letters = [], 0
            elif letters > MAX_LETTERS:
                cut = _best_cut(run)
                yield _closed(run[:cut])
                run = run[cut:]
                letters = sum(len(word) for marked in run for word in marked.token.words)
        token = following
    if token is not None:
        run.append(MarkedToken(token, strongest_mark(text[token.end : token.end + 1000])))
        yield _closed(run)


def _ends_sentence(token: Token, gap: str, following: Token) -> bool:
    if _PARAGRAPH.search(gap):
        return True
    next_is_lower = following.text[0].islower()
    if token.text.endswith("."):  # its own period: an abbreviation or initials
        if next_is_lower or token.text[:-1].lower() in TITLES or not gap[:1].isspace():
            return False
        return following.text.lower() in _SENTENCE_STARTERS
    stop = re.search(r"[.!?…][\"')\]}]*\s", gap + " " if not gap.endswith(" ") else gap)
    return stop is not None and not next_is_lower


_SENTENCE_STARTERS = frozenset(
    "a after all although an and as at because but by each every for from he her here his how i if "
    "in is it its many more most my no not now of on one our she since so some such that the their "
    "then there these they this those though to under until we what when where which while who why "
    "with yet you your".split()
)


def _best_cut(run: list[MarkedToken]) -> int:
    """Where to cut: after the last clause of the run, or at its end if it has none."""
    for index in range(len(run) - 1, len(run) // 3, -1):
        if run[index].mark in _CLAUSE_MARKS and run[index].mark != "-":
            return index + 1
    return len(run)


def _closed(run: list[MarkedToken]) -> list[MarkedToken]:
    """The same run with a mark at its end."""
    if run[-1].mark == " ":
        run[-1] = MarkedToken(run[-1].token, ".")
    return run
