"""The input of the acoustic model: sentences of words with phonemes and marks."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, groupby
from operator import attrgetter
from typing import Protocol

from dlpo.text.common.language import FormObserver, Language, Phonemes, Token
from dlpo.text.common.sentences import MarkedToken
from dlpo.text.symbols import symbol_ids, utterance_symbols, within

MAX_AROUND = 40  # characters of punctuation on either side that belong to a sentence's passage
MAX_SYMBOLS = 400  # of a sentence, so that the time and memory of one utterance are bounded


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word, its phonemes, the mark after it and its place in the input."""

    word: str
    """As spoken, in lower case."""
    phonemes: tuple[str, ...]
    """ARPAbet with stress."""
    mark: str
    """One of `MARKS`: what follows the word."""
    start: int
    end: int
    """Character offsets in the input; words that come from one token share them."""
    speed: float = 1.0
    """Factor of the request's own pace, for the word and its mark."""
    pitch_semitones: float = 0.0
    """Shift added to the request's own."""
    volume_db: float = 0.0
    """Gain added to the request's own; minus infinity is silence."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a sentence named by SSML's <mark>, reported with its time."""

    name: str
    word: int
    """Index of the word that follows; at the end of the sentence the number of its words."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One utterance of the voice."""

    text: str
    """Its passage of the input."""
    normalized: str
    """The words as spoken, with a blank between them."""
    words: tuple[Word, ...]
    pause_after_s: float | None = None
    """Silence after it whatever the speed; None: what the synthesizer puts between sentences."""
    pause_before_s: float = 0.0
    """Silence before it, where the text begins with a break."""
    marks: tuple[Mark, ...] = ()
    """In the order of their words."""
    voice: str = ""
    """Name of the voice that speaks it; empty: the voice of the request."""
    opens_paragraph: bool = False
    """Whether an empty line is before it."""

    def symbol_ids(self) -> list[int]:
        """The row of symbol indices that the encoder reads."""
        return symbol_ids(utterance_symbols(map(attrgetter("phonemes", "mark"), self.words)))

    def per_symbol(self, attribute: str) -> list[float]:
        """A number of each word, for its phonemes and the mark after it, in `symbol_ids`' order.

        The silence before the first word takes that word's.
        """
        values = [getattr(self.words[0], attribute)]
        for word in self.words:
            values += [getattr(word, attribute)] * (len(word.phonemes) + 1)
        return values


class TextObserver(FormObserver, Protocol):
    """Is also shown what the words of each sentence are."""

    def sentence(
        self,
        marked: Sequence[MarkedToken],
        words: Iterable[Word],
        language: Language,
        known: Mapping[str, Phonemes],
    ) -> None:
        """A sentence has been pronounced; arguments as of `pronounced`, and what it gave."""


@dataclass(frozen=True, slots=True)
class ProcessedText:
    """All sentences of a text."""

    sentences: tuple[Sentence, ...]
    dropped: int
    """Characters that can't be spoken, such as emoji and letters of other scripts."""
    warnings: tuple[str, ...] = ()
    """Warnings for the writer, one line each: passages not spoken, text in another language."""


def pronounced(
    sentence: Sequence[MarkedToken],
    language: Language,
    known: Mapping[str, Phonemes],
    source_span: Callable[[int, int], tuple[int, int]],
    symbols: Container[str] | None = None,
) -> Iterator[Word]:
    """The words of one sentence.

    Args:
        sentence: tokens of a readable text with their marks.
        language: theirs.
        known: pronunciations that override its own.
        source_span: start and end in the readable text -> start and end in the input.
        symbols: those that the voice knows; None: all.
    """
    phonemes: Iterator[Phonemes] = chain.from_iterable(
        _phonemes(run, own or language, known)
        for own, run in groupby(sentence, lambda marked: marked.token.language)
    )
    if symbols is not None:
        phonemes = map(partial(within, symbols), phonemes)
    for marked in sentence:
        start, end = source_span(marked.token.start, marked.token.end)
        words = marked.token.words
        for word, mark in zip(words, [*" " * (len(words) - 1), marked.mark], strict=True):
            name = word.rstrip(",")
            pause = "," if mark == " " and word != name else mark
            yield Word(name.lower(), next(phonemes), pause, start, end)


def with_accents(
    tokens: Iterable[Token],
    text: str,
    source_span: Callable[[int, int], tuple[int, int]],
    known: Container[str],
    language: Language,
) -> Iterator[Token]:
    """Tokens with the phonemes of those whose accents say how they sound: a rosé, but a rose.

    Args:
        tokens: of a readable text.
        text: as it was written.
        source_span: as in `pronounced`, in this text.
        known: words that sound otherwise here.
        language: theirs.
    """
    if text.isascii():
        yield from tokens
        return
    for token in tokens:
        start, end = source_span(token.start, token.end)
        while end < len(text) and unicodedata.combining(text[end]):
            end += 1
        is_plain = len(token.words) > 1 or text[start:end].isascii() or token.words[0] in known
        phonemes = () if is_plain else language.accented(text[start:end])
        yield replace(token, phonemes=phonemes) if phonemes else token


def _phonemes(
    run: Iterable[MarkedToken], language: Language, known: Mapping[str, Phonemes]
) -> list[Phonemes]:
    spoken, given = spoken_words(run)
    return language.phonemes(spoken, known, given)


def spoken_words(run: Iterable[MarkedToken]) -> tuple[list[str], dict[int, Phonemes]]:
    """The words of some tokens in one language, and the phonemes that single ones have."""
    spoken: list[str] = []
    given = {}
    for marked in run:
        if marked.token.phonemes:
            given[len(spoken)] = marked.token.phonemes
        for word in marked.token.words:
            spoken.append(word.rstrip(","))
    return spoken, given


def sentence_of(words: Sequence[Word], text: str, start: int, end: int) -> Sentence:
    """A sentence of these words, ``text[start:end]``.

    Its passage includes the punctuation on both sides.
    """
    if words[-1].mark == " ":  # cut in the middle: the voice stays up
        words = [*words[:-1], replace(words[-1], mark=",")]
    first, last = max(0, start - MAX_AROUND), min(len(text), end + MAX_AROUND)
    while start > first and not (text[start - 1].isspace() or text[start - 1].isalnum()):
        start -= 1
    while end < last and not (text[end].isspace() or text[end].isalnum()):
        end += 1
    return Sentence(text[start:end], " ".join(map(attrgetter("word"), words)), tuple(words))


def with_pauses(
    found: list[Sentence],
    ends: Sequence[int],
    pauses: Iterable[tuple[int, float]],
    before_s: float = 0.0,
) -> float:
    """Adds pauses to the sentences that they follow; returns the seconds that none precedes yet.

    Args:
        found: sentences, which are replaced by those with pauses; the first has those before it.
        ends: where each ends.
        pauses: places and seconds, in the same text.
        before_s: seconds before all of these.
    """
    for place, seconds in pauses:
        index = bisect_right(ends, place) - 1
        if index < 0:
            before_s += seconds
        else:
            pause = (found[index].pause_after_s or 0.0) + seconds
            found[index] = replace(found[index], pause_after_s=pause)
    if found:
        found[0] = replace(found[0], pause_before_s=before_s)
    return 0.0 if found else before_s


def settle_question(words: Sequence[Word], language: Language) -> list[Word]:
    """The words of a sentence; a question at whose end the voice falls ends like a statement.

    The mark at the end is all that the voice hears of either.
    """
    if words and words[-1].mark == "?" and language.falls([word.word for word in words]):
        return [*words[:-1], replace(words[-1], mark=".")]
    return list(words)
