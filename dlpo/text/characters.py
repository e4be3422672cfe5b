"""Any text -> the characters that this front end can read, each with its place in the original."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

# A form of writing: what it begins with (a, A and d are letters and digits, - is everything else),
# its pattern, and what it is spoken as; None where it is something else after all.
Forms = tuple[tuple[str, str, Callable[[re.Match[str]], list[str] | None]], ...]


def table(name: str) -> dict[str, tuple[str, ...]]:
    """A table of this package, NAME.tsv: first cell -> the others of its row; without its head."""
    text = (files("dlpo.text") / f"{name}.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines()[1:])
    return {first: tuple(others) for first, *others in rows}


def words_of(name: str) -> list[str]:
    """One of the lists of lists.tsv."""
    return _LISTS[name][0].split()


def word_list(name: str) -> frozenset[str]:
    """The same, to look words up."""
    return frozenset(words_of(name))


def any_of(name: str) -> str:
    """The same as alternatives of a regular expression."""
    return "|".join(map(re.escape, words_of(name)))


def text_before(match: re.Match[str], characters: int = 40) -> str:
    """So many characters before the match, at most."""
    return match.string[max(0, match.start() - characters) : match.start()]


_LISTS = table("lists")
_REPLACEMENTS = {written: read for written, (read,) in table("characters").items()}
KEPT_SYMBOLS = frozenset("£€¥₹¢°±×÷©®™§→≈≤≥≠µΩ")
_SUPERSCRIPTS = frozenset("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺")


@dataclass(frozen=True, slots=True)
class ReadableText:
    """Text of printable ASCII, the dashes, the ellipsis, `KEPT_SYMBOLS` and ends of lines only.

    A form feed ends a paragraph.
    """

    text: str
    offsets: list[int] | None
    """For each character its index in the original; None where nothing has moved."""
    dropped: int
    """Characters of the original that can't be spoken: emoji, other scripts, lone surrogates."""

    def source_span(self, start: int, end: int) -> tuple[int, int]:
        """``text[start:end]`` -> start and end of the same passage in the original."""
        if self.offsets is None:
            return start, end
        return self.offsets[start], self.offsets[end - 1] + 1


def readable_text(text: str) -> ReadableText:
    """Fold typographic characters and accents, blank control characters, drop what has no sound."""
    if text.isascii() and text.isprintable():
        return ReadableText(text, None, 0)
    kept: list[str] = []
    offsets: list[int] = []
    dropped = 0
    for index, character in enumerate(text):
        folded = _fold(character)
        if folded is None:
            dropped += 1
            folded = " "
        elif character in _SUPERSCRIPTS and index and text[index - 1] not in _SUPERSCRIPTS:
            folded = f"^{folded}"
        kept.append(folded)
        offsets += [index] * len(folded)
    return ReadableText("".join(kept), offsets, dropped)


def _fold(character: str) -> str | None:
    """One character in readable ones ("" is silent), or None when it can't be spoken."""
    if character in "\f\n –—…" or " " < character <= "~" or character in KEPT_SYMBOLS:
        return _REPLACEMENTS.get(character, character)
    if character in _REPLACEMENTS:
        return _REPLACEMENTS[character]
    category = unicodedata.category(character)
    if category in ("Mn", "Me", "Cf"):  # accents, joiners, direction marks
        return ""
    if category in ("Cc", "Zs", "Zl", "Zp"):
        return "\n" if character in "\x0b\x85\u2028\u2029" else " "
    if category == "Nd":
        return str(unicodedata.digit(character))
    plain = unicodedata.normalize("NFKD", character)
    ascii_only = "".join(part for part in plain if part.isascii() and part.isprintable())
    return ascii_only or None


_FENCE = re.compile(r"(?m)^([ \t]{0,12}```[^\n`]*)$")
_CITATIONS = r"(?:\[\d{1,3}\]){1,9}"
# Markup of lines and of words: a group stays, the rest turns into as many blanks.
_INLINE = re.compile(
    r"!?\[([^\[\]\n]{0,300})\]\([^()\s]{1,500}(?: \"[^\"\n]{0,100}\")?\)"
    rf"|(?<=[.,;!?\"]){_CITATIONS}|(?<=\s){_CITATIONS}(?=[ \t]*(?:[.,;:!?)\n]|$))"
    r"|\[\^[\w-]{1,20}\]|(?<!`)`{1,2}(?!`)"
)
_BLOCK = re.compile(
    r"(?m)^[-*_|: \t]{3,400}$"  # a rule, or what is under the head of a table
    r"|^[ \t]{0,12}(?:(?:[-*+•>]|\[[ xX]\])[ \t]+){1,9}"
    r"|^[ \t]{0,12}#{1,6}[ \t]+(.*)\n?"
    r"|^[ \t]{0,12}\|(.*?)\|?[ \t]{0,12}$"
)


@dataclass
class Markdown:
    """Takes the marks out of the passages of one text, in order."""

    in_code: bool = False
    """whether a block of code is open"""

    def plain(self, passage: str) -> str:
        """As many characters, so that every place stays where it was.

        A form feed is where a block begins; behind that of a block of code are two of its ticks and
        its language, but nothing of the code.
        """
        parts = _FENCE.split(passage)
        for index, part in enumerate(parts):
            is_fence = index % 2 == 1
            self.in_code ^= is_fence
            if is_fence and self.in_code:
                parts[index] = part.replace("```", "\f``")
            elif is_fence or self.in_code:
                parts[index] = _blanks("\f", len(part))
            else:
                parts[index] = _BLOCK.sub(_blanked, _INLINE.sub(_blanked, part))
        return "".join(parts)


def _blanked(match: re.Match[str]) -> str:
    start, end = match.span(match.lastindex) if match.lastindex else (match.end(), match.end())
    begins = "\f" if match.re is _BLOCK else " "
    ends = "\f" if match[0].endswith("\n") else " "
    kept = match.string[start:end].replace("|", ",")
    return _blanks(begins, start - match.start()) + kept + _blanks(ends, match.end() - end)


def _blanks(first: str, length: int) -> str:
    return (first + " " * length)[:length]
