"""Spanish as a `Language`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dlpo.text.common.characters import Characters
from dlpo.text.common.form_language import FormLanguage
from dlpo.text.common.language import Phonemes, Token
from dlpo.text.es.endings import ENDINGS
from dlpo.text.es.ipa import parse_ipa
from dlpo.text.es.normalize import READER, word_of
from dlpo.text.es.pronounce import SpanishPronouncer
from dlpo.text.es.tables import TABLES

_LETTERS = "áéíóúüñçÁÉÍÓÚÜÑÇºª₡₲₽₿‰√π∞"
_OF_CLOCK = re.compile(r"(?i)\d.*[ap]\.?\s?m\.$")
_BEFORE_CLOCK = frozenset({"a", "desde", "hacia", "sobre"})  # las cinco
_AFTER_CLOCK = frozenset({"hora", "tiempo"})  # del este, del centro


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
        self.ipa = pronouncer.ipa
        self.parse_ipa = parse_ipa

    word = staticmethod(word_of)

    def pronunciations(self, word: str) -> list[Phonemes]:
        """See `Language`: stressed, as it is alone."""
        return self.phonemes([word], {}, {})

    def period_ends_sentence(self, first: Token, token: Token, following: Token) -> bool:
        """See `Language`; names in lower case are rare, and no initial begins a sentence.

        What follows a time of day begins one: "8:00 a. m. Regreso", not "A las 5 p. m. Juan salió".
        """
        if not following.text[:1].isupper() or following.text[1:] == ".":
            return False
        of_clock = _OF_CLOCK.search(token.text) and following.text[1:2].islower()
        goes_on = following.words[0] in _AFTER_CLOCK or first.words[0] in _BEFORE_CLOCK
        return bool(of_clock and not goes_on) or super().period_ends_sentence(
            first, token, following
        )

    def falls(self, words: Sequence[str]) -> bool:
        """See `Language`: also after a choice such as "¿Té o café?"; "¿Vienes o no?" rises."""
        return super().falls(words) or bool(ENDINGS.alternative.search(" ".join(words[1:])))

    def said_as(self, kind: str, content: str, format: str) -> list[str]:
        """See `Language`."""
        from dlpo.text.es.say_as import SpanishSayAs

        return SpanishSayAs().said_as(kind, content, format)
