"""The symbols that a voice is trained on, and how an utterance becomes a row of them.

An utterance is ``^ word mark word mark ... word mark``: phonemes in ARPAbet with stress, and after
each word exactly one *boundary mark*. A mark may last zero frames; the model learns from the
recordings when it is a pause and how long.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

MAX_WRITTEN = 500  # characters of one word's pronunciation, in whatever alphabet
PAD = "_"
START = "^"  # the silence before the first word
MARKS = (" ", "-", ",", ";", ":", ".", "!", "?")  # between words, weakest first
VOWELS = (
    "AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW",
)  # fmt: skip
CONSONANTS = (
    "B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG", "P", "R", "S", "SH",
    "T", "TH", "V", "W", "Y", "Z", "ZH",
)  # fmt: skip
PHONEMES = tuple(f"{v}{stress}" for v in VOWELS for stress in "012") + CONSONANTS
SYMBOLS = (PAD, START, *MARKS, *PHONEMES)
FIRST_PHONEME = len(SYMBOLS) - len(PHONEMES)  # ids below it may last zero frames
SYMBOL_IDS = {symbol: i for i, symbol in enumerate(SYMBOLS)}

# Punctuation as it is written -> the mark that it is spoken as. What is absent here is a plain gap.
_MARK_OF = {
    ",": ",", ";": ";", ":": ":", ".": ".", "!": "!", "?": "?", "-": "-",
    "–": "-", "—": "-", "…": ".", "(": ",", ")": ",", "[": ",", "]": ",", "{": ",", "}": ",",
}  # fmt: skip


def strongest_mark(punctuation: str) -> str:
    """The boundary mark of the punctuation between two words.

    A hyphen that joins two words (sixty-five) is a plain gap; a dash is a mark.

    >>> strongest_mark('," ')
    ','
    >>> strongest_mark('?!')
    '?'
    >>> strongest_mark('-'), strongest_mark(' -- ')
    (' ', '-')
    """
    if punctuation == "-":
        return " "
    strongest = " "
    for character in punctuation:
        strongest = max(strongest, _MARK_OF.get(character, " "), key=MARKS.index)
    return strongest


def utterance_symbols(words: Iterable[tuple[Sequence[str], str]]) -> list[str]:
    """``(phonemes, mark after)`` of each word -> the row of symbols that the encoder reads."""
    row = [START]
    for phonemes, mark in words:
        row += [*phonemes, mark]
    return row


def symbol_ids(row: Iterable[str]) -> list[int]:
    """Symbols -> their indices in `SYMBOLS`; a KeyError names a symbol that is not one."""
    return list(map(SYMBOL_IDS.__getitem__, row))
