"""American English as a `Language`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterator, Sequence

from dlpo.text.common.characters import Characters
from dlpo.text.common.language import Phonemes, Token
from dlpo.text.en_us.abbreviations import SENTENCE_STARTERS
from dlpo.text.en_us.endings import ENDINGS
from dlpo.text.en_us.ipa import parse_ipa
from dlpo.text.en_us.normalize import tokens
from dlpo.text.en_us.pronounce import Pronouncer
from dlpo.text.en_us.tables import table, word_list

# Spoken words of abbreviations that a name or a number follows: their period ends no sentence.
_BEFORE_NAMES = word_list("before names")
_QUESTION_WORDS = word_list("question words")
_OPEN_ENDED = word_list("make a choice open")  # "Any tea or coffee?", "Tea or something?"
_BEFORE_QUESTION_WORDS = word_list("before question words")  # "And at what time ...?"
# Parts of a Unicode name that nobody would say.
_UNNAMED = re.compile("(?:REGIONAL INDICATOR|SYMBOL|LETTER|SIGN|BLACK|WHITE|HEAVY)\\b|[^A-Z ]")


class AmericanEnglish:
    """American English; a lexicon says how its words sound."""

    code, name, endings = "en-US", "English", ENDINGS

    def __init__(self) -> None:
        replacements = {written: read for written, (read,) in table("characters").items()}
        self.characters = Characters("", replacements, picture_name)
        self._pronouncer = Pronouncer()
        self.phonemes = self._pronouncer.phonemes
        self._listed = self._pronouncer.lexicon.__contains__

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
        return tokens(text, self._listed, given=given, shouted=shouted, start=start, end=end)

    def pronunciations(self, word: str) -> list[Phonemes]:
        """See `Language`: those of the lexicon."""
        return [listed.phonemes for listed in self._pronouncer.lexicon.pronunciations(word)]

    def period_ends_sentence(self, token: Token, following: Token) -> bool:
        """See `Language`."""
        follows = following.text.lower() in SENTENCE_STARTERS
        return token.words[-1] not in _BEFORE_NAMES and follows

    def falls(self, words: Sequence[str]) -> bool:
        """See `Language`: "Where is it?" falls as "Here it is." does, and so does a choice such as
        "Tea or coffee?"; "Is it here?" and "Any questions or comments?" rise.

        Reference: Bolinger, Intonation and Its Uses, 1989, chapters 5 and 6.
        """
        opening = next((word for word in words if word not in _BEFORE_QUESTION_WORDS), "")
        return opening.partition("'")[0] in _QUESTION_WORDS or _is_choice(words)

    def parse_ipa(self, written: str) -> Phonemes:
        """See `Language`."""
        return parse_ipa(written)

    def said_as(self, kind: str, content: str, format: str) -> list[str]:
        """See `Language`."""
        from dlpo.text.en_us.say_as import said_as

        return said_as(kind, content, format)


def picture_name(character: str) -> str:
    """The Unicode name of an emoji, as people say it: ``party popper``."""
    name = _UNNAMED.sub("", unicodedata.name(character, "")).lower()
    return " ".join(name.split())


def _is_choice(words: Sequence[str]) -> bool:
    """Whether a question names what to choose from, by "or" between two things."""
    return "or" in words[1:-1] and not _OPEN_ENDED.intersection(words)
