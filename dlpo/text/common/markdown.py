"""Markdown: where a block of code begins, and text with blanks in place of markup."""

from __future__ import annotations

import re

from dlpo.text.common.formulas import SILENT, padded
from dlpo.text.common.patterns import late
from dlpo.text.common.tables import Tables

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
_ADDRESS = r"\([^()\s]{1,500}\)"
_BADGE = rf"\[!\[[^\[\]\n]{{0,300}}\]{_ADDRESS}\]{_ADDRESS}"  # a picture that is a link
# Markup of lines and of words: a group is kept, the rest is replaced by as many blanks.
_INLINE = re.compile(
    rf"{_BADGE}|{_LINK.pattern}"
    rf"|(?<=[.,;!?\"]){_CITATIONS}|(?<=\s){_CITATIONS}(?=[ \t]*(?:[.,;:!?)\n]|$))"
    r"|\[\^[\w-]{1,20}\]"
)
# Marks of emphasis; not a product's 2*3*4, a card's *4471, a glob's *.py or a program's __init__.
_EMPHASIS = late(
    r"(?<![\w*`\\])(?P<star>\*{1,3})(?=[^\s*])[^*`\n]{1,300}(?<=[^\s*])(?P=star)(?![\w*])"
    r"|(?<![\w`\\/])(?P<line>_{1,3})(?=[^\s_])[^_`\n]{1,300}(?<=[^\s_])(?P=line)(?![\w/])"
)
_STRONG = late(r"(?<![\w*`\\])\*\*(?=[^\s*)])|(?<=[\w.,:;!?%)\"'`])\*\*(?![\w*])")
_AFTER_LABEL = late(r"(?<=[^|\s])[ \t]{0,40}\|[ \t]{0,40}(?=[$€£#+-]?\d[^|\n]*\Z)")
"""Between the two cells of a row, of which the second is a number."""
_GAP = late(r"(?<=\S) [ \u200b]{1,400}(?=[^\s\u200b])")
_STRUCK = late(r"~~(?=[^\s~])([^~\n]{1,200})~~(?!~)")
_CODE_MARK = re.compile(r"(?<!`)`{1,2}(?!`)(?:_{1,2}(?!\w))?")  # also of a link: `docs.py`_
_RULER = "(?:={3,80}|-{3,80}|~{3,80})"
_BLOCK = re.compile(
    r"(?m)^[-*_|: \t]{3,400}$"  # a rule, or what is under the head of a table
    rf"|^[ \t]{{0,12}}{_RULER}[ \t]{{1,4}}(\S.{{0,200}}?)[ \t]{{1,4}}{_RULER}\n?"
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
    """Text with blanks in place of its markup of lines, and of words with silent characters.

    So what is beside a word stays beside it: **PIN:** 4471.
    """
    if "[" in text:
        text = _CITED.sub(_uncited, text)
    text = without_blocks(_INLINE.sub(_blanked, text))
    if "*" in text or "_" in text:
        text = _STRONG.sub(_silent, _EMPHASIS.sub(_unmarked, text))
    if "~~" in text:
        text = _STRUCK.sub(_struck, text)
    text = _CODE_MARK.sub(_silent, text) if "`" in text else text
    return _GAP.sub(_one_blank, text) if "  " in text or SILENT in text else text


def _one_blank(match: re.Match[str]) -> str:
    """A blank; a comma between two numbers of a row of columns."""
    text = match.string
    columns = text[match.start() - 1].isdigit() and text[match.end()].isdigit()
    return padded(", " if columns and SILENT not in match[0] else " ", match)


def _silent(match: re.Match[str]) -> str:
    """Silent characters; a blank where signs of a command must stay: `cmake ..`, `-e`/`--all`."""
    before = match.string[match.start() - 1 : match.start()]
    is_option = before == "/" and match.string.startswith("-", match.end())
    return padded(" " if before == "." or is_option else "", match)


def _struck(match: re.Match[str]) -> str:
    """What is struck through, and a pause."""
    return f"{SILENT * 2}{match[1]}, "


def _unmarked(match: re.Match[str]) -> str:
    """What is emphasised."""
    mark = match["star"] or match["line"]
    silent = SILENT * len(mark)
    return silent + match[0][len(mark) : -len(mark)] + silent


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
    kept = _AFTER_LABEL.sub(lambda gap: padded(": ", gap), match.string[start:end])
    kept = kept.replace("|", ",")
    return blanks(begins, start - match.start()) + kept + blanks(ends, match.end() - end)


def blanks(first: str, length: int) -> str:
    """That many blanks, of which the first is the character."""
    return (first + " " * length)[:length]
