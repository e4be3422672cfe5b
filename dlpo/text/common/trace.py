"""What read a text: of each token the written form, row and word's source, and their rivals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, islice, takewhile
from typing import TYPE_CHECKING

from dlpo.text.common.language import FormReading, Language, Phonemes, Token
from dlpo.text.common.tables import Said
from dlpo.text.common.words import Word, spoken_words

if TYPE_CHECKING:
    from dlpo.text.common.sentences import MarkedToken


@dataclass(frozen=True, slots=True)
class TracedForm:
    """A form by its name (see `Form`), and what it says of which text."""

    form: str
    text: str
    words: str

    def __str__(self) -> str:
        return f"{self.form}: {self.text!r} -> {self.words!r}"


@dataclass(frozen=True, slots=True)
class TracedWord:
    """A spoken word, and what says how it sounds."""

    word: str
    phonemes: Phonemes
    source: str


@dataclass(frozen=True, slots=True)
class TracedToken:
    """A passage that is one thing to a reader, and what read it."""

    text: str
    start: int
    end: int
    words: Sequence[TracedWord]
    forms: Sequence[TracedForm]
    """Those that say something here, in their order: the first decides, the others would say
    something else. Empty: a document says the words."""
    rows: Sequence[str]
    """Those of tables that say these words of it: ``en_us/abbreviations.tsv:31``."""
    refused: Sequence[str]
    """Forms before the first whose function says of the match that it is something else."""

    def __str__(self) -> str:
        first = self.forms[0] if self.forms else f"the document: {self.text!r}"
        lines = [str(first), *(f"row {row}" for row in self.rows)]
        lines += [f"not {one}" for one in self.forms[1:]]
        lines += [f"refused by {name}" for name in self.refused]
        lines += [f"{one.word}: {' '.join(one.phonemes)}, {one.source}" for one in self.words]
        return "\n    ".join(lines)


@dataclass(frozen=True, slots=True)
class TracedSentence:
    """A sentence before overlong ones are cut; `sentence_end` says what ended it."""

    normalized: str
    tokens: Sequence[TracedToken]
    ended_by: str

    def __str__(self) -> str:
        tokens = "".join(f"\n  {token}" for token in self.tokens)
        return f"{self.normalized}{tokens}\n  sentence ends: {self.ended_by}"


class Trace:
    """Is shown what is decided while a text is read, and notes it."""

    def __init__(self) -> None:
        self.fired: list[str] = []
        """names of forms in the order of the text"""
        self.sentences: list[TracedSentence] = []
        self._passage = ""
        self._readings: dict[int, list[FormReading]] = {}  # by their places in the passage

    def form(self, match: re.Match[str], readings: Iterable[FormReading]) -> None:
        """A form has read a passage: of those that match there the first that says something.

        ``readings``: of all of them, in their order.
        """
        if match.string is not self._passage:
            self._passage = match.string
            self._readings.clear()
        found = self._readings[match.start()] = list(readings)
        self.fired.append(next(one.form for one in found if one.words is not None))

    def sentence(
        self,
        marked: Sequence[MarkedToken],
        words: Iterable[Word],
        language: Language,
        known: Mapping[str, Phonemes],
    ) -> None:
        """A sentence has been pronounced; arguments as of `pronounced`, and what it gave."""
        sources = chain.from_iterable(
            (own or language).sources(spoken, known, given)
            for own, run in groupby(marked, lambda one: one.token.language)
            for spoken, given in [spoken_words(run)]
        )
        rest = zip(words, sources, strict=True)
        tokens = tuple(
            self._token(one.token, [*islice(rest, len(one.token.words))], language)
            for one in marked
        )
        normalized = " ".join(word.word for token in tokens for word in token.words)
        self.sentences.append(TracedSentence(normalized, tokens, marked[-1].ended_by))

    def _token(
        self, token: Token, said: Sequence[tuple[Word, str]], language: Language
    ) -> TracedToken:
        rows_of = (token.language or language).rows_of
        words = []
        for word, source in said:
            rows = rows_of(word.word, " ".join(word.phonemes)) if source == "lexicon" else []
            words.append(TracedWord(word.word, word.phonemes, ", ".join((source, *rows))))
        readings = self._readings.get(token.start, [])
        refused = [one.form for one in takewhile(lambda one: one.words is None, readings)]
        forms, rows = list[TracedForm](), list[str]()
        for form, match, read in readings:
            if read is None:
                continue
            says = TracedForm(form, match[0], " ".join(read))
            if not forms and isinstance(read, Said):
                rows = [read.row]
            elif not forms and says.words.lower() != says.text.lower():
                rows = rows_of(says.text, says.words)
            if not forms or (says.text, says.words) != (forms[0].text, forms[0].words):
                forms.append(says)
        start, end = said[0][0].start, said[-1][0].end
        return TracedToken(token.text, start, end, words, forms, rows, refused)
