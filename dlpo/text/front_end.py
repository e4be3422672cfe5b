"""Text -> sentences of words with phonemes and marks: what the acoustic model is given to say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from dlpo.errors import InputError, TextError
from dlpo.text.characters import ReadableText, readable_text
from dlpo.text.normalize import tokens
from dlpo.text.pronounce import Phonemes, Pronouncer
from dlpo.text.sentences import MarkedToken, pieces, sentences
from dlpo.text.symbols import PHONEMES, symbol_ids, utterance_symbols

MAX_SYMBOLS = 400  # of a sentence, so that the time and memory of one utterance are bounded


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
    speed: float = 1.0
    """Factor of the request's own pace, for the word and its mark."""
    pitch_semitones: float = 0.0
    """Shift beside the request's own."""
    volume_db: float = 0.0
    """Gain beside the request's own; minus infinity is silence."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a sentence that SSML names, to be told when speech gets there."""

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

    def symbol_ids(self) -> list[int]:
        """The row of symbol indices that the encoder reads."""
        return symbol_ids(utterance_symbols((word.phonemes, word.mark) for word in self.words))


@dataclass(frozen=True, slots=True)
class ProcessedText:
    """All sentences of a text."""

    sentences: tuple[Sentence, ...]
    dropped: int
    """Characters that can't be spoken, such as emoji and letters of other scripts."""


class TextFrontEnd:
    """Reads English text aloud, on paper. Safe to share by threads.

    ``dictionary``: words of this voice with their phonemes, ``{"hello": "HH AH0 L OW1"}``; they go
    before the lexicon. An InputError names a phoneme that is not one.
    """

    def __init__(self, dictionary: Mapping[str, str] | None = None) -> None:
        self._dictionary = parse_dictionary(dictionary or {})
        self._pronouncer = Pronouncer()

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
        self, text: str, readable: ReadableText, known: Mapping[str, Phonemes]
    ) -> Iterator[Sentence]:
        lexicon = self._pronouncer.lexicon
        spoken = tokens(readable.text, lambda word: word in known or word in lexicon)
        for marked in sentences(readable.text, spoken):
            words = list(self._words(marked, readable, known))
            lengths = [len(word.phonemes) + 1 for word in words]
            for piece in pieces(lengths, [word.mark for word in words], MAX_SYMBOLS):
                yield _sentence(text, words[piece])

    def _words(
        self, sentence: list[MarkedToken], readable: ReadableText, known: Mapping[str, Phonemes]
    ) -> Iterator[Word]:
        spoken = [word for marked in sentence for word in marked.token.words]
        phonemes = iter(self._pronouncer.phonemes(spoken, known))
        for marked in sentence:
            start, end = readable.source_span(marked.token.start, marked.token.end)
            *inner, last = marked.token.words
            for word in inner:
                yield Word(word.lower(), next(phonemes), " ", start, end)
            yield Word(last.lower(), next(phonemes), marked.mark, start, end)


def _sentence(text: str, words: list[Word]) -> Sentence:
    """Its words and its passage of the text with the punctuation on both sides."""
    if words[-1].mark == " ":  # cut in the middle: the voice stays up
        words = [*words[:-1], replace(words[-1], mark=",")]
    start, end = words[0].start, words[-1].end
    while start and not (text[start - 1].isspace() or text[start - 1].isalnum()):
        start -= 1
    while end < len(text) and not (text[end].isspace() or text[end].isalnum()):
        end += 1
    return Sentence(text[start:end], " ".join(word.word for word in words), tuple(words))


def parse_dictionary(dictionary: Mapping[str, str]) -> dict[str, Phonemes]:
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
