"""Any text -> the characters that this front end can read, each with its place in the original."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

# A written form: what it begins with (a, A and d are letters and digits, - is everything else), its
# pattern, and a function from its match to spoken words; None if it is something else after all.
Forms = tuple[tuple[str, str, Callable[[re.Match[str]], list[str] | None]], ...]


def table(name: str) -> dict[str, tuple[str, ...]]:
    """A table of this package, NAME.tsv: first cell -> the others of its row, less the header."""
    text = Path(__file__).with_name(f"{name}.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines()[1:])
    return {first: tuple(others) for first, *others in rows}


def words_of(name: str) -> list[str]:
    """The words of one list in lists.tsv."""
    return _LISTS[name][0].split()


def word_list(name: str) -> frozenset[str]:
    """The words of a list as a set, to look words up."""
    return frozenset(words_of(name))


def any_of(name: str) -> str:
    """The words of a list as alternatives of a regular expression."""
    return "|".join(map(re.escape, words_of(name)))


def text_before(match: re.Match[str], characters: int = 40) -> str:
    """At most that many characters before the match."""
    return match.string[max(0, match.start() - characters) : match.start()]


_LISTS = table("lists")
_REPLACEMENTS = {written: read for written, (read,) in table("characters").items()}
KEPT_SYMBOLS = frozenset("£€¥₹¢°±×÷©®™§→≈≤≥≠µΩ")
_SUPERSCRIPTS = frozenset("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺")
_PICTURES = r"\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001f3fa\U0001f400-\U0001faff"  # no skin tones
_PICTURE = re.compile(f"[{_PICTURES}]")
# Parts of a Unicode name that nobody would say.
_UNNAMED = re.compile("(?:REGIONAL INDICATOR|SYMBOL|LETTER|SIGN|BLACK|WHITE|HEAVY)\\b|[^A-Z ]")
Code = Literal["announce", "speak", "skip"]
"""How a block of code is read: only its language is announced, all of it is spoken, or nothing."""
Emoji = Literal["skip", "name"]
CODE: tuple[str, ...] = get_args(Code)
EMOJI: tuple[str, ...] = get_args(Emoji)


@dataclass(frozen=True, slots=True)
class ReadableText:
    """Text of printable ASCII, the dashes, the ellipsis, `KEPT_SYMBOLS` and line ends only.

    A form feed ends a paragraph.
    """

    text: str
    offsets: Sequence[int]
    """For each character its index in the original."""
    dropped: str
    """Characters of the original that can't be spoken: emoji, other scripts, lone surrogates."""

    def source_span(self, start: int, end: int) -> tuple[int, int]:
        """``text[start:end]`` -> start and end of the same passage in the original."""
        return self.offsets[start], self.offsets[end - 1] + 1


def readable_text(text: str, emoji: str = EMOJI[0]) -> ReadableText:
    """Fold typographic characters and accents, blank control characters, drop what has no sound."""
    if text.isascii() and text.isprintable():
        return ReadableText(text, range(len(text)), "")
    kept: list[str] = []
    offsets: list[int] = []
    dropped = ""
    for index, character in enumerate(text):
        folded = _fold(character)
        if folded is None and emoji == "name" and _PICTURE.match(character):
            name = _UNNAMED.sub("", unicodedata.name(character, "")).lower()
            folded = f", {' '.join(name.split())}, "
        elif folded is None:
            dropped += character
            folded = " "
        elif character in _SUPERSCRIPTS and index and text[index - 1] not in _SUPERSCRIPTS:
            folded = f"^{folded}"
        kept.append(folded)
        offsets += [index] * len(folded)
    return ReadableText("".join(kept), offsets, dropped)


def _fold(character: str) -> str | None:
    """A character as readable ones ("" is silent), or None if it can't be spoken."""
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


