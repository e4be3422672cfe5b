"""Spanish as a `Language`."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

from dlpo.text.common.characters import Characters
from dlpo.text.common.language import Phonemes, Token
from dlpo.text.common.phonemes import Ipa
from dlpo.text.es.normalize import tokens
from dlpo.text.es.pronounce import SYMBOL_OF, Pronouncer
from dlpo.text.es.tables import table, word_list

_LETTERS = "áéíóúüñÁÉÍÓÚÜÑºª"
_QUESTION_WORDS = word_list("question words")
_BEFORE_QUESTION_WORDS = word_list("before question words")


class Spanish:
    """Spanish; rules say how its words sound."""

    name = "Spanish"

    def __init__(self, code: str) -> None:
        self.code = code
        replacements = {written: read for written, (read,) in table("characters").items()}
        self.characters = Characters(_LETTERS, replacements, picture_name)
        self.pronouncer = Pronouncer(distincion=code == "es-ES")
        self.phonemes = self.pronouncer.phonemes
        self.parse_ipa = Ipa(SYMBOL_OF, self.name, "saˈpa.to").parse

    def tokens(
        self,
        text: str,
        *,
        given: Container[str] = (),
        shouted: bool | None = None,
        start: int = 0,
        end: int | None = None,
    ) -> Iterator[Token]:
        """See `Language`."""
        return tokens(text, given=given, shouted=shouted, start=start, end=end)

    def period_ends_sentence(self, token: Token, following: Token) -> bool:
        """See `Language`."""
        return False

    def falls(self, words: Sequence[str]) -> bool:
        """See `Language`: "¿Dónde está?" falls, "¿Está aquí?" rises.

        Reference: Navarro Tomás, Manual de entonación española, 1944.
        """
        opening = next((word for word in words if word not in _BEFORE_QUESTION_WORDS), "")
        return opening in _QUESTION_WORDS

    def said_as(self, kind: str, content: str, format: str) -> list[str]:
        """See `Language`."""
        raise NotImplementedError


def picture_name(character: str) -> str:
    """The name of an emoji, from a table; "" for others."""
    return ""
