"""Text -> sentences of words with phonemes and marks: the input of the acoustic model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from dlpo.errors import InputError, TextError
from dlpo.text.common.language import Phonemes
from dlpo.text.common.reading import TextReading
from dlpo.text.common.sentences import pieces, sentences
from dlpo.text.common.ssml import is_ssml
from dlpo.text.common.words import (
    MAX_SYMBOLS,
    ProcessedText,
    Sentence,
    pronounced,
    sentence_of,
    settle_question,
)
from dlpo.text.languages import LANGUAGES, open_language

if TYPE_CHECKING:
    from dlpo.text.common.ssml.prosody import ProsodyLimits


class TextFrontEnd:
    """Turns text into phonemes. Safe to share between threads.

    ``dictionary``: words of this voice with their phonemes, ``{"hello": "HH AH0 L OW1"}``, which
    override the lexicon. ``language``: BCP 47. Raises InputError for an unknown phoneme or
    language.
    """

    def __init__(
        self, dictionary: Mapping[str, str] | None = None, language: str = LANGUAGES[0]
    ) -> None:
        self._dictionary = parse_dictionary(dictionary or {})
        self.language = open_language(language)
        """the language that is read"""

    def process(
        self,
        text: str,
        dictionary: Mapping[str, str | Phonemes] | None = None,
        reading: TextReading | None = None,
    ) -> ProcessedText:
        """Split, normalize and pronounce a text.

        A text that begins with ``<speak>`` is SSML, see `process_ssml`.

        Args:
            text: plain, or with the Markdown that language models write.
            dictionary: overrides that of the voice.
            reading: a new one, which says how code and emoji are read.

        Raises TextError if nothing can be spoken, InputError for a wrong dictionary.
        """
        if is_ssml(text):
            return self.process_ssml(text, dictionary, reading=reading)
        reading = reading or TextReading()
        found = self.process_passage(text, self.known_words(dictionary), reading)
        return self._processed(text, found, reading)

    def process_ssml(
        self,
        document: str,
        dictionary: Mapping[str, str | Phonemes] | None = None,
        limits: ProsodyLimits | None = None,
        reading: TextReading | None = None,
    ) -> ProcessedText:
        """Process an SSML document, see docs/ssml.md; offsets are those of the document.

        Args:
            document: from ``<speak>`` to ``</speak>``.
            dictionary: overrides that of the voice, but not ``<phoneme>``.
            limits: how far ``<prosody>`` may go from the request's own speed and pitch.
            reading: a new one, which says how emoji are read.

        Raises:
            SsmlError: the document is malformed or asks for what can't be done; says where.
            TextError: nothing in it can be spoken.
            InputError: the dictionary is wrong.
        """
        from dlpo.text.common.ssml.prosody import ProsodyLimits
        from dlpo.text.common.ssml.reader import read_ssml
        from dlpo.text.common.ssml.script import spoken_script

        known, reading = self.known_words(dictionary), reading or TextReading()
        script = read_ssml(document, limits or ProsodyLimits(), reading, self.language)
        return self._processed(script.text, spoken_script(script, self.language, known), reading)

    def known_words(self, dictionary: Mapping[str, str | Phonemes] | None) -> dict[str, Phonemes]:
        """Words with a given pronunciation: the voice's, overridden by those of a request.

        Raises InputError for a wrong dictionary.
        """
        if not dictionary:
            return self._dictionary
        return {**self._dictionary, **parse_dictionary(dictionary)}

    def words_in_ipa(self, dictionary: Mapping[str, str | Phonemes]) -> dict[str, Phonemes]:
        """Words whose pronunciation is given in IPA -> their phonemes.

        Raises InputError for a wrong dictionary.
        """
        return parse_dictionary(dictionary, self.language.parse_ipa)

    def process_passage(
        self,
        text: str,
        known: Mapping[str, Phonemes],
        reading: TextReading,
        shouted: bool | None = None,
        all_lower: bool | None = None,
        last: bool = True,
    ) -> list[Sentence]:
        """Process a part of a longer text, in which there may be nothing to say.

        Args:
            text: whole sentences or clauses.
            known: from `known_words`.
            reading: of the longer text, which notes what is not spoken.
            shouted: the whole text has only capitals; by default if this passage has.
            all_lower: the whole text has no capitals; by default if this passage has none.
            last: no more text follows.
        """
        language = self.language
        readable = language.characters.readable(reading.plain(text, last), reading.emoji)
        spoken = language.tokens(readable.text, given=known, shouted=shouted)
        found, places = list[Sentence](), list[tuple[int, int]]()
        for sentence in sentences(readable.text, spoken, language, all_lower):
            words = settle_question(
                list(pronounced(sentence, language, known, readable.source_span)), language
            )
            lengths, marks = [], []
            for word in words:
                lengths.append(len(word.phonemes) + 1)
                marks.append(word.mark)
                places.append((word.start, word.end))
            for piece in pieces(lengths, marks, MAX_SYMBOLS):
                part = words[piece]
                found.append(sentence_of(part, text, part[0].start, part[-1].end))
        reading.note(text, readable, places)
        return found

    def _processed(
        self, text: str, found: Sequence[Sentence], reading: TextReading
    ) -> ProcessedText:
        if not found:
            raise TextError(nothing_to_say(text, reading.dropped, self.language.name))
        noted = reading.unspoken or reading.foreign
        warnings = reading.warnings(self.language.name) if noted else ()
        return ProcessedText(tuple(found), reading.dropped, warnings)


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
        return (
            f"nothing in the text can be spoken: {dropped} characters are in another "
            f"script or have no sound; expected {language} words or numbers"
        )
    return "nothing in the text can be spoken: it has only punctuation; expected at least one word"
