"""An SSML document, read: its text in one row, and what is asked for where."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import NamedTuple

from dlpo.text.characters import ReadableText, readable_text
from dlpo.text.ssml.prosody import Prosody

_SPACE = re.compile(r"\s")
BOUNDARY = " \n\n "  # a paragraph's end in the text, and no written form goes across it


class Stretch(NamedTuple):
    """A passage of the text that is read on its own."""

    start: int
    end: int
    words: tuple[str, ...] | None
    """As spoken, where the document tells; else None: to be normalised."""
    phonemes: tuple[str, ...] | None
    """Of its one word, where the document tells."""


class Script:
    """Readable text (see `readable_text`) and, by place in it, all that the document says."""

    def __init__(self) -> None:
        self.text = ""
        """all of it, once it is finished"""
        self.dropped = 0
        """characters that can't be spoken"""
        self.stretches: list[Stretch] = []
        """all of the text, in order"""
        self.ends: list[int] = []
        """places where a sentence ends because an element does"""
        self.breaks: list[tuple[int, float]] = []
        """places and seconds"""
        self.marks: list[tuple[int, str]] = []
        """places and names"""
        self._parts: list[str] = []
        self._length = 0
        self._starts: list[int] = []  # of each character in the document
        self._stops: list[int] = []
        self._prosody = [(0, Prosody())]  # from there on
        self._open = 0  # where the current stretch begins

    def source_span(self, start: int, end: int) -> tuple[int, int]:
        """``text[start:end]`` -> start and end of the same passage in the document."""
        return self._starts[start], self._stops[end - 1]

    def prosody(self, place: int) -> Prosody:
        """Of the text from there on."""
        following = bisect_left(self._prosody, place + 1, key=lambda run: run[0])
        return self._prosody[following - 1][1]

    def say(self, written: str, start: int) -> None:
        """Text that stands like this in the document."""
        if self._open == self._length:
            self._separate_from(written, start)
        readable = self._readable(written)
        offsets = readable.offsets or range(len(readable.text))
        self._append(
            readable.text,
            [start + offset for offset in offsets],
            [start + offset + 1 for offset in offsets],
        )

    def say_instead(self, written: str, start: int, stop: int) -> None:
        """Text for what stands in the document from `start` to `stop`, such as an entity."""
        text = self._readable(written).text
        self._append(text, [start] * len(text), [stop] * len(text))

    def say_apart(
        self,
        written: str,
        start: int,
        stop: int,
        words: tuple[str, ...] | None = None,
        phonemes: tuple[str, ...] | None = None,
    ) -> None:
        """The same, in a stretch of its own."""
        self._separate_from(written, start)
        self._end_stretch()
        self.say_instead(written, start, stop)
        self._end_stretch(words, phonemes)

    def end_sentence(self, place: int) -> None:
        """Here, as an element begins or ends at `place` of the document."""
        self._append_boundary(place)
        self.ends.append(self._length)

    def pause(self, seconds: float, place: int) -> None:
        """Silence, after which the voice begins anew."""
        self._append_boundary(place)
        self.breaks.append((self._length, seconds))

    def mark(self, name: str) -> None:
        """A named place."""
        self.marks.append((self._length, name))

    def change_prosody(self, prosody: Prosody) -> None:
        """From here on."""
        self._prosody.append((self._length, prosody))

    def finish(self) -> None:
        """No more text comes."""
        self._end_stretch()
        self.text = "".join(self._parts)

    def _readable(self, written: str) -> ReadableText:
        """Folded, with a blank for a line's end: only elements make paragraphs."""
        readable = readable_text(_SPACE.sub(" ", written))
        self.dropped += readable.dropped
        return readable

    def _separate_from(self, written: str, place: int) -> None:
        """A blank between two words that the document has no blank between."""
        if self._parts and self._parts[-1][-1].isalnum() and written[:1].isalnum():
            self._append(" ", [place], [place])

    def _append_boundary(self, place: int) -> None:
        self._append(BOUNDARY, [place] * len(BOUNDARY), [place] * len(BOUNDARY))

    def _append(self, readable: str, starts: list[int], stops: list[int]) -> None:
        if readable:
            self._parts.append(readable)
            self._length += len(readable)
            self._starts += starts
            self._stops += stops

    def _end_stretch(
        self,
        words: tuple[str, ...] | None = None,
        phonemes: tuple[str, ...] | None = None,
    ) -> None:
        if self._open < self._length:
            self.stretches.append(Stretch(self._open, self._length, words, phonemes))
            self._open = self._length
