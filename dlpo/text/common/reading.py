"""How one text is read, and what its writer is warned of."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from dlpo.text.common.characters import PICTURES, ReadableText
from dlpo.text.common.formulas import without_formulas
from dlpo.text.common.markdown import (
    FENCE,
    PROSE_AGAIN,
    blanks,
    without_blocks,
    without_markup,
)
from dlpo.text.common.markup import (
    Pause,
    plain_marks,
    with_items,
    without_directions,
    without_followed_tags,
    without_pauses,
    without_tags,
    without_thoughts,
)
from dlpo.text.common.patterns import late
from dlpo.text.common.tables import Tables
from dlpo.text.common.words import TextObserver

Code = Literal["announce", "speak", "skip"]
"""How a block of code is read: only its language is announced, all of it is spoken, or nothing."""
Emoji = Literal["skip", "name"]
Dates = Literal["usual", "dmy", "mdy"]
"""Whether 5/3/2024 has the day or the month first; by default as the language has it."""
CODE: tuple[str, ...] = get_args(Code)
EMOJI: tuple[str, ...] = get_args(Emoji)
DATES: tuple[str, ...] = get_args(Dates)
_SAID = re.compile(rf"[^\W_]|[{PICTURES}]")  # what a reader would expect to hear
_COMMAND = re.compile(r"\\[A-Za-z]{2,12}")  # of a formula
_ADDRESS = late(r"\]\(((?:[^()\s]|\([^()\s]{0,100}\)){1,500})[^()\n]{0,102}\)")  # of a link
_WORD = re.compile(r"[^\W\d_]+|[¿¡]")
_OPENING = re.compile(r"(?:^|[.!?:¿¡\n\"“(]\s{0,3})([^\W\d_]{1,20})")
_CHECKED = re.compile(r"\[[xX]\]")
_MARKS = " .,;:!?*_`#\"'|"
# Small word without accents -> its languages; in lower case, which "Las Vegas" isn't. And signs,
# and a letter that only words of one language have.
_LANGUAGES = Tables(__file__).table("languages")
_MUCH_MORE = 3  # times as many small words of another language as of the one that is spoken
SHOWN = 5  # passages in a warning
_SHOWN_LENGTH = 60  # characters of each


@dataclass
class TextReading:
    """How one text is read, passage by passage, and what in it is not spoken."""

    code: str = CODE[0]
    emoji: str = EMOJI[0]
    language: str = ""
    """that of the text, BCP 47; "" is the front end's own"""
    dates: str = DATES[0]
    """the order of dates in numbers: one of `DATES`"""
    directions: bool = False
    """whether stage directions such as [laughs] are spoken"""
    strict_ssml: bool = False
    """whether what a document asks for and can't be done is an error, not a warning"""
    in_code: bool = False
    """whether a block of code is open"""
    thinking: bool = False
    """whether a thought of a model is open, as after ``<think>``"""
    line: int = 0
    """characters of the line before the next passage; 0: it begins where a line does"""
    pauses: list[Pause] = field(default_factory=list)
    """those of the last passage, by their places in it"""
    gap: str = ""
    """the last characters of the last passage, after its last word"""
    open_pause_s: float = 0.0
    """pauses that no sentence precedes yet"""
    notes: dict[str, None] = field(default_factory=dict)
    """other warnings, in order"""
    dropped: int = 0
    """characters so far that can't be spoken"""
    unspoken: list[str] = field(default_factory=list)
    """passages so far that gave no word"""
    small: Counter[str] = field(default_factory=Counter)
    """small words so far that show a language"""
    words: int = 0
    """all words so far, as written"""
    trace: TextObserver | None = None
    """notes what read each token, where somebody asks"""

    def plain(self, passage: str, last: bool = True) -> str:
        """The next passage with blanks in place of markup, so that every offset stays.

        A form feed marks where a block begins. Where a block of code is announced, two of its
        backticks and its language follow, and the code is blanked.

        Args:
            last: no more text follows: an open block of code ends where prose begins again.
        """
        passage = self._without_markup(passage)
        parts = FENCE.split(passage)
        for index, part in enumerate(parts):
            is_fence = index % 2 == 1
            self.in_code ^= is_fence
            if is_fence and self.in_code and self.code == "announce":
                parts[index] = part.replace("```", "\f``")
            elif is_fence:
                parts[index] = blanks("\f", len(part))
            elif not self.in_code:
                parts[index] = without_markup(part)
            elif self.code != "speak":
                prose = PROSE_AGAIN.search(part) if last and part is parts[-1] else None
                end = prose.end() if prose else len(part)
                parts[index] = blanks("\f", end) + without_blocks(part[end:])
        return "".join(parts)

    def _without_markup(self, passage: str) -> str:
        """A passage with blanks in place of what is not Markdown; its pauses are kept."""
        self.pauses = []
        line, end = self.line, passage.rfind("\n") + 1
        self.line = len(passage) - end + (0 if end else line)
        if "<" in passage or self.thinking:
            passage, self.thinking = without_thoughts(passage, self.thinking)
        if self.in_code or "```" in passage:
            return passage
        if "<" in passage or "[" in passage:
            passage, self.pauses = without_pauses(passage)
        if not self.directions and any(mark in passage for mark in "[(*"):
            passage = without_directions(passage)
        if "<" in passage or "&" in passage:
            passage = without_tags(passage)
        if "$" in passage or "\\(" in passage or "\\[" in passage:
            passage = without_formulas(passage)
        if "`" in passage or "==" in passage:
            passage = plain_marks(passage)
        return with_items(passage, line)

    def note(
        self, text: str, plain: str, readable: ReadableText, places: list[tuple[int, int]]
    ) -> None:
        """Note what in a passage is not spoken.

        Args:
            text: as written.
            plain: from `plain`.
            readable: that in the characters of its language.
            places: of its words, in order.
        """
        end = 0
        for start, stop in [*places, (len(text), 0)]:
            if _SAID.search(text, end, start):
                passage = text[end:start]
                self.unspoken += [passage] if _SAID.search(_COMMAND.sub("", passage)) else []
            end = max(end, stop)
        self.dropped += len(readable.dropped)
        found, number = small_words(plain)
        self.words += number
        self.small.update(found)

    def warnings(self, spoken_language: str) -> tuple[str, ...]:
        """Warnings for the writer, one line each; the argument is the name of the voice's."""
        found = []
        shown = [one for passage in self.unspoken if (one := _brief(passage))]
        if shown:
            more = [f"{len(shown) - SHOWN} more"] if len(shown) > SHOWN else []
            found.append(f"not spoken: {'; '.join(shown[:SHOWN] + more)}")
        if language := likely_language(self.small, self.words, spoken_language):
            found.append(f"the text looks like {language}; this voice speaks {spoken_language}")
        found += self.notes
        return tuple(found)


