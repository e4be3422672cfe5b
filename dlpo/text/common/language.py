"""What the common code asks of a language: `Language`, a protocol of a few functions.

CONTRIBUTING.md says how to add a language.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from dlpo.text.common.characters import Characters
from dlpo.text.common.endings import Endings

Phonemes = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Token:
    """A stretch of text that is one thing to a reader: ``cat``, ``Dr.``, ``$5 million``."""

    text: str
    words: tuple[str, ...]
    """As spoken, in lower case; with a capital, a letter's name or a word that sounds otherwise in
    lower case. A comma at the end of a word is a pause."""
    start: int
    end: int
    phonemes: tuple[str, ...] | None = None
    """Of its only word, if the writer gives its pronunciation."""
    language: Language | None = None
    """Where it isn't that of the text around it."""


class FormReading(NamedTuple):
    """What one form says at a place where its pattern matches."""

    form: str
    """Its name."""
    match: re.Match[str]
    words: list[str] | None
    """None: the function of the form says that it is something else."""


class FormObserver(Protocol):
    """Is shown which forms read a text."""

    def form(self, match: re.Match[str], readings: Iterable[FormReading]) -> None:
        """A form has read a passage: of those that match there the first that says something.

        ``readings``: of all of them, in their order.
        """


class Language(Protocol):
    """How one language is read. Safe to share between threads."""

    @property
    def code(self) -> str:
        """BCP 47, such as ``en-US``."""

    @property
    def name(self) -> str:
        """In English, for messages: ``English``."""

    @property
    def day_first(self) -> bool:
        """Whether its dates in numbers have the day before the month."""

    @property
    def around_dates(self) -> tuple[Sequence[str], Sequence[str]]:
        """Words before 5/3 that make it a date, and words after it that make it none."""

    @property
    def characters(self) -> Characters:
        """The characters that its written forms are made of."""

    @property
    def endings(self) -> Endings:
        """How its sentences end: which kind of ending a text asks for."""

    def tokens(
        self,
        text: str,
        *,
        given: Container[str] = (),
        shouted: bool | None = None,
        start: int = 0,
        end: int | None = None,
        trace: FormObserver | None = None,
    ) -> Iterator[Token]:
        """Readable text -> its spoken tokens in order.

        Between two tokens there is punctuation and white space; an abbreviation's period belongs
        to the abbreviation.

        Args:
            text: made of `characters`; only the passage from ``start`` to ``end`` is read.
            given: lower-case words that the writer gives a pronunciation for.
            shouted: capitals mean nothing here; by default if the text has nothing but capitals.
            trace: notes which form read what.
        """

    def phonemes(
        self, words: Sequence[str], known: Mapping[str, Phonemes], given: Mapping[int, Phonemes]
    ) -> list[Phonemes]:
        """The words of one sentence, as in tokens -> symbols of each.

        Args:
            words: without the commas of their pauses.
            known: pronunciations that override all others.
            given: those of single words, by their index, which override even these.
        """

    def sources(
        self, words: Sequence[str], known: Mapping[str, Phonemes], given: Mapping[int, Phonemes]
    ) -> list[str]:
        """What says how each word sounds, for people who ask; arguments as of `phonemes`."""

    def rows_of(self, written: str, said: str) -> list[str]:
        """The rows of its tables that say so of a passage: ``en_us/technical.tsv:12``."""

    def accented(self, written: str) -> Phonemes:
        """A word whose accents say how it sounds in this language: Jesús is not Jesus.

        Args:
            written: before its accents are folded.

        Returns:
            Its phonemes; none of other words.
        """

    def pronunciations(self, word: str) -> Sequence[Phonemes]:
        """All ways in which a word, as in tokens, may be said in some sentence; perhaps none."""

    @property
    def abbreviations(self) -> Container[str]:
        """What may be one before a period, in lower case and without it."""

    def is_word(self, written: str) -> bool:
        """Whether a run of small letters can be a word, rather than an abbreviation."""

    def starts_sentence(self, word: str) -> bool:
        """Whether a word in lower case is a usual first one of a sentence."""

    def period_ends_sentence(self, text: str, token: Token, following: Token) -> bool:
        """Whether a sentence ends at the period after a token of a text, as of an abbreviation.

        The period belongs to the token, or is apart: "10 oz. Mason jars".
        """

    def falls(self, words: Sequence[str]) -> bool:
        """Whether the voice falls at the end of a question of these words, as in a statement."""

    def said_as(self, kind: str, content: str, format: str) -> list[str]:
        """The words of ``<say-as interpret-as=kind format=format>content</say-as>``.

        Raises:
            ValueError: what is wrong, and what was expected.
        """

    def parse_ipa(self, written: str) -> Phonemes:
        """IPA as people write it -> symbols.

        Raises:
            ValueError: names the symbol that has no sound in this language.
        """
