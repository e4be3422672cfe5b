"""Spanish as a `Language`."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

from dlpo.text.common.characters import Characters
from dlpo.text.common.language import Phonemes, Token
from dlpo.text.es.endings import ENDINGS
from dlpo.text.es.ipa import parse_ipa
from dlpo.text.es.normalize import tokens
from dlpo.text.es.pronounce import RulePronouncer
from dlpo.text.es.tables import table, word_list

PICTURES = {picture: name for picture, (name,) in table("emoji").items()}
_LETTERS = "áéíóúüñÁÉÍÓÚÜÑºª₡₲₽₿‰√π∞"
_SENTENCE_STARTERS = word_list("sentence starters")
# Said before a name or a number: the period of their abbreviation ends no sentence.
_BEFORE_NAMES = word_list("before names")
_QUESTION_WORDS = word_list("question words")
_BEFORE_QUESTION_WORDS = word_list("before question words")


class Spanish:
    """Spanish; rules say how its words sound."""

    name, endings = "Spanish", ENDINGS

    def __init__(self, code: str) -> None:
        self.code = code
        replacements = {written: read for written, (read,) in table("characters").items()}
        self.characters = Characters(_LETTERS, replacements, picture_name)
        self._pronouncer = RulePronouncer(distincion=code == "es-ES")
        self.phonemes = self._pronouncer.phonemes
        self.parse_ipa = parse_ipa

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

    def pronunciations(self, word: str) -> list[Phonemes]:
        """See `Language`: stressed, as it is alone."""
        return self.phonemes([word], {}, {})

    def period_ends_sentence(self, token: Token, following: Token) -> bool:
        """See `Language`."""
        follows = following.text[:1].isupper() and following.text.lower() in _SENTENCE_STARTERS
        return follows and token.words[-1] not in _BEFORE_NAMES

    def falls(self, words: Sequence[str]) -> bool:
        """See `Language`: "¿Dónde está?" falls, "¿Está aquí?" rises.

        Reference: Navarro Tomás, Manual de entonación española, 1944.
        """
        opening = next((word for word in words if word not in _BEFORE_QUESTION_WORDS), "")
        return opening in _QUESTION_WORDS

    def ipa(self, word: str) -> str:
        """``"zapato"`` -> ``sa.ˈpa.to``."""
        return self._pronouncer.ipa(word)

    def said_as(self, kind: str, content: str, format: str) -> list[str]:
        """See `Language`."""
        from dlpo.text.es.say_as import said_as

        return said_as(kind, content, format)


def picture_name(character: str) -> str:
    """The name of an emoji, from a table; "" for one that isn't in it."""
    return PICTURES.get(character, "")
