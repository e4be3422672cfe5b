"""Syllables of sounds in IPA, as a table of pronunciations writes them: ``sa.ˈpa.to``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

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
        Syllable(re.findall(r"t[ʃs]|d[ʒz]|[^ˈˌ]", part), _STRESS.get(part[0], 0))
        for part in unicodedata.normalize("NFC", ipa).split(".")
    ]
