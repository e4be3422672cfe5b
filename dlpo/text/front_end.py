"""Text -> sentences of words with phonemes and marks: what the acoustic model is given to say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dlpo.errors import InputError, TextError
from dlpo.text.characters import ReadableText, readable_text
from dlpo.text.lexicon import Lexicon
from dlpo.text.normalize import tokens
from dlpo.text.sentences import MarkedToken, sentences
from dlpo.text.symbols import PHONEMES, symbol_ids, utterance_symbols


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word, its phonemes, the mark after it and where it stands in the input."""

    word: str
    """As spoken, in lower case."""
    phonemes: tuple[str, ...]
    """ARPAbet with stress."""
    mark: str
    """One of `MARKS`: what follows the word."""
    start: int
    end: int
    """Character offsets in the input; words that come from one token share them."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One utterance of the voice."""

    text: str
    """Its passage of the input."""
    normalized: str
    """The words as spoken, with a blank between them."""
    words: tuple[Word, ...]

    def symbol_ids(self) -> list[int]:
        """The row of symbol indices that the encoder reads."""
        return symbol_ids(utterance_symbols((word.phonemes, word.mark) for word in self.words))


@dataclass(frozen=True, slots=True)
class ProcessedText:
    """All sentences of a text."""

    sentences: tuple[Sentence, ...]
    dropped: int
    """Characters that can't be spoken, such as emoji and letters of other scripts."""

    def as_json(self) -> list[dict[str, object]]:
        """What ``dlpo phonemes`` prints: for each sentence ``normalized`` and ``words``."""
        return [
            {
                "normalized": sentence.normalized,
                "words": [
                    {"word": word.word, "phonemes": " ".join(word.phonemes)}
                    for word in sentence.words
                ],
            }
            for sentence in self.sentences
        ]


class TextFrontEnd:
    """Reads English text aloud, on paper. Safe to share by threads.

    ``dictionary``: words of this voice with their phonemes, ``{"hello": "HH AH0 L OW1"}``; they go
    before the lexicon. An InputError names a phoneme that is not one.
    """

    def __init__(self, dictionary: Mapping[str, str] | None = None) -> None:
        self._dictionary = parse_dictionary(dictionary or {})
        self._lexicon = Lexicon()

    def process(self, text: str, dictionary: Mapping[str, str] | None = None) -> ProcessedText:
        """Split, normalise and pronounce a text; ``dictionary`` goes before that of the voice.

        Raises TextError where nothing can be spoken, InputError for a wrong dictionary.
        """
        known = {**self._dictionary, **parse_dictionary(dictionary or {})}
        readable = readable_text(text)
        found = tuple(self._sentences(text, readable, known))
        if not found:
            raise TextError(_nothing_to_say(text, readable))
        return ProcessedText(found, readable.dropped)

    def _sentences(
        self, text: str, readable: ReadableText, known: Mapping[str, tuple[str, ...]]
    ) -> Iterator[Sentence]:
        spoken = tokens(readable.text, lambda word: word in known or word in self._lexicon)
        for run in sentences(readable.text, spoken):
            words = tuple(self._words(run, readable, known))
            yield Sentence(
                text=text[words[0].start : words[-1].end],
                normalized=" ".join(word.word for word in words),
                words=words,
            )

    def _words(
        self, run: list[MarkedToken], readable: ReadableText, known: Mapping[str, tuple[str, ...]]
    ) -> Iterator[Word]:
        for marked in run:
            start, end = readable.source_span(marked.token.start, marked.token.end)
            for index, word in enumerate(marked.token.words):
                last = index == len(marked.token.words) - 1
                phonemes = self._pronounce(word, known)
                yield Word(word.lower(), phonemes, marked.mark if last else " ", start, end)

    def _pronounce(self, word: str, known: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
        if word in known:
            return known[word]
        if word == "A":
            return ("EY1",)
        if found := self._lexicon.pronunciations(word.lower()):
            return found[0].phonemes
        letters = [letter for letter in word.lower() if letter.isalpha()]
        return tuple(p for x in letters for p in self._lexicon.pronunciations(x)[-1].phonemes)


def parse_dictionary(dictionary: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Words and their phonemes as a user writes them -> lower-case words and tuples, checked."""
    parsed = {}
    for word, written in dictionary.items():
        phonemes = tuple(written.upper().split())
        wrong = [phoneme for phoneme in phonemes if phoneme not in PHONEMES]
        if wrong or not phonemes:
            got = f"{wrong[0]!r} is no phoneme" if wrong else "no phonemes are given"
            raise InputError(
                f"dictionary: {word!r}: {got}; expected ARPAbet with stress, such as 'HH AH0 L OW1'"
            )
        parsed[word.lower()] = phonemes
    return parsed


def _nothing_to_say(text: str, readable: ReadableText) -> str:
    if not text.strip():
        return "the text is empty; expected at least one word"
    if readable.dropped:
        return (
            f"nothing in the text can be spoken: {readable.dropped} characters are of another "
            "script or are signs without a sound; expected English words or numbers"
        )
    return "nothing in the text can be spoken: it has only punctuation; expected at least one word"
