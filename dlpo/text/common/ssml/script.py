"""A parsed SSML document: flat text, what its elements ask for at each place, and its sentences."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Container, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from dlpo.text.common.characters import ReadableText
from dlpo.text.common.forms import is_upper
from dlpo.text.common.language import Language, Phonemes, Token
from dlpo.text.common.reading import ReadingOptions
from dlpo.text.common.sentences import MarkedToken, pieces, sentences
from dlpo.text.common.ssml.prosody import SpokenProsody
from dlpo.text.common.warnings import TextWarnings
from dlpo.text.common.words import (
    MAX_SYMBOLS,
    Mark,
    Sentence,
    Word,
    pronounced,
    sentence_of,
    settle_question,
    with_accents,
    with_pauses,
)
from dlpo.text.symbols import strongest_mark

_SPACE = re.compile(r"\s")
BOUNDARY = " \n\n "  # a paragraph's end in the text; no written form spans it


class Stretch(NamedTuple):
    """A passage of the text that is read on its own."""

    start: int
    end: int
    words: tuple[str, ...] | None
    """As spoken, if the document gives it; None: to be normalized."""
    phonemes: tuple[str, ...] | None
    """Of its only word, if the document gives them."""
    language: Language


class Script:
    """Readable text (see `Characters`) and the requests of the document by place."""

    def __init__(self, options: ReadingOptions, warnings: TextWarnings, language: Language) -> None:
        """`warnings` get what is not spoken."""
        self.text = ""
        """the whole text, once it is finished"""
        self.stretches: list[Stretch] = []
        """the parts of the whole text, in order"""
        self.ends: list[int] = []
        """places where a sentence ends because an element does"""
        self.breaks: list[tuple[int, float]] = []
        """places and seconds"""
        self.marks: list[tuple[int, str]] = []
        """places and names"""
        self.trace = options.trace
        """see `ReadingOptions`"""
        self._emoji = options.emoji
        self._warnings = warnings
        self._language = language
        self.language = language
        """that of the document"""
        self._parts: list[str] = []
        self._length = 0
        self._starts: list[int] = []  # of each character in the document
        self._stops: list[int] = []
        self._prosody = [(0, SpokenProsody())]  # each from its place on
        self._voices = [(0, "")]  # as well
        self._open = 0  # where the current stretch begins

    def source_span(self, start: int, end: int) -> tuple[int, int]:
        """``text[start:end]`` -> start and end of the same passage in the document."""
        return self._starts[start], self._stops[end - 1]

    def prosody(self, place: int) -> SpokenProsody:
        """The prosody at a place."""
        following = bisect_left(self._prosody, place + 1, key=lambda run: run[0])
        return self._prosody[following - 1][1]

    def voice(self, place: int) -> str:
        """The voice at a place; "" is that of the request."""
        following = bisect_left(self._voices, place + 1, key=lambda run: run[0])
        return self._voices[following - 1][1]

    def say(self, written: str, start: int) -> None:
        """Add text that is literal in the document."""
        if self._open == self._length:
            self._separate_from(written, start)
        readable = self._readable(written)
        self._append(
            readable.text,
            [start + offset for offset in readable.offsets],
            [start + offset + 1 for offset in readable.offsets],
        )

    def say_instead(self, written: str, start: int, stop: int) -> None:
        """Add text in place of the document's `start` to `stop`, such as an entity."""
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
        """Add text in place of the document's, in a stretch of its own."""
        self._separate_from(written, start)
        self._end_stretch()
        self.say_instead(written, start, stop)
        self._end_stretch(words, phonemes)

    def end_sentence(self, place: int) -> None:
        """End a sentence, as an element begins or ends at `place` of the document."""
        self._append_boundary(place)
        self.ends.append(self._length)

    def pause(self, seconds: float, place: int) -> None:
        """Add silence, after which speech starts afresh."""
        self._append_boundary(place)
        self.breaks.append((self._length, seconds))

    def mark(self, name: str) -> None:
        """Name this place."""
        self.marks.append((self._length, name))

    def change_prosody(self, prosody: SpokenProsody) -> None:
        """Set the prosody from here on."""
        self._prosody.append((self._length, prosody))

    def change_voice(self, voice: str, place: int) -> None:
        """Set the voice from here on; a sentence has one."""
        if voice != self._voices[-1][1]:
            self.end_sentence(place)
            self._voices.append((self._length, voice))

    def change_language(self, language: Language) -> None:
        """Set the language from here on."""
        self._end_stretch()
        self._language = language

    def finish(self) -> None:
        """End the text."""
        self._end_stretch()
        self.text = "".join(self._parts)

    def _readable(self, written: str) -> ReadableText:
        """Fold text, with blanks for line ends, since only elements make paragraphs."""
        readable = self._language.characters.readable(_SPACE.sub(" ", written), self._emoji)
        self._warnings.note(readable.dropped, written, readable, [])
        return readable

    def _separate_from(self, written: str, place: int) -> None:
        """Add a blank between two words that only a tag separates."""
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
        self, words: tuple[str, ...] | None = None, phonemes: tuple[str, ...] | None = None
    ) -> None:
        if self._open < self._length:
            self.stretches.append(
                Stretch(self._open, self._length, words, phonemes, self._language)
            )
            self._open = self._length


