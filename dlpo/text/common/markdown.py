"""Markdown: where a block of code begins, and text with blanks in place of markup."""

from __future__ import annotations

import re

from dlpo.text.common.patterns import late
from dlpo.text.common.tables import Tables

CODE_BLOCK = r"(?<=\f)``[ \t]*(?P<language>[\w+#.-]{0,20})[^\n\f]{0,80}"
"""The pattern of the announcement of a block of code, see `TextReading.plain`."""
FENCE = re.compile(r"(?m)^([ \t]{0,12}```[^\n`]*)$")
PROSE_AGAIN = late(r"\n[ \t]*\n(?=[A-Z][a-z']{0,20} [a-z])")
_CITATIONS = r"(?:\[\d{1,3}\]){1,9}"
# Of a word of prose that a clause ends at, and the names of what programs index: works[1], rows[1].
_CITED = late(r"\b([A-Za-z][a-z]{3,30})((?:\[[1-9]\d{0,2}\]){1,9})(?=[.,;:!?](?:\s|$)|\s{0,4}$)")
_INDEXED = Tables(__file__).word_list("indexed")
_LINK = late(
    r"!?\[([^\[\]\n]{0,300})\]\((?:[^()\s]|\([^()\s]{0,100}\)){1,500}(?: \"[^\"\n]{0,100}\")?\)"
)
_LINK_SO_FAR = late(
    r"\[[^\[\]\n]{0,300}(?:\](?:\((?:[^()\s]|\([^()\s]{0,100}\)){0,500}(?:\([^()\s]{0,100})?"
    r"(?: \"?[^\"\n]{0,100}\"?)?)?)?"
)
# Markup of lines and of words: a group is kept, the rest is replaced by as many blanks.
_INLINE = re.compile(
    rf"{_LINK.pattern}|(?<=[.,;!?\"]){_CITATIONS}|(?<=\s){_CITATIONS}(?=[ \t]*(?:[.,;:!?)\n]|$))"
    r"|\[\^[\w-]{1,20}\]|(?<!`)`{1,2}(?!`)|(?<!~)~~(?!~)"
)
_BLOCK = re.compile(
    r"(?m)^[-*_|: \t]{3,400}$"  # a rule, or what is under the head of a table
    r"|^[ \t]{0,12}(?:(?:[-*+•>]|\[[ xX]\])[ \t]+){1,9}"
    r"|^[ \t]{0,12}#{1,6}[ \t]+(.*)\n?"
    r"|^[ \t]{0,12}\|(.*?)\|?[ \t]{0,12}$"
)


def in_link(text: str, place: int) -> bool | None:
    """Whether a place is inside a link; None until more text decides."""
    start = text.rfind("[", 0, place)
    if start < 0:
        return False
    if link := _LINK.match(text, start):
        return place < link.end()
    return None if _LINK_SO_FAR.fullmatch(text, start) else False


def without_markup(text: str) -> str:
    """Text without code, with blanks in place of its markup of lines and words."""
    if "[" in text:
        text = _CITED.sub(_uncited, text)
    return without_blocks(_INLINE.sub(_blanked, text))


def without_blocks(text: str) -> str:
    """Text with blanks in place of its markup of lines."""
    return _BLOCK.sub(_blanked, text)


def _uncited(match: re.Match[str]) -> str:
    """A word without its citations."""
    return match[0] if match[1] in _INDEXED else match[1] + blanks(" ", len(match[2]))


def _blanked(match: re.Match[str]) -> str:
    start, end = match.span(match.lastindex) if match.lastindex else (match.end(), match.end())
    begins = "\f" if match.re is _BLOCK else " "
    ends = "\f" if match[0].endswith("\n") else " "
    kept = match.string[start:end].replace("|", ",")
    return blanks(begins, start - match.start()) + kept + blanks(ends, match.end() - end)


def blanks(first: str, length: int) -> str:
    """That many blanks, of which the first is the character."""
    return (first + " " * length)[:length]
