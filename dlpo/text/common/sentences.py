"""Tokens -> sentences, and overlong sentences -> pieces: where speech may stop."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from dlpo.text.common.forms import is_upper
from dlpo.text.common.language import Language, Token
from dlpo.text.symbols import MARKS, strongest_mark

PARAGRAPH = re.compile(r"\n[ \t]*\n|\f")
_STOP = re.compile(r"[.!?…][\"')\]}]*\s")
_ABBREVIATED = re.compile(r"\.(?=\)?[,;:])")  # "pts., or": the period ends nothing
_APART = re.compile(  # Settings > Wi-Fi, 3 PT / 6 ET
    r"\s(?:->|[|>/→])[*_`\"]{0,3}\s|[*_`\"]\s?[|>/]\s"
)
_BRACKET = re.compile(r"\)?\(|\) ?")
_FUNCTION = re.compile(r"(?<![^\W_])(?:[A-Za-z]'?|log|ln|sin|cos|tan|exp|max|min|sqrt)$")
_LABEL = re.compile(r"(?:\d\([a-z]{1,3}|\)\([a-z\d]{1,3})\)")
_ARGUMENT = re.compile(r"\((?![^)]{0,12}[^\W\d_]{4})[\w +*/^-]{1,12}\)")
_SLASH = re.compile(r"\s?/\s?[$£€¥₹]?")
_DIGIT = re.compile("[0-9]")
_LONGEST_CUT = 5  # letters of an abbreviation
_SHOUTED = re.compile(r"(?:!{2,}|\?{2,}|[!?]*(?:!\?|\?!)[!?]*)\s")  # Wow!!! that's it
_GLUED = re.compile(r"[.!?…][\"')\]}]{0,3}")  # One.Two


@dataclass(frozen=True, slots=True)
class MarkedToken:
    """A token and the boundary mark that follows it."""

    token: Token
    mark: str
    ended_by: str = ""
    """What ends the sentence after it, see `sentence_end`; "" of other tokens."""


def sentences(
    text: str, tokens: Iterable[Token], language: Language, one_case: bool | None = None
) -> Iterator[list[MarkedToken]]:
    """The tokens of ``text`` in order -> those of each sentence, with their marks.

    A sentence ends at an empty line, and at ``.``, ``!``, ``?`` or an ellipsis before a blank,
    unless a lower-case letter follows one mark. ``one_case``: also if one does, since the writer
    uses no capitals or nothing else; by default if the text does. A sentence without a last mark
    gets a full stop.
    """
    sentence: list[MarkedToken] = []
    if one_case is None:
        one_case = text == text.lower() or is_upper(text)
    token: Token | None = None
    for following in tokens:
        if token is not None:
            gap = text[token.end : following.start]
            mark = strongest_mark(_ABBREVIATED.sub("", gap) if gap[:1] == "." else gap)
            if mark == " ":
                mark = _mark_between(text, token, gap, following) or mark
            elif _BRACKET.fullmatch(gap) and _in_formula(text, following.start):
                mark = " "
            if end := sentence_end(text, token, following, one_case, language):
                yield [*sentence, MarkedToken(token, mark.replace(" ", "."), end)]
                sentence = []
            else:
                sentence.append(MarkedToken(token, mark))
        token = following
    if token is not None:
        mark = strongest_mark(text[token.end :]).replace(" ", ".")
        yield [*sentence, MarkedToken(token, mark, "end of the text")]


def _in_formula(text: str, place: int) -> bool:
    """Whether the bracket before a place is of a formula or a label: O(n log n), section 8(b)."""
    opening = max(1, text.rfind("(", 0, place))
    before = text[max(0, opening - 6) : opening]
    of_function = _ARGUMENT.match(text, opening) and _FUNCTION.search(before)
    return bool(of_function or _LABEL.match(text, opening - 1))


def _mark_between(text: str, token: Token, gap: str, following: Token) -> str:
    """A pause between fields, parts of a path and amounts that only a sign is between."""
    if _APART.search(gap):
        return ","
    if not _SLASH.fullmatch(gap):
        return ""
    left, right = text[max(0, token.end - 6) : token.end], text[following.start :][:4]
    return "," if _DIGIT.search(left) and _DIGIT.search(right) else ""


def sentence_end(
    text: str, token: Token, following: Token, one_case: bool, language: Language
) -> str:
    """What ends a sentence in the gap between two tokens of a text; "": nothing."""
    gap = text[token.end : following.start]
    if PARAGRAPH.search(gap):
        return "end of a line or paragraph"
    if one_case:  # a capital says nothing
        following = replace(following, text=following.text.lower())
    elif (following.text[0].islower() or following.text[0] == "&") and not _SHOUTED.match(gap):
        return ""
    if stop := _STOP.search(gap):
        is_period = gap[0] == "." and gap[1].isspace()
        goes_on = is_period and (
            is_cut(token, following, language)
            or not language.period_ends_sentence(text, token, following)
        )
        return "" if goes_on else f"mark {stop[0].rstrip()}"
    if _GLUED.fullmatch(gap):
        if one_case:
            is_end = gap == "." and language.is_word(token.text.lower())
            is_end = is_end and language.starts_sentence(following.words[0])
        else:
            is_end = following.text[0].isupper() and following.text[1:2].islower()
            is_end = is_end and (token.text.isdigit() or token.text[-2:].islower())
        return "mark without a blank" if is_end else ""
    is_own = (
        token.text.endswith(".")
        and gap[:1].isspace()
        and language.period_ends_sentence(text, token, following)
    )
    return "period of an abbreviation or initial" if is_own else ""


def is_cut(token: Token, following: Token, language: Language) -> bool:
    """Whether a word is an abbreviation that no table has: "hum. 40%", "min. 8"."""
    word = token.text
    return (
        word.isalpha()
        and word.islower()
        and 1 < len(word) <= _LONGEST_CUT
        and not following.text[0].isalpha()
        and not language.is_word(word)
    )


def pieces(lengths: Sequence[int], marks: Sequence[str], limit: int) -> Iterator[slice]:
    """Cut a sequence of words so that no piece is longer than ``limit``; time is linear.

    ``lengths`` and ``marks`` belong to the words. A piece ends after its strongest mark in the
    second half of what fits, at the latest of equals; a word longer than the limit is a piece.
    """
    start = 0
    while start < len(lengths):
        end, total = start, 0
        while end < len(lengths) and (end == start or total + lengths[end] <= limit):
            total += lengths[end]
            end += 1
        if end < len(lengths):
            half = start + (end - start) // 2
            end = 1 + max(range(half, end), key=lambda index: (MARKS.index(marks[index]), index))
        yield slice(start, end)
        start = end
