"""Spanish words -> symbols: exceptions from a table, everything else by the rules of spelling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

from dlpo.text.common.language import Phonemes
from dlpo.text.common.syllables import Syllable, parsed, written
from dlpo.text.es.ipa import SYMBOL_OF
from dlpo.text.es.spelling import VOWELS, syllables
from dlpo.text.es.tables import table, word_list

EXCEPTIONS = {word: ipa for word, (ipa,) in table("pronunciations").items()}
_UNSTRESSED = word_list("unstressed")
_CACHED_WORDS = 20_000


class RulePronouncer:
    """Knows how every word sounds. Safe to share between threads.

    ``distincion``: as in most of Spain, z and soft c are the sound of English "think"; elsewhere
    they are an s. Everywhere ll is said as y.
    """

    def __init__(self, distincion: bool = False) -> None:
        self._distincion = distincion
        self.syllables = lru_cache(maxsize=_CACHED_WORDS)(self._syllables)

    def _syllables(self, word: str) -> tuple[Syllable, ...]:
        """A word in lower case -> its syllables; none if it has no vowel."""
        exception = EXCEPTIONS.get(word)
        found = parsed(exception) if exception else syllables(word)
        if not self._distincion:
            _say_s(found)
        return tuple(found)

    def ipa(self, word: str) -> str:
        """``"zapato"`` -> ``sa.ˈpa.to``."""
        return written(self.syllables(word.lower()))

    def phonemes(
        self, words: Sequence[str], known: Mapping[str, Phonemes], given: Mapping[int, Phonemes]
    ) -> list[Phonemes]:
        """See `Language`."""
        said = [
            given.get(index) or known.get(word) or self._said(word, word not in _UNSTRESSED)
            for index, word in enumerate(words)
        ]
        if not any(phoneme[-1] in "12" for phonemes in said for phoneme in phonemes):
            said[-1] = given.get(len(words) - 1) or known.get(words[-1]) or self._said(words[-1])
        return said

    def _said(self, word: str, stressed: bool = True) -> Phonemes:
        found = self.syllables(word.lower())
        return tuple(
            SYMBOL_OF[sound] + (str(syllable.stress * stressed) if sound in VOWELS else "")
            for syllable in found
            for sound in syllable.sounds
        )


def _say_s(found: Sequence[Syllable]) -> None:
    """Say θ as s; two that meet, as in excelente, are one."""
    for syllable in found:
        syllable.sounds = ["s" if sound == "θ" else sound for sound in syllable.sounds]
    for before, syllable in pairwise(found):
        if before.sounds[-1] == syllable.sounds[0] == "s":
            before.sounds.pop()