def small_words(text: str) -> tuple[Counter[str], int]:
    """The words of a plain text that show its language, and the number of all its words."""
    written = _WORD.findall(text)
    found = Counter(filter(_LANGUAGES.__contains__, written))
    others = [word.lower() for word in _OPENING.findall(text) if not word.islower()]
    if not text.isascii():
        found["ñ"] += sum("ñ" in word for word in written if word.islower())
        others += [word for word in written if not word.isascii()]
        others = list(map(_without_accents, others))
    found.update(filter(_LANGUAGES.__contains__, others))
    return +found, sum(map(str.isalpha, written))


def _without_accents(word: str) -> str:
    letters = unicodedata.normalize("NFKD", word.replace("ß", "ss"))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def likely_language(small: Mapping[str, int], words: int, spoken_language: str) -> str:
    """The name of the language that a text looks like, "" if it is the one that is spoken.

    Args:
        small: its small words, from `small_words`, and how often they occur.
        words: the number of all its words.
        spoken_language: name of the language that the text was read as.
    """
    count_of, distinct = Counter[str](), Counter[str]()
    own = 0
    for word, count in small.items():
        languages = _LANGUAGES[word][0].split(",")
        if spoken_language not in languages:
            count_of.update(dict.fromkeys(languages, count))
            distinct.update(languages)
        elif len(languages) == 1:
            own += count
    for language, count in count_of.most_common(1):
        least = {1: 2.0, 2: 0.5}.get(distinct[language], 0.2)  # share of the words
        if count >= least * words and count > _MUCH_MORE * own:
            return language
    return ""


def language_of_text(text: str, spoken_language: str) -> str:
    """The name of the language that a plain text looks like, as in `likely_language`."""
    return likely_language(*small_words(text), spoken_language)


def _brief(passage: str) -> str:
    """A passage as a warning shows it; empty if it is only markup, such as a list marker."""
    if "<" in passage or "[" in passage:
        passage = without_followed_tags(passage)
    words = _CHECKED.sub("", _ADDRESS.sub(r" \1 ", passage)).split()
    if "](" in passage:  # punctuation between links
        words = list(filter(_SAID.search, words))
    shown = "".join(filter(str.isprintable, " ".join(words)))
    shown = shown.lstrip(")]" + _MARKS).rstrip("([" + _MARKS)
    if not _SAID.search(shown):
        return ""
    return shown if len(shown) <= _SHOWN_LENGTH else f"{shown[:_SHOWN_LENGTH]}..."
