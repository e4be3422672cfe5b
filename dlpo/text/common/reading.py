"""How one text is read, passage by passage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from dlpo.text.common.formulas import without_formulas
from dlpo.text.common.markdown import FENCE, PROSE_AGAIN, blanks, without_blocks, without_markup
from dlpo.text.common.markup import (
    Pause,
    plain_marks,
    with_items,
    without_directions,
    without_pauses,
    without_tags,
    without_thoughts,
)
from dlpo.text.common.sentences import PARAGRAPH
from dlpo.text.common.warnings import TextWarnings
from dlpo.text.common.words import Sentence, TextObserver, with_pauses

Code = Literal["announce", "speak", "skip"]
"""How a block of code is read: only its language is announced, all of it is spoken, or nothing."""
Emoji = Literal["skip", "name"]
Dates = Literal["usual", "dmy", "mdy"]
"""Whether 5/3/2024 has the day or the month first; by default as the language has it."""
CODE: tuple[str, ...] = get_args(Code)
EMOJI: tuple[str, ...] = get_args(Emoji)
DATES: tuple[str, ...] = get_args(Dates)
MAX_GAP = 100  # characters between two passages in which an empty line is looked for


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """How a text is read."""

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
    looks_like: str | None = None
    """name of the language that the text was found to look like, "" for that of its voice; None:
    nobody has looked"""
    trace: TextObserver | None = None
    """notes what read each token, where somebody asks"""


class TextReading:
    """One text while it is read, passage by passage."""

    def __init__(self, options: ReadingOptions = ReadingOptions()) -> None:
        self.options = options
        self.warnings = TextWarnings(options.looks_like)
        self.in_code = False
        """whether a block of code is open"""
        self.line = 0
        """characters of the line before the next passage; 0: it begins where a line does"""
        self._thinking = False  # a thought of a model is open, as after ``<think>``
        self._pauses: list[Pause] = []  # of the last passage, by their places in it
        self._gap = ""  # the last characters of the last passage, after its last word
        self._open_pause_s = 0.0  # pauses that no sentence precedes yet

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
            if is_fence and self.in_code and self.options.code == "announce":
                parts[index] = part.replace("```", "\f``")
            elif is_fence:
                parts[index] = blanks("\f", len(part))
            elif not self.in_code:
                parts[index] = without_markup(part)
            elif self.options.code != "speak":
                prose = PROSE_AGAIN.search(part) if last and part is parts[-1] else None
                end = prose.end() if prose else len(part)
                parts[index] = blanks("\f", end) + without_blocks(part[end:])
        return "".join(parts)

    def _without_markup(self, passage: str) -> str:
        """A passage with blanks in place of what is not Markdown; its pauses are kept."""
        self._pauses = []
        line, end = self.line, passage.rfind("\n") + 1
        self.line = len(passage) - end + (0 if end else line)
        if "<" in passage or self._thinking:
            passage, self._thinking = without_thoughts(passage, self._thinking)
        if self.in_code or "```" in passage:
            return passage
        if "<" in passage or "[" in passage:
            passage, self._pauses = without_pauses(passage)
        if not self.options.directions and ("[" in passage or "(" in passage or "*" in passage):
            passage = without_directions(passage)
        if "<" in passage or "&" in passage:
            passage = without_tags(passage)
        if "$" in passage or "\\(" in passage or "\\[" in passage:
            passage = without_formulas(passage)
        if "`" in passage or "==" in passage:
            passage = plain_marks(passage)
        return with_items(passage, line)

    def between(self, found: list[Sentence], text: str) -> list[Sentence]:
        """The sentences of a passage, from `plain`, with what is between them: pauses, and which
        of them follow an empty line."""
        marked = []
        end, gap = 0, self._gap
        for sentence in found:
            gap += text[end : sentence.words[0].start]
            opens = PARAGRAPH.search(gap) is not None
            marked.append(replace(sentence, opens_paragraph=True) if opens else sentence)
            end, gap = sentence.words[-1].end, ""
        self._gap = (gap + text[end:])[-MAX_GAP:]
        return self._with_pauses(marked) if self._pauses or self._open_pause_s else marked

    def _with_pauses(self, found: list[Sentence]) -> list[Sentence]:
        """What no sentence precedes opens the next one."""
        ends = [sentence.words[-1].end for sentence in found]
        self._open_pause_s = with_pauses(found, ends, self._pauses, self._open_pause_s)
        return found
