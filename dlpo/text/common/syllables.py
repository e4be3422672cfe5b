"""Syllables of sounds in IPA, as a table of pronunciations writes them: ``sa.ˈpa.to``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

_GLIDES = {"i": "j", "u": "w"}
_STRESS = {"ˈ": 1, "ˌ": 2}


@dataclass(slots=True)
class Syllable:
    """Some sounds around one vowel."""

    sounds: list[str]
    """In IPA."""
    stress: int = 0
    """1 where the word's stress is, 2 where the secondary one of a compound is, otherwise 0."""


def written(found: Sequence[Syllable]) -> str:
    """Syllables in IPA."""
    return ".".join(("", "ˈ", "ˌ")[s.stress] + "".join(s.sounds) for s in found)


def parsed(ipa: str) -> list[Syllable]:
    """The syllables of a word in IPA."""
    return [
        Syllable(re.findall(r"tʃ|dʒ|[^ˈˌ]", part), _STRESS.get(part[0], 0))
        for part in unicodedata.normalize("NFC", ipa).split(".")
    ]


def with_glides(
    sounds: Sequence[str], accented: Mapping[str, str], vowels: Container[str]
) -> tuple[list[str], int | None]:
    """Sounds with the glides of diphthongs, and the place of the last written accent.

    A close vowel without an accent is a glide beside another vowel.

    Args:
        accented: vowel with its accent, as the sounds have it -> without.
        vowels: without accents.
    """
    accents = [place for place, sound in enumerate(sounds) if sound in accented]
    plain = [accented.get(sound, sound) for sound in sounds]
    out = list(plain)
    for place, sound in enumerate(plain):
        if sound not in _GLIDES or sounds[place] in accented:
            continue
        before = out[place - 1] if place else ""
        following = plain[place + 1] if place + 1 < len(plain) else ""
        rises = following in vowels and following != sound
        closed = accented.get(sounds[place - 1]) in _GLIDES  # its accent keeps the vowels apart
        falls = before in vowels and before != sound and not closed
        if rises or falls:
            out[place] = _GLIDES[sound]
    return out, accents[-1] if accents else None


def syllable_at(found: Sequence[Syllable], place: int) -> int:
    """The number of the syllable that has the sound at a place of the word."""
    ends = accumulate(len(syllable.sounds) for syllable in found)
    return next(number for number, end in enumerate(ends) if place < end)


def divided(
    sounds: Sequence[str], vowels: Container[str], onsets: Container[str]
) -> list[Syllable]:
    """Sounds -> syllables without stress: of what is between two vowels, as much as can be begins
    the second one.

    Args:
        sounds: with the glides ``j`` and ``w`` of diphthongs.
        vowels: those that a syllable is built around.
        onsets: pairs of consonants that begin one, with a blank between them.
    """
    nuclei = [place for place, sound in enumerate(sounds) if sound in vowels]
    starts = [0] if nuclei else []
    for before, following in pairwise(nuclei):
        starts.append(_boundary(sounds, before + 1, following, onsets))
    ends = [*starts[1:], len(sounds)]
    return [Syllable(list(sounds[a:b])) for a, b in zip(starts, ends, strict=False)]


def _boundary(sounds: Sequence[str], start: int, end: int, onsets: Container[str]) -> int:
    """Where the second syllable begins, between the vowels before ``start`` and at ``end``."""
    if end - start > 1 and sounds[start] in ("j", "w"):  # the first vowel's own: aceite
        start += 1
    onset = end
    if onset > start and sounds[onset - 1] in ("j", "w"):
        onset -= 1
    if onset > start:
        onset -= 1
    if onset > start and f"{sounds[onset - 1]} {sounds[onset]}" in onsets:
        onset -= 1
    return onset
