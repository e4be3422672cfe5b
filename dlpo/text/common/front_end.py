"""Text -> sentences of words with phonemes and marks: the input of the acoustic model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from dlpo.errors import InputError, TextError
from dlpo.text.common.calendar import with_days_swapped
from dlpo.text.common.language import Language, Phonemes
from dlpo.text.common.reading import ReadingOptions, TextReading
from dlpo.text.common.sentences import pieces, sentences
from dlpo.text.common.ssml import is_ssml
from dlpo.text.common.warnings import TextWarnings
from dlpo.text.common.words import (
    MAX_SYMBOLS,
    ProcessedText,
    Sentence,
    pronounced,
    sentence_of,
    settle_question,
    with_accents,
)
from dlpo.text.languages import LANGUAGES, known_language, open_language
from dlpo.text.symbols import SYMBOLS

if TYPE_CHECKING:
    from dlpo.text.common.ssml.prosody import ProsodyLimits

USUAL = ReadingOptions()


class TextFrontEnd:
    """Turns text into phonemes. Safe to share between threads.

    ``dictionary``: words of this voice with their phonemes, ``{"hello": "HH AH0 L OW1"}``, which
    override the lexicon. ``language``: BCP 47, of texts that name none. ``symbols``: those that the
    voice knows; other phonemes become their nearest. Raises InputError for an unknown phoneme or
    language.
    """

    def __init__(
        self,
        dictionary: Mapping[str, str] | None = None,
        language: str = LANGUAGES[0],
        symbols: Sequence[str] = SYMBOLS,
    ) -> None:
        self._dictionary = parse_dictionary(dictionary or {})
        self.language = open_language(language)
        """that of texts which name none"""
        self._opened = {self.language.code: self.language}
        self._symbols = None if len(symbols) == len(SYMBOLS) else frozenset(symbols)

    def language_of(self, code: str) -> Language:
        """The language of a BCP 47 code, "" for the front end's own; loaded once.

        Raises InputError if it can't be read.
        """
        if not code or code == self.language.code:
            return self.language
        known = known_language(code)
        if known not in self._opened:  # two threads may both load it, and either be kept
            self._opened[known] = open_language(known)
        return self._opened[known]

    def process(
        self,
        text: str,
        dictionary: Mapping[str, str | Phonemes] | None = None,
        options: ReadingOptions = USUAL,
    ) -> ProcessedText:
        """Split, normalize and pronounce a text.

        A text that begins with ``<speak>`` is SSML, see `process_ssml`.

        Args:
            text: plain, or with the Markdown that language models write.
            dictionary: overrides that of the voice.
            options: how code and emoji are read, and in which language.

        Raises TextError if nothing can be spoken, InputError for a wrong dictionary.
        """
        if is_ssml(text):
            return self.process_ssml(text, dictionary, options=options)
        reading = TextReading(options)
        found = self.process_passage(text, self.known_words(dictionary), reading)
        return self._processed(text, found, reading.warnings, self.language_of(options.language))

    def process_ssml(
        self,
        document: str,
        dictionary: Mapping[str, str | Phonemes] | None = None,
        limits: ProsodyLimits | None = None,
        options: ReadingOptions = USUAL,
        voice_of: Callable[[str], str] | None = None,
    ) -> ProcessedText:
        """Process an SSML document, see docs/ssml.md; offsets are those of the document.

        Args:
            document: from ``<speak>`` to ``</speak>``.
            dictionary: overrides that of the voice, but not ``<phoneme>``.
            limits: how far ``<prosody>`` may go from the request's own speed and pitch.
            options: how emoji are read, for example.
            voice_of: what a voice that ``<voice>`` names is called here, "" if it is that of the
                request; or raises InputError. By default none is known.

        Raises:
            SsmlError: the document is malformed or asks for what can't be done; says where.
            TextError: nothing in it can be spoken.
            InputError: the dictionary is wrong.
        """
        from dlpo.text.common.ssml.prosody import ProsodyLimits
        from dlpo.text.common.ssml.reader import SsmlReader
        from dlpo.text.common.ssml.script import spoken_script

        known = self.known_words(dictionary)
        warnings = TextWarnings()
        reader = SsmlReader(
            document,
            limits or ProsodyLimits(),
            options,
            warnings,
            self.language_of(options.language),
            self.language_of,
            voice_of or _no_voice,
        )
        script = reader.read()
        found = spoken_script(script, document, known, self._symbols)
        return self._processed(script.text, found, warnings, script.language)

    def known_words(self, dictionary: Mapping[str, str | Phonemes] | None) -> dict[str, Phonemes]:
        """Words with a given pronunciation: the voice's, overridden by those of a request.

        Raises InputError for a wrong dictionary.
        """
        if not dictionary:
            return self._dictionary
        return {**self._dictionary, **parse_dictionary(dictionary)}

    def process_passage(
        self,
        text: str,
        known: Mapping[str, Phonemes],
        reading: TextReading,
        shouted: bool | None = None,
        one_case: bool | None = None,
        last: bool = True,
    ) -> list[Sentence]:
        """Process a part of a longer text, in which there may be nothing to say.

        Args:
            text: whole sentences or clauses.
            known: from `known_words`.
            reading: of the longer text.
            shouted: the whole text has only capitals; by default if this passage has.
            one_case: the whole text is in small letters or in capitals; by default if this
                passage is.
            last: no more text follows.
        """
        options = reading.options
        language = self.language_of(options.language)
        plain = reading.plain(text, last)
        if options.dates != "usual" and language.day_first is not (options.dates == "dmy"):
            plain = with_days_swapped(plain, *language.around_dates)
        readable = language.characters.readable(plain, options.emoji)
        spoken = with_accents(
            language.tokens(readable.text, given=known, shouted=shouted, trace=options.trace),
            plain,
            readable.source_span,
            known,
            language,
        )
        found, places = list[Sentence](), list[tuple[int, int]]()
        for sentence in sentences(readable.text, spoken, language, one_case):
            words = settle_question(
                list(pronounced(sentence, language, known, readable.source_span, self._symbols)),
                language,
            )
            if options.trace is not None:
                options.trace.sentence(sentence, words, language, known)
            lengths, marks = [], []
            for word in words:
                lengths.append(len(word.phonemes) + 1)
                marks.append(word.mark)
                places.append((word.start, word.end))
            for piece in pieces(lengths, marks, MAX_SYMBOLS):
                part = words[piece]
                found.append(sentence_of(part, text, part[0].start, part[-1].end))
        reading.warnings.note(text, plain, readable, places)
        return reading.between(found, text)

    def _processed(
        self, text: str, found: Sequence[Sentence], warnings: TextWarnings, language: Language
    ) -> ProcessedText:
        if not found:
            raise TextError(nothing_to_say(text, warnings.dropped, language.name))
        return ProcessedText(tuple(found), warnings.dropped, warnings.lines(language.name))


def _no_voice(name: str) -> str:
    raise InputError(f"no voice {name[:60]!r} is known here, only that of the request")


def parse_dictionary(
    dictionary: Mapping[str, str | Phonemes], parse: Callable[[str], Phonemes] | None = None
) -> dict[str, Phonemes]:
    """Words and their phonemes as a user writes them -> lower-case words and tuples, checked.

    Phonemes that are a tuple have been checked before; others are read by `parse`, by default as
    ARPAbet.
    """
    parsed: dict[str, Phonemes] = {}
    if not dictionary:
        return parsed
    from dlpo.text.common.phonemes import parse_arpabet

    parse = parse or parse_arpabet
    for word, written in dictionary.items():
        try:
            parsed[word.lower()] = written if isinstance(written, tuple) else parse(written)
        except ValueError as error:
            raise InputError(f"dictionary: {word[:40]!r}: {error}") from error
    return parsed


def nothing_to_say(text: str, dropped: int, language: str) -> str:
    """The error message for a text that gave no words."""
    if not text.strip():
        return "the text is empty; expected at least one word"
    if dropped:
        what = "1 character is" if dropped == 1 else f"{dropped} characters are"
        return (
            f"nothing in the text can be spoken: {what} in another script or without a sound;"
            f" expected {language} words or numbers"
        )
    return "nothing in the text can be spoken: it has only punctuation; expected at least one word"
