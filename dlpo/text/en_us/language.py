"""American English as a `Language`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Sequence

from dlpo.text.common.characters import Characters
from dlpo.text.common.form_language import FormLanguage
from dlpo.text.common.language import Phonemes
from dlpo.text.en_us.endings import ENDINGS
from dlpo.text.en_us.ipa import parse_ipa
from dlpo.text.en_us.normalize import READER, word_of
from dlpo.text.en_us.pronounce import Pronouncer, with_s
from dlpo.text.en_us.tables import TABLES, word_list

_OPEN_ENDED = word_list("make a choice open")  # "Any tea or coffee?", "Tea or something?"
_ACCENTED = TABLES.column("accented")
# Parts of a Unicode name that nobody would say.
_UNNAMED = re.compile("(?:REGIONAL INDICATOR|SYMBOL|LETTER|SIGN|BLACK|WHITE|HEAVY)\\b|[^A-Z ]")


class AmericanEnglish(FormLanguage):
    """American English; a lexicon says how its words sound."""

    day_first = False

    def __init__(self) -> None:
        characters = Characters("↑↓↗↘⬆⬇▲▼−", TABLES.column("characters"), picture_name)
        super().__init__("en-US", "English", TABLES, characters, READER, ENDINGS)
        self._pronouncer = Pronouncer()
        self.phonemes = self._pronouncer.phonemes
        self.sources = self._pronouncer.sources
        self._listed = self._pronouncer.lexicon.__contains__

    def word(self, match: re.Match[str], given: Container[str], capitals: bool) -> list[str] | None:
        """See `FormLanguage`."""
        return word_of(match, given, capitals, self._listed)

    def accented(self, written: str) -> Phonemes:
        """See `Language`; of a plural or a possessive as well: résumés, José's."""
        word = unicodedata.normalize("NFC", written.lower())
        stem = word if word in _ACCENTED else re.sub("['’]?s$", "", word)
        phonemes = tuple(_ACCENTED.get(stem, "").split())
        return with_s(phonemes) if phonemes and stem != word else phonemes

    def pronunciations(self, word: str) -> list[Phonemes]:
        """See `Language`: those of the lexicon."""
        return [listed.phonemes for listed in self._pronouncer.lexicon.pronunciations(word)]

    def is_word(self, written: str) -> bool:
        """See `Language`: one that the lexicon has."""
        return self._listed(written)

    def falls(self, words: Sequence[str]) -> bool:
        """See `Language`: also after a choice such as "Tea or coffee?"; "Any questions or
        comments?" rises."""
        return super().falls(words) or _is_choice(words)

    def parse_ipa(self, written: str) -> Phonemes:
        """See `Language`."""
        return parse_ipa(written)

    def said_as(self, kind: str, content: str, format: str) -> list[str]:
        """See `Language`."""
        from dlpo.text.en_us.say_as import AmericanSayAs

        return AmericanSayAs().said_as(kind, content, format)


def picture_name(character: str) -> str:
    """The Unicode name of an emoji, as people say it: ``party popper``."""
    name = _UNNAMED.sub("", unicodedata.name(character, "")).lower()
    return " ".join(name.split())


def _is_choice(words: Sequence[str]) -> bool:
    """Whether a question names what to choose from, by "or" between two things."""
    return "or" in words[1:-1] and not _OPEN_ENDED.intersection(words)
