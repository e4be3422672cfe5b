"""What sciences and arts write -> spoken words: formulas, moves of chess, chords, numerals."""

from __future__ import annotations

import re

from dlpo.text.common.tables import any_key
from dlpo.text.en_us.numbers import cardinal_words

_PIECES = {"K": "king", "Q": "queen", "R": "rook", "B": "bishop", "N": "knight"}
_ENDINGS = {"x": "takes", "+": "check", "#": "mate"}
_CHORDS = {
    "maj": "major", "min": "minor", "m": "minor", "dim": "diminished", "aug": "augmented",
    "sus": "sus", "add": "add",
}  # fmt: skip
_SIGNS = {"#": "sharp", "b": "flat", "/": "over"}
CHORD = any_key(_CHORDS)
_OF_CHORD = re.compile(rf"{CHORD}|\d+|\S")
_OF_FORMULA = re.compile(r"[A-Za-z]|\d+")


def formula_words(written: str) -> list[str]:
    """Of chemistry: H2SO4."""
    return _words(_OF_FORMULA.findall(written), {})


def move_words(written: str) -> list[str]:
    """Of chess: Nf3, Qxf7#."""
    return _words([*written], _PIECES | _ENDINGS)


def chord_words(written: str) -> list[str]:
    """Of music: Cmaj7, F#m7, G/B."""
    return _words(_OF_CHORD.findall(written), _CHORDS | _SIGNS)


def _words(parts: list[str], names: dict[str, str]) -> list[str]:
    """Parts by their names, as numbers or as letters."""
    return [
        word
        for part in parts
        for word in (cardinal_words(part) if part.isdigit() else [names.get(part, part.upper())])
    ]