def spoken_script(
    script: Script,
    document: str,
    known: Mapping[str, Phonemes],
    symbols: Container[str] | None = None,
) -> list[Sentence]:
    """Split, normalize and pronounce the script of a document; there may be nothing to say."""
    found: list[Sentence] = []
    places: list[int] = []  # of all words in the text
    ends: list[int] = []  # of each sentence in the text
    for marked in _sentences(script, document, known):
        language = marked[0].token.language or script.language
        words = settle_question(list(_words(marked, script, known, symbols)), language)
        if script.trace is not None:
            script.trace.sentence(marked, words, script.language, known)
        of_words = [token.token for token in marked for _ in token.token.words]
        lengths = [len(word.phonemes) + 1 for word in words]
        for piece in pieces(lengths, [word.mark for word in words], MAX_SYMBOLS):
            start, end = of_words[piece][0].start, of_words[piece][-1].end
            sentence = sentence_of(words[piece], script.text, start, end)
            found.append(replace(sentence, voice=script.voice(start)))
            ends.append(end)
            places += [token.start for token in of_words[piece]]
    with_pauses(found, ends, script.breaks)
    _set_marks(found, places, script)
    return found


def _sentences(
    script: Script, document: str, known: Mapping[str, Phonemes]
) -> list[list[MarkedToken]]:
    """The tokens of each sentence; where only a break ends one, the voice stays up."""
    found = list(sentences(script.text, _tokens(script, document, known), script.language))
    breaks = [place for place, _ in script.breaks]
    for marked, following in pairwise(found):
        end, start = marked[-1].token.end, following[0].token.start
        unended = strongest_mark(script.text[end:start]) == " "
        if (
            unended
            and _any_between(breaks, end, start)
            and not _any_between(script.ends, end, start)
        ):
            marked[-1] = replace(marked[-1], mark=",")
    return found


def _any_between(places: list[int], start: int, end: int) -> bool:
    """Whether one of the sorted places is in the range."""
    return bisect_left(places, start) < bisect_left(places, end + 1)


def _tokens(script: Script, document: str, known: Mapping[str, Phonemes]) -> Iterator[Token]:
    text = script.text
    shouted = is_upper(text)
    for start, end, words, phonemes, spoken in script.stretches:
        own = None if spoken is script.language else spoken
        if words is not None:
            yield Token(text[start:end], words, start, end, phonemes, own)
            continue
        found = spoken.tokens(
            text, given=known, shouted=shouted, start=start, end=end, trace=script.trace
        )
        found = with_accents(found, document, script.source_span, known, spoken)
        yield from found if own is None else (replace(token, language=own) for token in found)


def _words(
    marked: list[MarkedToken],
    script: Script,
    known: Mapping[str, Phonemes],
    symbols: Container[str] | None,
) -> Iterator[Word]:
    words = pronounced(marked, script.language, known, script.source_span, symbols)
    for token in marked:
        prosody = script.prosody(token.token.start)
        for _ in token.token.words:
            yield replace(next(words), **prosody._asdict())


def _set_marks(found: list[Sentence], places: list[int], script: Script) -> None:
    """A mark precedes the next word, or ends a sentence that ends before it."""
    starts = [0]  # of each sentence, in words
    for sentence in found:
        starts.append(starts[-1] + len(sentence.words))
    boundaries = sorted([*script.ends, *(place for place, _ in script.breaks)])
    marks: dict[int, list[Mark]] = {}
    for place, name in script.marks if found else ():
        word = bisect_left(places, place)
        index = min(bisect_left(starts, word + 1) - 1, len(found) - 1)
        if index and word == starts[index] and _any_between(boundaries, place + 1, places[word]):
            index -= 1
        marks.setdefault(index, []).append(Mark(name, word - starts[index]))
    for index, of_sentence in marks.items():
        found[index] = replace(found[index], marks=tuple(of_sentence))
