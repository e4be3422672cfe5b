"""Words -> symbols in languages whose spelling says how they sound: exceptions, then rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from functools import lru_cache

from dlpo.text.common.language import Phonemes
from dlpo.text.common.syllables import Syllable, parsed, written

_CACHED_WORDS = 20_000


class SpellingRules:
    """Which sounds letters stand for; the first rule that matches counts.

    ``rules``: a regular expression of letters and those before and after -> sounds in IPA.
    """

    def __init__(self, rules: Mapping[str, list[str]]) -> None:
        self._rules = [(re.compile(letters), said) for letters, said in rules.items()]

    def sounds(self, word: str) -> Iterator[str]:
        """The sounds of a word in lower case; what no rule knows has none."""
        position = 0
        while position < len(word):
            for pattern, said in self._rules:
                if match := pattern.match(word, position):
                    yield from said
                    position = match.end()
                    break
            else:  # an apostrophe, a letter of another alphabet
                position += 1


class RulePronouncer:
    """Knows how every word sounds. Safe to share between threads."""

    def __init__(
        self,
        syllables: Callable[[str], list[Syllable]],
        exceptions: Mapping[str, str],
        symbol_of: Mapping[str, str],
        vowels: Container[str],
        unstressed: Container[str],
    ) -> None:
        """
        Args:
            syllables: those of a word in lower case, by rule; none if it has no vowel.
            exceptions: word -> IPA in syllables, which overrides the rules.
            symbol_of: sound in IPA -> symbol, that of a vowel without stress.
            vowels: the sounds that bear stress.
            unstressed: small words that have none in a sentence.
        """
        self._by_rule = syllables
        self._exceptions = exceptions
        self._symbol_of = symbol_of
        self._vowels = vowels
        self._unstressed = unstressed
        self.syllables = lru_cache(maxsize=_CACHED_WORDS)(self._syllables)

    def _syllables(self, word: str) -> tuple[Syllable, ...]:
        """A word in lower case -> its syllables; none if it has no vowel."""
        exception = self._exceptions.get(word)
        found = parsed(exception) if exception else self._by_rule(word)
        self._adapt(found)
        return tuple(found)

    def _adapt(self, found: Sequence[Syllable]) -> None:
        """Change sounds into those of a variety of the language."""

    def ipa(self, word: str) -> str:
        """``"zapato"`` -> ``sa.ˈpa.to``."""
        return written(self.syllables(word.lower()))

    def phonemes(
        self, words: Sequence[str], known: Mapping[str, Phonemes], given: Mapping[int, Phonemes]
    ) -> list[Phonemes]:
        """See `Language`."""
        said = [
            given.get(index) or known.get(word) or self._said(word, word not in self._unstressed)
            for index, word in enumerate(words)
        ]
        if not any(phoneme[-1] in "12" for phonemes in said for phoneme in phonemes):
            said[-1] = given.get(len(words) - 1) or known.get(words[-1]) or self._said(words[-1])
        return said

    def sources(
        self, words: Sequence[str], known: Mapping[str, Phonemes], given: Mapping[int, Phonemes]
    ) -> list[str]:
        """See `Language`."""
        found = ["dictionary" if word in known else self._source(word) for word in words]
        return ["accents or the document" if i in given else one for i, one in enumerate(found)]

    def _source(self, word: str) -> str:
        return "table of exceptions" if word.lower() in self._exceptions else "rules of spelling"

    def _said(self, word: str, stressed: bool = True) -> Phonemes:
        return tuple(
            self._symbol_of[sound]
            + (str(syllable.stress * stressed) if sound in self._vowels else "")
            for syllable in self.syllables(word.lower())
            for sound in syllable.sounds
        )
