"""What sciences and arts write -> spoken words: formulas, moves of chess, chords, numerals."""

from __future__ import annotations

import re

from dlpo.text.common.forms import with_pause
from dlpo.text.common.patterns import ARGUMENT as ARGUMENT
from dlpo.text.common.roman import ROMAN as ROMAN
from dlpo.text.common.roman import roman_value
from dlpo.text.common.tables import any_key
from dlpo.text.en_us.numbers import cardinal_words, ordinal_words

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


def move_number_words(number: str) -> list[str]:
    """That before a move of chess, which ends no sentence: 2. Nf3, 12...Bg4."""
    return with_pause(cardinal_words(number))


def chord_words(written: str) -> list[str]:
    """Of music: Cmaj7, F#m7, G/B."""
    return _words(_OF_CHORD.findall(written), _CHORDS | _SIGNS)


def roman_words(numeral: str) -> list[str]:
    """``"IV"`` -> four."""
    value = roman_value(numeral.upper())
    return cardinal_words(str(value)) if value else [*numeral.upper()]


def ordinal_roman_words(numeral: str) -> list[str]:
    """``"IV"`` -> fourth."""
    return ordinal_words(str(roman_value(numeral)))


def _words(parts: list[str], names: dict[str, str]) -> list[str]:
    """Parts by their names, as numbers or as letters."""
    return [
        word
        for part in parts
        for word in (cardinal_words(part) if part.isdigit() else [names.get(part, part.upper())])
    ]
