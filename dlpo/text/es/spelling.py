"""Spanish words -> syllables of sounds with stress, by the rules of spelling.

Reference: Real Academia Española, Ortografía de la lengua española, 2010, chapters I and II.
"""

from __future__ import annotations

import re

from dlpo.text.common.rule_pronouncer import SpellingRules
from dlpo.text.common.syllables import Syllable, divided, syllable_at, with_glides
from dlpo.text.es.tables import TABLES

_RULES = SpellingRules(TABLES.words("spelling"))
_ACCENTED = {"á": "a", "é": "e", "í": "i", "ó": "o", "ú": "u"}
VOWELS = frozenset("aeiou")
ONSETS = frozenset(f"{first} {liquid}" for first in "pbtkɡf" for liquid in "ɾl") | {"d ɾ"}
_PENULTIMATE = re.compile(
    r"(?:[aeou]|(?<![aeo][iu])x|(?<![ao])i|[aeiouy]s|[aeiuy]n|(?<!i)on|[^aeouáéóú]y|ing)$"
)
_ADVERB = re.compile(r"([a-zñáéíóúü]{3,40})(mente)")
_NOT_ADVERBS = re.compile(r"(?:incle|vehe|cle|de)mente")


def syllables(word: str) -> list[Syllable]:
    """Letters in lower case -> syllables; none if the word has no vowel.

    >>> written(syllables("zapato"))
    'θa.ˈpa.to'
    """
    adverb = None if _NOT_ADVERBS.fullmatch(word) else _ADVERB.fullmatch(word)
    if adverb and len(first := syllables(adverb[1])) > 1:  # fácil-mente has two stresses
        for syllable in first:
            syllable.stress *= 2
        return first + syllables(adverb[2])
    sounds, accented = with_glides(list(_RULES.sounds(word)), _ACCENTED, VOWELS)
    found = divided(sounds, VOWELS, ONSETS)
    if not found:
        return []
    if accented is not None:
        stressed = syllable_at(found, accented)
    else:
        stressed = len(found) - (2 if _PENULTIMATE.search(word) else 1)
    found[max(stressed, 0)].stress = 1
    return found
