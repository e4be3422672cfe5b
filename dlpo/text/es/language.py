"""Spanish as a `Language`."""

from __future__ import annotations

from collections.abc import Sequence

from dlpo.text.common.characters import Characters
from dlpo.text.common.form_language import FormLanguage
from dlpo.text.common.language import Phonemes, Token
from dlpo.text.es.abbreviations import sayable
from dlpo.text.es.endings import ENDINGS
from dlpo.text.es.ipa import parse_ipa
from dlpo.text.es.normalize import READER, word_of
from dlpo.text.es.pronounce import SpanishPronouncer
from dlpo.text.es.tables import TABLES

_LETTERS = "áéíóúüñçÁÉÍÓÚÜÑÇºª₡₲₽₿‰√π∞"
_LAST_LETTERS = "aeiouáéíóúdlnrsyz"


class Spanish(FormLanguage):
    """Spanish; rules say how its words sound."""

    def __init__(self, code: str) -> None:
        pictures = TABLES.column("emoji")
        characters = Characters(
            _LETTERS, TABLES.column("characters"), lambda character: pictures.get(character, "")
        )
        super().__init__(code, "Spanish", TABLES, characters, READER, ENDINGS)
        pronouncer = SpanishPronouncer(distincion=code == "es-ES")
        self.phonemes = pronouncer.phonemes
        self.sources = pronouncer.sources
        self.ipa = pronouncer.ipa
        self.parse_ipa = parse_ipa

    word = staticmethod(word_of)

    def pronunciations(self, word: str) -> list[Phonemes]:
        """See `Language`: stressed, as it is alone."""
        return self.phonemes([word], {}, {})

    def is_word(self, written: str) -> bool:
        """See `Language`: made of syllables, with an end that Spanish words have."""
        return sayable(written) and written[-1] in _LAST_LETTERS

    def period_ends_sentence(self, text: str, token: Token, following: Token) -> bool:
        """See `Language`; names in lower case are rare, and no initial begins a sentence."""
        opens = following.text[:1].isupper() and following.text[1:] != "."
        own = opens or token.text[-1] != "."
        return own and super().period_ends_sentence(text, token, following)

    def falls(self, words: Sequence[str]) -> bool:
        """See `Language`: also after a choice such as "¿Té o café?"; "¿Vienes o no?" rises."""
        return super().falls(words) or bool(ENDINGS.alternative.search(" ".join(words[1:])))

    def said_as(self, kind: str, content: str, format: str) -> list[str]:
        """See `Language`."""
        from dlpo.text.es.say_as import SpanishSayAs

        return SpanishSayAs().said_as(kind, content, format)
