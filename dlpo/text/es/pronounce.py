"""How words sound in Spanish: some by a table, English ones as a Spanish speaker says them, all
others by the rules of spelling."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from dlpo.text.common.rule_pronouncer import RulePronouncer
from dlpo.text.common.syllables import Syllable, parsed
from dlpo.text.es.english import english_syllables
from dlpo.text.es.ipa import SYMBOL_OF
from dlpo.text.es.spelling import VOWELS, syllables
from dlpo.text.es.tables import EXCEPTIONS, TABLES, word_list

_IN_SPAIN = TABLES.column("pronunciations_in_spain")
_ACCENTED = TABLES.column("accents")  # words often written without


class SpanishPronouncer(RulePronouncer):
    """Everywhere ll is said as y.

    ``distincion``: as in most of Spain, z and soft c are the sound of English "think"; elsewhere
    they are an s.
    """

    def __init__(self, distincion: bool = False) -> None:
        self._distincion = distincion
        exceptions = EXCEPTIONS | _IN_SPAIN if distincion else EXCEPTIONS
        super().__init__(_by_rule, exceptions, SYMBOL_OF, VOWELS, word_list("unstressed"))

    def _source(self, word: str) -> str:
        if word not in self._exceptions and english_syllables(word):
            return "English, as a speaker of Spanish says it"
        return super()._source(word)

    def _adapt(self, found: Sequence[Syllable]) -> None:
        """Say θ as s; two that meet, as in excelente, are one."""
        if self._distincion:
            return
        for syllable in found:
            syllable.sounds = ["s" if sound == "θ" else sound for sound in syllable.sounds]
        for before, syllable in pairwise(found):
            if before.sounds[-1] == syllable.sounds[0] == "s":
                before.sounds.pop()


def _by_rule(word: str) -> list[Syllable]:
    if of_one := EXCEPTIONS.get(word.removesuffix("s")):  # croissants
        found = parsed(of_one)
        found[-1].sounds.append("s")
        return found
    stem = word.removesuffix("mente")  # rapidamente, as rapida
    return english_syllables(word) or syllables(_ACCENTED.get(stem, stem) + word[len(stem) :])
