"""Spanish words -> syllables of sounds with stress, by the rules of spelling.

Reference: Real Academia Española, Ortografía de la lengua española, 2010, chapters I and II.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from dlpo.text.common.syllables import Syllable
from dlpo.text.es.tables import table

_RULES = [(re.compile(letters), said.split()) for letters, (said, _) in table("spelling").items()]
_ACCENTED = {"á": "a", "é": "e", "í": "i", "ó": "o", "ú": "u"}
VOWELS = frozenset("aeiou")
_GLIDES = {"i": "j", "u": "w"}
_ONSETS = frozenset(f"{first} {liquid}" for first in "pbtkɡf" for liquid in "ɾl") | {"d ɾ"}
_PENULTIMATE = re.compile(r"(?:[aeiou]|[aeiouy][ns]|[^aeouáéóú]y|ing)$")
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
    sounds, accented = _vowels_and_glides(list(_sounds(word)))
    found = _divided(sounds)
    if not found:
        return []
    if accented is not None:
        stressed = next(i for i, last in enumerate(_ends(found)) if accented < last)
    else:
        stressed = len(found) - (2 if _PENULTIMATE.search(word) else 1)
    found[max(stressed, 0)].stress = 1
    return found


def _sounds(word: str) -> Iterator[str]:
    """The sounds of the letters; vowels with the accents that are written."""
    position = 0
    while position < len(word):
        for pattern, said in _RULES:
            if match := pattern.match(word, position):
                yield from said
                position = match.end()
                break
        else:  # an apostrophe, a letter of another alphabet
            position += 1


def _vowels_and_glides(sounds: list[str]) -> tuple[list[str], int | None]:
    """Sounds with the glides of diphthongs in place of vowels, and the place of the accent."""
    accents = [place for place, sound in enumerate(sounds) if sound in _ACCENTED]
    plain = [_ACCENTED.get(sound, sound) for sound in sounds]
    out = list(plain)
    for place, sound in enumerate(plain):
        if sound not in _GLIDES or sounds[place] in _ACCENTED:
            continue
        before = out[place - 1] if place else ""
        following = plain[place + 1] if place + 1 < len(plain) else ""
        rises = following in VOWELS and following != sound
        falls = before in VOWELS and before != sound and sounds[place - 1] not in ("í", "ú")
        if rises or falls:
            out[place] = _GLIDES[sound]
    return out, accents[-1] if accents else None


def _divided(sounds: Sequence[str]) -> list[Syllable]:
    """Sounds -> syllables: of what is between two vowels, as much as can be begins the second."""
    nuclei = [place for place, sound in enumerate(sounds) if sound in VOWELS]
    starts = [0]
    for before, following in pairwise(nuclei):
        starts.append(_boundary(sounds, before + 1, following))
    starts = starts if nuclei else []
    ends = [*starts[1:], len(sounds)]
    return [Syllable(list(sounds[a:b])) for a, b in zip(starts, ends, strict=False)]


def _boundary(sounds: Sequence[str], start: int, end: int) -> int:
    """Where the second syllable begins, between the vowels before ``start`` and at ``end``."""
    if start < end and sounds[start] in ("j", "w") and end - start > 1:  # aceite: falls
        start += 1
    onset = end
    if onset > start and sounds[onset - 1] in ("j", "w"):
        onset -= 1
    if onset > start:
        onset -= 1
    if onset > start and f"{sounds[onset - 1]} {sounds[onset]}" in _ONSETS:
        onset -= 1
    return onset


def _ends(found: Sequence[Syllable]) -> Iterator[int]:
    total = 0
    for syllable in found:
        total += len(syllable.sounds)
        yield total
