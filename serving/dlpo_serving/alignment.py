"""When each character is spoken: of the caller's own text, and of the text as spoken.

A caller's text is "$42", spoken as "forty two dollars". Its three characters share the time of
those words. What is not spoken, such as spaces, marks and emoji, has its place between the words.
Chunk by chunk, the characters that begin in a chunk are taken; joined, they are the whole text.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING

from dlpo_serving.synthesis.timing import WordTiming

if TYPE_CHECKING:  # `dlpo say` does without asyncio
    from dlpo_serving.audio_stream import EncodedChunk

Timed = tuple[str, int, int]
"""a character, and the samples at which it begins and ends"""


class CharacterTimes:
    """Gives each character of a text its time as the words around it are spoken.

    Args:
        by_chunk: the last character that begins in a chunk lasts to its end, for clients that add
            up the times of chunks.
    """

    def __init__(self, by_chunk: bool = False) -> None:
        self._by_chunk = by_chunk
        self._text = ""
        self._placed = 0  # characters that have their time
        self._spoken_until = 0  # samples
        self._taken_until = 0  # samples
        self._waiting: deque[Timed] = deque()

    def write(self, text: str) -> None:
        """Add the next piece of the text."""
        self._text += text

    def place(self, start: int, stop: int, begin: int, end: int) -> None:
        """Characters `start` to `stop` are spoken from sample `begin` to `end`.

        Those before them are in the pause before; marks and spaces after them have no length.
        """
        if stop > self._placed:
            self._spread(min(start, stop), self._spoken_until, begin)
            self._spread(stop, begin, end)
            after = stop
            while after < len(self._text) and not self._text[after].isalnum():
                after += 1
                if self._text[after - 1].isspace():
                    break
            self._spread(after, end, end)
        self._spoken_until = max(self._spoken_until, end)

    def place_words(self, found: Iterable[WordTiming]) -> None:
        """The same for words that are spoken next; those of one token share its characters."""
        for (start, stop), group in groupby(found, lambda word: (word.text_start, word.text_end)):
            words = list(group)
            self.place(start, stop, words[0].start, words[-1].stop)

    def take(self, until: int) -> list[Timed]:
        """The characters that begin before sample `until`."""
        taken = []
        while self._waiting and self._waiting[0][1] < until:
            taken.append(self._waiting.popleft())
        if taken and self._by_chunk:
            character, begin, _ = taken[-1]
            taken[-1] = character, begin, until
            self._taken_until = until
        return taken

    def rest(self, until: int) -> list[Timed]:
        """All other characters, when the last word has been spoken."""
        self._spread(len(self._text), self._spoken_until, max(self._spoken_until, until))
        rest = [(one, min(begin, until), min(end, until)) for one, begin, end in self._waiting]
        self._waiting.clear()
        return rest

    def _spread(self, stop: int, begin: int, end: int) -> None:
        """Place the characters up to `stop`, evenly between two samples."""
        characters, begin = self._text[self._placed : stop], max(begin, self._taken_until)
        step = (max(end, begin) - begin) / max(len(characters), 1)
        for place, one in enumerate(characters):
            bounds = round(begin + place * step), round(begin + (place + 1) * step)
            self._waiting.append((one, *bounds))
        self._placed = max(self._placed, stop)


class BothAlignments:
    """Both alignments of one utterance; see `CharacterTimes` for `by_chunk`."""

    def __init__(self, text: str = "", by_chunk: bool = False) -> None:
        self.own = CharacterTimes(by_chunk)
        """of the text as the caller wrote it"""
        self.spoken = CharacterTimes(by_chunk)
        """of the words as spoken, each followed by a space"""
        self._spoken_characters = 0
        self.own.write(text)

    def take(self, chunk: EncodedChunk) -> tuple[list[Timed], list[Timed]]:
        """The characters that begin in a chunk, of either text."""
        self.own.place_words(chunk.words)
        self._say(chunk.words)
        until = chunk.sample_offset + chunk.samples
        own = self.own.take(until)
        return own, self.spoken.take(until) if own else []  # clients read one for the other

    def rest(self, until: int) -> tuple[list[Timed], list[Timed]]:
        """All other characters, at the end of the audio."""
        own, spoken = self.own.rest(until), self.spoken.rest(until)
        return own or [("", until, until)] * bool(spoken), spoken

    def _say(self, words: Iterable[WordTiming]) -> None:
        for word in words:
            self.spoken.write(f"{word.word} ")
            start = self._spoken_characters
            self._spoken_characters += len(word.word) + 1
            self.spoken.place(start, start + len(word.word), word.start, word.stop)


class TimedWords:
    """The words of a text as its caller wrote them, marks included, once each is complete."""

    def __init__(self, text: str = "") -> None:
        self._times = CharacterTimes()
        self._times.write(text)
        self._word: list[Timed] = []

    def write(self, text: str) -> None:
        """Add the next piece of the text."""
        self._times.write(text)

    def take(self, chunk: EncodedChunk) -> list[Timed]:
        """The words that are complete with a chunk, with their times in samples."""
        return self.spoken(chunk.words, chunk.sample_offset + chunk.samples)

    def spoken(self, found: Iterable[WordTiming], until: int) -> list[Timed]:
        """The same for words that begin before sample `until`."""
        self._times.place_words(found)
        return self._joined(self._times.take(until))

    def rest(self, until: int) -> list[Timed]:
        """All other words, at the end of the audio."""
        self._times.write(" ")
        return self._joined(self._times.rest(until))

    def _joined(self, characters: list[Timed]) -> list[Timed]:
        words = []
        for one in characters:
            if not one[0].isspace():
                self._word.append(one)
            elif self._word:
                written = "".join(character for character, _, _ in self._word)
                words.append((written, self._word[0][1], self._word[-1][2]))
                self._word = []
        return words
