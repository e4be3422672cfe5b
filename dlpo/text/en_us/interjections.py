"""Sounds and stretched words of chats as plain words: "shhhh" as "shh", "sooo" as "so".

A row of interjections.tsv has the letters of a sound, each once where it is repeated, how long it
is at least, and the word that is said: a shorter one is something else, as "pst" is a time zone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import product

from dlpo.text.en_us.tables import table, word_list
from dlpo.text.en_us.technical import term_words

_SOUNDS = {letters: (int(least), word) for letters, (least, word) in table("interjections").items()}
_SOUND = re.compile("|".join("".join(f"{letter}+" for letter in sound) for sound in _SOUNDS))
_REPEATED = re.compile(r"([a-z])\1+")
_STRETCHED = re.compile(r"([a-z])\1\1")
_STRETCHED_CAPITALS = re.compile(  # but not "AAAS"
    r"(?<!^)([A-Z])\1\1|([A-Z])\2{3}|^(?:AAA|EEE|OOO)(?=(?:R?G?H|K|W)$)"
)
_SHORT = word_list("stretched to one letter")
_MOST_RUNS = 4  # letters of a word that are repeated


def plain_word(written: str, listed: Callable[[str], bool]) -> str:
    """The word that is meant by repeated letters, "" if none is.

    ``listed``: whether a lexicon has a lower-case word.
    """
    word = written.lower()
    stretched = (
        _STRETCHED_CAPITALS.search(written) if written.isupper() else _STRETCHED.search(word)
    )
    if _SOUND.fullmatch(word):
        least, sound = _SOUNDS[_REPEATED.sub(r"\1", word)]
        if len(word) >= least:
            return sound if stretched or not written.isupper() else ""
    if not stretched:
        return ""
    parts = _parts(word)
    repeated = sum(len(choices) > 1 for choices in parts)
    if len(parts) == 1 or repeated > _MOST_RUNS:
        return ""
    shortest = "".join(choices[-1] for choices in parts)
    if shortest in _SHORT:
        return shortest
    candidates = map("".join, product(*parts))
    return next((one for one in candidates if listed(one) or term_words(one)), "")


def _parts(word: str) -> list[tuple[str, ...]]:
    """The letters of a word, two and one of those that are repeated: ``("l",), ("oo", "o")``."""
    runs = re.findall(r"(([a-z])\2*|')", word)
    return [(letter * 2, letter) if len(run) > 1 else (run,) for run, letter in runs]
