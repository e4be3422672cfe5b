"""Text -> sentences of words with phonemes and marks: the input of the acoustic model."""

from __future__ import annotations

from collections.abc import Mapping

from dlpo.errors import InputError, TextError
from dlpo.text.characters import Markdown, readable_text
from dlpo.text.normalize import tokens
from dlpo.text.pronounce import Phonemes, Pronouncer
from dlpo.text.sentences import pieces, sentences
from dlpo.text.ssml import ProsodyLimits, is_ssml, read_ssml, spoken_script
from dlpo.text.ssml.phonemes import parse_arpabet
from dlpo.text.words import MAX_SYMBOLS, ProcessedText, pronounced, sentence_of, settle_question


class TextFrontEnd:
    """Turns English text into phonemes. Safe to share by threads.

    ``dictionary``: words of this voice with their phonemes, ``{"hello": "HH AH0 L OW1"}``; they go
    before the lexicon. An InputError names a phoneme that is not one.
    """

    def __init__(self, dictionary: Mapping[str, str] | None = None) -> None:
        self._dictionary = parse_dictionary(dictionary or {})
        self._pronouncer = Pronouncer()

    def process(self, text: str, dictionary: Mapping[str, str] | None = None) -> ProcessedText:
        """Split, normalize and pronounce a text; ``dictionary`` goes before that of the voice.

        A text that begins with ``<speak>`` is SSML, see `process_ssml`.

        Raises TextError where nothing can be spoken, InputError for a wrong dictionary.
        """
        if is_ssml(text):
            return self.process_ssml(text, dictionary)
        processed = self.process_passage(text, self.known_words(dictionary), Markdown())
        if not processed.sentences:
            raise TextError(nothing_to_say(text, processed.dropped))
        return processed

    def process_ssml(
        self,
        document: str,
        dictionary: Mapping[str, str] | None = None,
        limits: ProsodyLimits | None = None,
    ) -> ProcessedText:
        """The same for an SSML document; see docs/ssml.md. Offsets are those of the document.

        Args:
            document: from ``<speak>`` to ``</speak>``.
            dictionary: goes before that of the voice, but not before ``<phoneme>``.
            limits: how far ``<prosody>`` may go from the request's own speed and pitch.

        Raises:
            SsmlError: the document is malformed or asks for what can't be done; says where.
            TextError: nothing in it can be spoken.
            InputError: the dictionary is wrong.
        """
        known = self.known_words(dictionary)
        script = read_ssml(document, limits or ProsodyLimits())
        processed = spoken_script(script, self._pronouncer, known)
        if not processed.sentences:
            raise TextError(nothing_to_say(script.text, processed.dropped))
        return processed

    def known_words(self, dictionary: Mapping[str, str] | None) -> dict[str, Phonemes]:
        """Words with a given pronunciation: the voice's, and before them those of a request.

        Raises InputError for a wrong dictionary.
        """
        if not dictionary:
            return self._dictionary
        return {**self._dictionary, **parse_dictionary(dictionary)}

    def process_passage(
        self,
        text: str,
        known: Mapping[str, Phonemes],
        markdown: Markdown,
        shouted: bool | None = None,
        all_lower: bool | None = None,
    ) -> ProcessedText:
        """The same for a part of a longer text; it may have nothing to say.

        Args:
            text: whole sentences or clauses.
            known: from `known_words`.
            markdown: of the longer text.
            shouted: the whole text has only capitals; by default if this passage has.
            all_lower: the whole text has no capitals; by default if this passage has none.
        """
        readable = readable_text(markdown.plain(text))
        listed = self._pronouncer.lexicon.__contains__
        spoken = tokens(readable.text, listed, given=known, shouted=shouted)
        found = []
        for sentence in sentences(readable.text, spoken, all_lower):
            words = settle_question(
                list(pronounced(sentence, self._pronouncer, known, readable.source_span))
            )
            lengths = [len(word.phonemes) + 1 for word in words]
            for piece in pieces(lengths, [word.mark for word in words], MAX_SYMBOLS):
                part = words[piece]
                found.append(sentence_of(part, text, part[0].start, part[-1].end))
        return ProcessedText(tuple(found), readable.dropped)


def parse_dictionary(dictionary: Mapping[str, str]) -> dict[str, Phonemes]:
    """Words and their phonemes as a user writes them -> lower-case words and tuples, checked."""
    parsed = {}
    for word, written in dictionary.items():
        try:
            parsed[word.lower()] = parse_arpabet(written)
        except ValueError as error:
            raise InputError(f"dictionary: {word!r}: {error}") from error
    return parsed


def nothing_to_say(text: str, dropped: int) -> str:
    """Why a text that gave no words can't be spoken."""
    if not text.strip():
        return "the text is empty; expected at least one word"
    if dropped:
        return (
            f"nothing in the text can be spoken: {dropped} characters are of another "
            "script or are signs without a sound; expected English words or numbers"
        )
    return "nothing in the text can be spoken: it has only punctuation; expected at least one word"
