"""The symbols that voices are trained on, and how an utterance becomes a row of them.

An utterance is ``^ word mark word mark ... word mark``: phonemes in ARPAbet with stress, and after
each word exactly one *boundary mark*. A mark may last zero frames; the model learns from the
recordings when it is a pause and how long.

There is room for further languages: a language takes what it shares and appends what it lacks, so
that no symbol ever changes its index. A voice knows the symbols that there were when it was
trained, the first ones of `SYMBOLS`; `within` says the others by the nearest that it knows.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

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
ENGLISH = tuple(f"{v}{stress}" for v in VOWELS for stress in "012") + CONSONANTS
# What Spanish lacks in English: five pure vowels; tap, trill, palatal nasal and fricative, velar
# fricative. Each with the English phonemes that are nearest; a vowel's stress is kept.
NEAREST = {
    "A": "AA", "E": "EH", "I": "IY", "O": "OW", "U": "UW",
    "DX": "D", "RR": "R", "NY": "N Y", "LL": "Y", "X": "HH",
}  # fmt: skip
SPANISH_VOWELS = ("A", "E", "I", "O", "U")
SPANISH = tuple(f"{v}{stress}" for v in SPANISH_VOWELS for stress in "012") + tuple(
    consonant for consonant in NEAREST if consonant not in SPANISH_VOWELS
)
PHONEMES = ENGLISH + SPANISH
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


def known_symbols(symbols: Sequence[str]) -> bool:
    """Whether these are the symbols of this or an earlier version: the first of `SYMBOLS`."""
    return len(symbols) >= FIRST_PHONEME and tuple(symbols) == SYMBOLS[: len(symbols)]


def within(symbols: Container[str], phonemes: tuple[str, ...]) -> tuple[str, ...]:
    """Phonemes for a voice that knows only these symbols: others become their nearest.

    >>> within(ENGLISH, ("P", "E1", "DX", "O0"))
    ('P', 'EH1', 'D', 'OW0')
    """
    if all(phoneme in symbols for phoneme in phonemes):
        return phonemes
    said: list[str] = []
    for phoneme in phonemes:
        stem, stress = phoneme.rstrip("012"), phoneme[-1] if phoneme[-1].isdigit() else ""
        known = phoneme in symbols
        said += [phoneme] if known else [one + stress for one in NEAREST[stem].split()]
    return tuple(said)


def symbol_ids(row: Iterable[str]) -> list[int]:
    """Symbols -> their indices in `SYMBOLS`; a KeyError names a symbol that is not one."""
    return list(map(SYMBOL_IDS.__getitem__, row))