FENCE = re.compile(r"(?m)^([ \t]{0,12}```[^\n`]*)$")
_PROSE_AGAIN = re.compile(r"\n[ \t]*\n(?=(?:[A-Z][a-z']{0,20}|I) [a-z])")
_CITATIONS = r"(?:\[\d{1,3}\]){1,9}"
_LINK = re.compile(
    r"!?\[([^\[\]\n]{0,300})\]\((?:[^()\s]|\([^()\s]{0,100}\)){1,500}(?: \"[^\"\n]{0,100}\")?\)"
)
_LINK_SO_FAR = re.compile(
    r"\[[^\[\]\n]{0,300}(?:\](?:\((?:[^()\s]|\([^()\s]{0,100}\)){0,500}(?:\([^()\s]{0,100})?"
    r"(?: \"?[^\"\n]{0,100}\"?)?)?)?"
)
# Markup of lines and of words: a group is kept, the rest is replaced by as many blanks.
_INLINE = re.compile(
    rf"{_LINK.pattern}|(?<=[.,;!?\"]){_CITATIONS}|(?<=\s){_CITATIONS}(?=[ \t]*(?:[.,;:!?)\n]|$))"
    r"|\[\^[\w-]{1,20}\]|(?<!`)`{1,2}(?!`)"
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


_SAID = re.compile(rf"[^\W_]|[{_PICTURES}]")  # what a reader would expect to hear
_ADDRESS = re.compile(r"\]\(((?:[^()\s]|\([^()\s]{0,100}\)){1,500})[^()\n]{0,102}\)")  # of a link
_CHECKED = re.compile(r"\[[xX]\]")
_MARKS = " .,;:!?*_`#\"'|"
_LANGUAGES = table("languages")  # small word -> its languages; lower case only: not "Las Vegas"
SHOWN = 5  # passages in a warning
_SHOWN_LENGTH = 60  # characters of each


@dataclass
class TextReading:
    """How one text is read, passage by passage, and what in it is not spoken."""

    code: str = CODE[0]
    emoji: str = EMOJI[0]
    in_code: bool = False
    """whether a block of code is open"""
    dropped: int = 0
    """characters so far that can't be spoken"""
    unspoken: list[str] = field(default_factory=list)
    """passages so far that gave no word"""
    foreign: Counter[str] = field(default_factory=Counter)
    """words of other languages so far"""
    words: int = 0
    """all words so far, as written"""

    def plain(self, passage: str, last: bool = True) -> str:
        """The next passage with blanks in place of markup, so that every offset stays.

        A form feed marks where a block begins. Where a block of code is announced, two of its
        backticks and its language follow, and the code is blanked.

        Args:
            last: no more text follows: an open block of code ends where prose begins again.
        """
        parts = FENCE.split(passage)
        for index, part in enumerate(parts):
            is_fence = index % 2 == 1
            self.in_code ^= is_fence
            if is_fence and self.in_code and self.code == "announce":
                parts[index] = part.replace("```", "\f``")
            elif is_fence:
                parts[index] = _blanks("\f", len(part))
            elif not self.in_code:
                parts[index] = _BLOCK.sub(_blanked, _INLINE.sub(_blanked, part))
            elif self.code != "speak":
                prose = _PROSE_AGAIN.search(part) if last and part is parts[-1] else None
                end = prose.end() if prose else len(part)
                parts[index] = _blanks("\f", end) + _BLOCK.sub(_blanked, part[end:])
        return "".join(parts)

    def note(self, text: str, readable: ReadableText, places: list[tuple[int, int]]) -> None:
        """Note what in a passage is not spoken; ``places`` are those of its words, in order."""
        end = 0
        for start, stop in [*places, (len(text), 0)]:
            if start > end and _SAID.search(text, end, start):
                self.unspoken.append(text[end:start])
            end = max(end, stop)
        self.dropped += len(readable.dropped)
        written = re.findall("[A-Za-z]+", readable.text)
        self.words += len(written)
        self.foreign.update(filter(_LANGUAGES.__contains__, written))

    def warnings(self) -> tuple[str, ...]:
        """Warnings for the writer, one line each."""
        found = []
        shown = [one for passage in self.unspoken if (one := _brief(passage))]
        if shown:
            more = [f"{len(shown) - SHOWN} more"] if len(shown) > SHOWN else []
            found.append(f"not spoken: {'; '.join(shown[:SHOWN] + more)}")
        spoken, distinct = Counter[str](), Counter[str]()
        for word, count in self.foreign.items():
            languages = _LANGUAGES[word][0].split(",")
            spoken.update(dict.fromkeys(languages, count))
            distinct.update(languages)
        for language, count in spoken.most_common(1):
            least = {1: 2.0, 2: 0.5}.get(distinct[language], 0.2)  # share of the words
            if count >= least * self.words:
                found.append(f"the text looks like {language}; this voice speaks English")
        return tuple(found)


def _brief(passage: str) -> str:
    """A passage as a warning shows it; empty if it is only markup, such as a list marker."""
    words = _CHECKED.sub("", _ADDRESS.sub(r" \1 ", passage)).split()
    if "](" in passage:  # punctuation between links
        words = list(filter(_SAID.search, words))
    shown = "".join(filter(str.isprintable, " ".join(words)))
    shown = shown.lstrip(")]" + _MARKS).rstrip("([" + _MARKS)
    if not _SAID.search(shown):
        return ""
    return shown if len(shown) <= _SHOWN_LENGTH else f"{shown[:_SHOWN_LENGTH]}..."


def _blanked(match: re.Match[str]) -> str:
    start, end = match.span(match.lastindex) if match.lastindex else (match.end(), match.end())
    begins = "\f" if match.re is _BLOCK else " "
    ends = "\f" if match[0].endswith("\n") else " "
    kept = match.string[start:end].replace("|", ",")
    return _blanks(begins, start - match.start()) + kept + _blanks(ends, match.end() - end)


def _blanks(first: str, length: int) -> str:
    return (first + " " * length)[:length]
