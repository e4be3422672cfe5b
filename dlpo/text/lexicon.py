"""The pronunciations of 124,000 English words: the lexicon of gruut (MIT), read where it lies.

Its rows lie in alphabetical order under consecutive keys, so a word is found by bisection, with
nothing to load: opening takes a millisecond, a word 30 microseconds.
"""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from dlpo.text.corrections import CORRECTIONS
from dlpo.text.symbols import PHONEMES

_ARPABET = {
    "b": "B", "d": "D", "f": "F", "h": "HH", "k": "K", "l": "L", "m": "M", "n": "N", "p": "P",
    "s": "S", "t": "T", "v": "V", "w": "W", "z": "Z", "ɡ": "G", "ŋ": "NG", "ɹ": "R", "ʃ": "SH",
    "ʒ": "ZH", "θ": "TH", "ð": "DH", "d͡ʒ": "JH", "t͡ʃ": "CH", "j": "Y",
    "ə": "AH", "ɪ": "IH", "ɚ": "ER", "i": "IY", "ɛ": "EH", "ɑ": "AA", "æ": "AE", "oʊ": "OW",
    "eɪ": "EY", "ɔ": "AO", "ʌ": "AH", "aɪ": "AY", "u": "UW", "aʊ": "AW", "ʊ": "UH", "ɔɪ": "OY",
}  # fmt: skip
_STRESS = {"ˈ": "1", "ˌ": "2"}
_VOWEL_LETTERS = frozenset("əɪɚiɛɑæoeɔʌauʊ")
_VOWELS = frozenset(phoneme for phoneme in PHONEMES if phoneme[-1].isdigit())
# A weak vowel that the lexicon writes as IH0 is AH0 in the alignments, on which voices are trained,
# after the first vowel of a word before these, and before T after those.
_AH0_BEFORE = frozenset(("S", "F", "B", "M"))
_AH0_BEFORE_T_AFTER = frozenset(("R", "N", "L", "M", "T", "ER0", "IY0"))
_CACHED_WORDS = 20_000


@dataclass(frozen=True, slots=True)
class Pronunciation:
    """One way to say a word."""

    phonemes: tuple[str, ...]
    role: str
    """Part of speech it belongs to in Penn tags (``VB``, ``VBD``, ``NN``, ``JJ``), "" for any."""


class Lexicon:
    """A word in lower case -> its pronunciations, the most usual first.

    Safe to share by threads.
    """

    def __init__(self) -> None:
        path = str(files("gruut_lang_en") / "lexicon.db")
        self._rows = sqlite3.connect(
            f"file:{path}?mode=ro&immutable=1", uri=True, check_same_thread=False
        )
        self._lock = threading.Lock()
        (self._row_count,) = self._rows.execute("SELECT max(id) FROM word_phonemes").fetchone()
        self.pronunciations = lru_cache(maxsize=_CACHED_WORDS)(self._pronunciations)

    def __contains__(self, word: str) -> bool:
        return bool(self.pronunciations(word))

    def _pronunciations(self, word: str) -> tuple[Pronunciation, ...]:
        if corrected := CORRECTIONS.get(word):
            return (Pronunciation(tuple(corrected.split()), role=""),)
        with self._lock:
            low, high = 1, self._row_count + 1
            while low < high:  # the first row that is not before the word
                middle = (low + high) // 2
                query = "SELECT word FROM word_phonemes WHERE id = ?"
                (found,) = self._rows.execute(query, (middle,)).fetchone()
                if found < word:
                    low = middle + 1
                else:
                    high = middle
            query = "SELECT phonemes, role FROM word_phonemes WHERE id >= ? AND id < ? AND word = ?"
            rows = self._rows.execute(query, (low, low + 8, word)).fetchall()
        return tuple(
            Pronunciation(_to_arpabet(ipa), role.removeprefix("gruut:")) for ipa, role in rows
        )


def _to_arpabet(ipa: str) -> tuple[str, ...]:
    """``"h ə l ˈoʊ"`` -> HH AH0 L OW1."""
    phonemes = []
    for sound in ipa.split():
        stress = _STRESS.get(sound[0], "0")
        plain = sound.lstrip("ˈˌ")
        phonemes.append(_ARPABET[plain] + (stress if plain[0] in _VOWEL_LETTERS else ""))
    vowel_before = False
    for index in range(1, len(phonemes) - 1):
        before, phoneme, after = phonemes[index - 1 : index + 2]
        vowel_before |= before in _VOWELS
        if phoneme == "IH0" and vowel_before:
            if after in _AH0_BEFORE or (after == "T" and before in _AH0_BEFORE_T_AFTER):
                phonemes[index] = "AH0"
        elif phoneme == "NG" and before in ("IH0", "AH0") and after in ("K", "G"):
            phonemes[index] = "N"  # in-come, un-kind
    return tuple(phonemes)
